"""What changed for callers from one revision of the contract to the next, newest first."""

from __future__ import annotations

from collections.abc import Sequence

from cloche.markup import Child, Html, join, tag
from cloche.protocols.served import ServedModel
from cloche.registry import Notice, Revision


def changes_section(shown: ServedModel) -> Html | None:
    """The section *Changes*; None for a contract that never changed."""
    if len(shown.promises.revisions) < 2:
        return None
    return tag("section", tag("h2", "Changes"), *_entries(shown), id="changes")


def changes_content(models: Sequence[ServedModel]) -> Html:
    """The page of its own: every model's changes, also of one whose contract never did."""
    parts = [
        tag("section", tag("h1", one.name, tag("span", "contract", class_="badge")), *_entries(one)) for one in models
    ]
    return tag("div", parts, id="model")


def _entries(shown: ServedModel) -> list[Html]:
    notices, entries = shown.promises.notices, list(reversed(shown.promises.revisions))
    latest = {one.number: one for one in shown.promises.revisions}
    return [_entry(one, notices.get(one.number, Notice()) if latest[one.number] is one else None) for one in entries]


def _entry(one: Revision, notice: Notice | None) -> Html:
    title = tag("h3", f"Contract {one.label}", tag("span", f"from version {one.version}", class_="badge"))
    day = tag("p", tag("time", one.at[:10], datetime=one.at), class_="note")
    told = [] if notice is None else [tag("p", text, class_="problem") for text in words_of(notice)]
    lists = [_list("Breaks callers of what was before", one.breaks), _list("New", one.additions)]
    none = None if one.breaks or one.additions else tag("p", _NOTHING if one.number > 1 or one.revision else _FIRST)
    return tag("div", title, day, told, lists, none, class_="card")


_FIRST = "The first contract."
_NOTHING = "Nothing that a caller would notice."


def words_of(notice: Notice) -> list[str]:
    """The notice in sentences."""
    since = [] if notice.deprecated is None else [f"Deprecated since {notice.deprecated[:10]}."]
    return since + ([] if notice.sunset is None else [f"Served until {notice.sunset}."])


def _list(title: str, lines: Sequence[str]) -> Child:
    return join([tag("h4", title), tag("ul", [tag("li", line) for line in lines])]) if lines else None
