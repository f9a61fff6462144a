"""Rules and their states: what fires, since when, who was told."""

from __future__ import annotations

from typing import Final

from cloche.dashboard import figures
from cloche.dashboard.panels.panel import cell, chip, empty, link_to, panel, table
from cloche.markup import Child, Html, tag
from cloche.monitoring.documents import AlertRow, ModelDocument

_ORDER: Final = {"firing": 0, "pending": 1, "no_data": 2, "resolved": 3, "ok": 4}
_HEAD: Final = ("Rule", "Phase", "Value", "Limit", "Since", "Why", "Told")


def alerts(document: ModelDocument) -> Html:
    """What fires first."""
    found = sorted(document.alerts, key=lambda one: (_ORDER[one.phase], one.rule))
    if not found:
        how = empty(
            "No rules are known here. They come with the monitor; your own stand in ", tag("code", "cloche.toml"), "."
        )
        return panel("alerts", "Alerts", _as_of(document), how)
    firing = sum(one.phase == "firing" for one in found)
    note = [*_as_of(document), f" · {firing} of n = {len(found)} rules firing"]
    return panel("alerts", "Alerts", note, table(_HEAD, (_row(one, document.end) for one in found), "Alert rules"))


def _as_of(document: ModelDocument) -> list[Child]:
    return ["Decided ", figures.moment(document.made), " from the folded log"]


def _row(one: AlertRow, now: float) -> Html:
    silent = one.silenced_until is not None and one.silenced_until > now
    page = link_to(one.page)
    name: Child = tag("a", one.rule, href=page, rel="noreferrer") if page else one.rule
    return tag(
        "tr",
        tag("th", name, tag("small", one.expression), scope="row"),
        cell(
            "Phase",
            chip(one.phase),
            tag("small", one.severity),
            tag("small", "silenced until ", figures.moment(one.silenced_until)) if silent else None,
        ),
        cell("Value", figures.number(one.value)),
        cell("Limit", figures.number(one.threshold)),
        cell("Since", figures.moment(one.since)),
        cell("Why", one.why or figures.NONE, class_="words wide"),
        cell("Told", _told(one), class_="words wide"),
    )


def _told(one: AlertRow) -> Child:
    if not one.deliveries:
        return "nobody yet" if one.phase in ("firing", "resolved") else figures.NONE
    return tag(
        "ul", *(tag("li", f"{sink}: {outcome}") for sink, outcome in sorted(one.deliveries.items())), class_="plain"
    )
