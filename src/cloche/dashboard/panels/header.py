"""The head of a model's page: what it is, whose it is, how it does, and which range is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from cloche.dashboard import figures
from cloche.dashboard.panels.panel import WORDS, linked
from cloche.markup import Child, Html, tag
from cloche.monitoring.documents import RANGES, Lamp, Lamps, ModelDocument

#: Of so many the monitor publishes documents of their own.
_MOST: Final = 4
LAMPS: Final = ("service", "data", "predictions", "performance")


def header(document: ModelDocument, *, picks: bool) -> Html:
    """The name, the facts, four lamps; with *picks* the links to other ranges and versions."""
    facts: list[tuple[str, Child]] = [
        ("live version", figures.NONE if document.live is None else str(document.live)),
        ("task", document.task or figures.NONE),
        ("owner", document.owner or figures.NONE),
        ("contact", linked(document.contact) or figures.NONE),
        ("runbook", linked(document.runbook) or figures.NONE),
    ]
    return tag(
        "section",
        tag("h1", document.model),
        tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts), class_="facts"),
        tag("ul", *(_lamp(name, getattr(document.lamps, name)) for name in LAMPS), class_="lamps"),
        _picks(document) if picks else None,
        _as_of(document),
        class_="hero",
    )


def _lamp(name: str, one: Lamp) -> Html:
    since = tag("small", "since ", figures.moment(one.since)) if one.since is not None else None
    return tag(
        "li",
        tag("h2", name.capitalize()),
        tag("p", tag("span", class_=f"lamp {one.state}", aria_hidden="true"), tag("strong", WORDS[one.state])),
        tag("p", one.why),
        since,
        class_=f"card {one.state}",
    )


def short_lamps(lamps: Lamps) -> Html:
    """The same in a line, for the overview."""
    items = (
        tag(
            "li",
            tag("span", class_=f"lamp {one.state}", aria_hidden="true"),
            tag("span", name.capitalize(), class_="what"),
            tag("strong", WORDS[one.state]),
        )
        for name, one in ((name, getattr(lamps, name)) for name in LAMPS)
    )
    return tag("ul", *items, class_="lampline")


def _as_of(document: ModelDocument) -> Html:
    words: list[Child] = ["As of ", figures.moment(document.made), "."]
    if document.folded_until is None:
        words.append(" No request was folded in this range.")
    else:
        words += [
            " Requests are counted up to ",
            figures.moment(document.folded_until),
            "; later ones are not in here yet.",
        ]
    words.append(" Times are UTC.")
    return tag("p", *words, class_="hint", id="as-of")


def _picks(document: ModelDocument) -> Html:
    version = None if document.version is None else str(document.version)
    ranges = [_pick(document, name, {"range": name, "version": version}, name == document.range) for name in RANGES]
    asked = [one.version for one in document.versions if one.requests][:_MOST]
    if len(asked) < 2:
        asked = []
    found = [_pick(document, "all", {"range": document.range}, document.version is None)]
    found += [
        _pick(document, str(one), {"range": document.range, "version": str(one)}, one == document.version)
        for one in asked
    ]
    return tag(
        "div",
        tag("nav", tag("span", "Range", class_="name"), *ranges, class_="picks", aria_label="Range"),
        tag("nav", tag("span", "Version", class_="name"), *found, class_="picks", aria_label="Version"),
        class_="pickers",
    )


def _pick(document: ModelDocument, words: str, asked: Mapping[str, str | None], chosen: bool) -> Html:
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    return tag("a", words, href=f"{document.model}?{query}", aria_current="page" if chosen else None)
