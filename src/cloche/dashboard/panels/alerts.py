"""Rules and their states: what fires, since when, who was told."""

from __future__ import annotations

from typing import Final

from cloche.dashboard import figures
from cloche.dashboard.panels.panel import address, cell, chip, empty, link_to, linked, panel, table
from cloche.markup import Child, Html, tag
from cloche.monitoring.alerts.defaults import BY_NAME
from cloche.monitoring.alerts.vocabulary import measured, told
from cloche.monitoring.documents import AlertRow, ModelDocument

_ORDER: Final = {"firing": 0, "pending": 1, "no_data": 2, "resolved": 3, "ok": 4}
_OPEN: Final = ("firing", "pending", "resolved")
_HEAD: Final = ("Rule", "Phase", "Value", "Limit", "Since", "Why", "Told")


def alerts(document: ModelDocument, up: str | None) -> Html:
    """What fires first; each rule leads to what it means and what to do (in a report, without *up*, of what fires)."""
    found = sorted(document.alerts, key=lambda one: (_ORDER[one.phase], one.rule))
    if not found:
        how = empty(
            "No rules are known here. They come with the monitor; your own stand in ", tag("code", "cloche.toml"), "."
        )
        return panel("alerts", "Alerts", _as_of(document), looked_after(document), how)
    firing = sum(one.phase == "firing" for one in found)
    note = [*_as_of(document), f" · {firing} of n = {len(found)} rules firing"]
    calm = [one for one in found if one.phase == "ok" and not _silent(document, one)]
    loud = [one for one in found if one not in calm]
    details = () if up is not None else (_folded(document, one) for one in found)
    whole = [_loud(document, loud, up), *details, _calm(document, calm, up)]
    return panel("alerts", "Alerts", note, looked_after(document), *whole)


def _loud(document: ModelDocument, found: list[AlertRow], up: str | None) -> Html:
    if not found:
        return empty("Nothing fires, and nothing is about to.")
    return table(_HEAD, (_row(document, one, up) for one in found), "Alert rules")


def _calm(document: ModelDocument, found: list[AlertRow], up: str | None) -> Html | None:
    """What is as it should be is one line until somebody asks."""
    if not found:
        return None
    words = f"{len(found)} rule{'s' if len(found) != 1 else ''} OK"
    rows = (_row(document, one, up) for one in found)
    return tag("details", tag("summary", words), table(_HEAD, rows, "Alert rules that are OK"), class_="calm")


def looked_after(document: ModelDocument) -> Html | None:
    """Who is to be asked, and where it is written what to do."""
    known = [
        *([document.owner] if document.owner else []),
        *([linked(document.contact)] if document.contact else []),
        *([linked(document.runbook, "runbook")] if document.runbook else []),
    ]
    if not known:
        return None
    between = [part for one in known for part in (" · ", one)][1:]
    return tag("p", "Looked after by ", *between, class_="hint after")


def alert_detail(document: ModelDocument, one: AlertRow) -> Html:
    """A rule: how it stands, what it means, the first three checks, when to roll back, and whom to ask."""
    facts: list[tuple[str, Child]] = [
        ("phase", chip(one.phase)),
        ("severity", one.severity),
        ("value", _in_unit(one, one.value)),
        ("limit", _in_unit(one, one.threshold)),
        ("since", figures.moment(one.since)),
        ("told", _told(one)),
    ]
    return tag(
        "div",
        tag("p", tag("code", one.expression), class_="of"),
        tag("p", one.why, class_="lead") if one.why else None,
        tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts), class_="facts"),
        looked_after(document),
        *_guidance(document, one),
    )


def _guidance(document: ModelDocument, one: AlertRow) -> list[Html]:
    known = BY_NAME.get(one.rule)
    target = link_to(one.page)
    found = [] if target is None else [tag("p", "What to do: ", linked(target))]
    if known is None:
        return found or [
            tag("p", "A rule of your own; its ", tag("code", "page"), " may say what to do.", class_="hint")
        ]
    return [
        *found,
        tag("h3", known.title),
        tag("p", *_prose(known.guidance.meaning, document.model)),
        tag("h3", "First three checks"),
        tag("ol", *(tag("li", *_prose(check, document.model)) for check in known.guidance.checks), class_="checks"),
        tag("h3", "When to roll back"),
        tag("p", *_prose(known.guidance.roll_back, document.model)),
    ]


def _prose(text: str, model: str) -> list[Child]:
    """Words, those between backticks as code; NAME is *model* there."""
    parts = enumerate(text.split("`"))
    return [tag("code", part.replace("NAME", model)) if place % 2 else part for place, part in parts]


def _folded(document: ModelDocument, one: AlertRow) -> Html | None:
    """Of a rule that somebody has to look at, in a report."""
    if one.phase not in _OPEN or (one.rule not in BY_NAME and link_to(one.page) is None):
        return None
    title = tag("summary", f"{one.rule}: what to do ", chip(one.phase))
    return tag("details", title, *_guidance(document, one), class_="card field")


def _as_of(document: ModelDocument) -> list[Child]:
    return ["Decided ", figures.moment(document.decided or document.made), " from the folded log"]


def _row(document: ModelDocument, one: AlertRow, up: str | None) -> Html:
    silent = _silent(document, one)
    name: Child = one.rule if up is None else tag("a", one.rule, href=address(document, "/alert", name=one.rule))
    page = link_to(one.page)
    return tag(
        "tr",
        tag(
            "th",
            name,
            tag("small", one.expression),
            tag("small", linked(page, "what to do")) if page else None,
            scope="row",
        ),
        cell(
            "Phase",
            chip(one.phase),
            tag("small", one.severity),
            tag("small", "silenced until ", figures.moment(one.silenced_until)) if silent else None,
        ),
        cell("Value", _in_unit(one, one.value)),
        cell("Limit", _in_unit(one, one.threshold)),
        cell("Since", figures.moment(one.since)),
        cell("Why", one.why or figures.NONE, class_="words wide"),
        cell("Told", _told(one), class_="words wide"),
    )


def _silent(document: ModelDocument, one: AlertRow) -> bool:
    """The end of a range may lie ahead: by a day in that of 90."""
    return one.silenced_until is not None and one.silenced_until > (document.decided or document.made)


def _in_unit(one: AlertRow, value: float | None) -> str:
    """In the unit of what the rule measures; a later cloche may measure something else."""
    measure = measured(one.expression)
    if measure is None or value is None:
        return figures.number(value)
    return told(value, measure.unit)


def _told(one: AlertRow) -> Child:
    if not one.deliveries:
        return "nobody yet" if one.phase in ("firing", "resolved") else figures.NONE
    return tag(
        "ul", *(tag("li", f"{sink}: {outcome}") for sink, outcome in sorted(one.deliveries.items())), class_="plain"
    )
