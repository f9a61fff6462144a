"""Versions, where each answers, and the way to another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cloche.dashboard import figures
from cloche.dashboard.charts.over_time import told
from cloche.dashboard.panels.panel import address, cell, chip, empty, panel, table
from cloche.markup import Child, Html, tag
from cloche.monitoring.documents import Mark, ModelDocument, VersionRow, asked

_MOST: Final = 20


def versions(document: ModelDocument, up: str | None, *, may_change: bool) -> Html:
    """
    The newest versions and those that were asked, linked to their pages except in a report (without *up*). With
    *may_change* buttons that promote and roll back, which the script makes work.

    Without the script the commands stand there.
    """
    found = document.versions
    if not found:
        return panel("versions", "Versions", f"Model {document.model}", empty("No version is published."))
    pages = [] if up is None else asked(document)
    shown = [one for place, one in enumerate(found) if place < _MOST or one.version in pages]
    head = ("Version", "Answers as", "Contract", "Saved", "Requests", "Rows", "Change")
    note = [
        f"Last {document.range}: n = {figures.count(sum(one.requests for one in found))} requests · ",
        f"{len(found)} versions" + (f", {len(shown)} are shown" if len(found) > len(shown) else ""),
    ]
    whole = table(head, (_row(document, one, pages, may_change) for one in shown), "Versions")
    return panel("versions", "Versions and routes", note, whole, _back(document, may_change), _marks(document.marks))


def _row(document: ModelDocument, one: VersionRow, pages: Sequence[int], may_change: bool) -> Html:
    live = "live" in one.routes
    change: Child = figures.NONE
    if not live:
        command = tag("code", f"cloche promote {document.model} {one.version}")
        change = [command if not may_change else tag("span", command, data_without_script=True)]
        if may_change:
            change.append(_promote(document.model, one.version))
    return tag(
        "tr",
        tag("th", _name(document, one, pages), scope="row"),
        cell(
            "Answers as", *(chip("ok", name) for name in one.routes) if one.routes else [figures.NONE], class_="words"
        ),
        cell("Contract", str(one.contract)),
        cell("Saved", tag("time", one.created[:16].replace("T", " ") + " UTC", datetime=one.created)),
        cell("Requests", figures.count(one.requests)),
        cell("Rows", figures.count(one.rows)),
        cell("Change", change, class_="wide"),
    )


def _name(document: ModelDocument, one: VersionRow, pages: Sequence[int]) -> Child:
    """Linked to its page, where it has one that is not this."""
    words = f"Version {one.version}"
    if one.version not in pages or one.version == document.version:
        return words
    return tag("a", words, href=address(document, version=one.version))


def _promote(model: str, version: int) -> Html:
    return tag(
        "button",
        f"Promote version {version}",
        type="button",
        hidden=True,
        data_change="promote",
        data_model=model,
        data_version=version,
    )


def _back(document: ModelDocument, may_change: bool) -> Html:
    command = tag("code", f"cloche rollback {document.model}")
    words = tag("span", "Undo the last promote: ", command)
    if not may_change:
        return tag("p", words, class_="hint back")
    button = tag(
        "button",
        "Roll back the last promote",
        type="button",
        hidden=True,
        data_change="rollback",
        data_model=document.model,
    )
    return tag("p", tag("span", words, data_without_script=True), button, class_="hint back")


def _marks(marks: list[Mark]) -> Html:
    if not marks:
        return empty("No route changed in this range.")
    rows = (
        tag(
            "tr",
            tag("th", figures.moment(one.at), scope="row"),
            cell("What", told(one), class_="words"),
            cell("By", one.by or figures.NONE, class_="words"),
            cell("Why", one.why or figures.NONE, class_="words"),
        )
        for one in reversed(marks[-_MOST:])
    )
    return tag(
        "div", tag("h3", "Changes in this range"), table(("When", "What", "By", "Why"), rows, "Changes of routes")
    )


def dialog() -> Html:
    """What asks before a route is changed; the script fills it."""
    return tag(
        "dialog",
        tag(
            "form",
            tag("h2", "", id="change-title"),
            tag("p", "", id="change-what"),
            tag("label", "Why (kept in the history)", for_="change-why"),
            tag("textarea", "", id="change-why", rows=3, maxlength=500),
            tag("p", "", id="change-said", role="status", class_="hint"),
            tag(
                "div",
                tag("button", "Cancel", type="button", id="change-cancel"),
                tag("button", "", type="submit", id="change-do", class_="primary"),
                class_="actions",
            ),
            method="dialog",
        ),
        id="change",
        aria_labelledby="change-title",
    )
