"""The head of a model's page: what it is, whose it is, how it does, and which range is shown."""

from __future__ import annotations

from typing import Final

from cloche.dashboard import figures
from cloche.dashboard.panels.panel import WORDS, address, linked
from cloche.markup import Child, Html, tag
from cloche.monitoring.documents import RANGES, Lamp, Lamps, ModelDocument, asked

#: So many versions stand in the picker; the table of versions has all.
_MOST: Final = 8
LAMPS: Final = ("service", "data", "predictions", "performance")


def header(document: ModelDocument, *, picks: bool) -> Html:
    """The name, the facts, four lamps; with *picks* the links to other ranges and versions."""
    facts: list[tuple[str, Child]] = [
        *([] if document.version is None else [("shown version", str(document.version))]),
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
        _of_another(document),
        _picks(document) if picks else None,
        _as_of(document),
        class_="hero",
    )


def _of_another(document: ModelDocument) -> Html | None:
    if document.version in (None, document.live):
        return None
    live = "no version is live" if document.live is None else f"of the live version, {document.live}"
    words = f"Requests, answers, drift and quality are of version {document.version}; lamps and alerts: {live}."
    return tag("p", words, class_="hint")


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
    if document.decided is not None:
        words += [" Lamps, alerts and drift are as of ", figures.moment(document.decided), "."]
    words.append(" Times are UTC.")
    return tag("p", *words, class_="hint", id="as-of")


def _picks(document: ModelDocument) -> Html:
    ranges = [_pick(name, address(document, range=name), name == document.range) for name in RANGES]
    versions = asked(document)
    if document.version is not None and document.version not in versions:
        versions = [document.version, *versions]
    shown = [one for place, one in enumerate(versions) if place < _MOST or one == document.version]
    found = [_pick("all", address(document, version=None), document.version is None)]
    found += [_pick(str(one), address(document, version=one), one == document.version) for one in shown]
    if len(shown) < len(versions):
        found.append(tag("a", f"{len(versions) - len(shown)} more", href="#versions"))
    return tag(
        "div",
        tag("nav", tag("span", "Range", class_="name"), *ranges, class_="picks", aria_label="Range"),
        tag("nav", tag("span", "Version", class_="name"), *found, class_="picks", aria_label="Version"),
        class_="pickers",
    )


def _pick(words: str, to: str, chosen: bool) -> Html:
    return tag("a", words, href=to, aria_current="page" if chosen else None)
