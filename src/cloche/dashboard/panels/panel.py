"""A panel: what it shows, of which window, from how many rows; or what to do, where there is nothing to show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlencode

from cloche.dashboard import figures
from cloche.markup import Child, Html, tag
from cloche.monitoring.documents import ModelDocument

#: What a state is called; the colour says it again.
WORDS: Final = {
    "ok": "OK",
    "warn": "Attention",
    "alarm": "Alarm",
    "unknown": "Not enough data",
    "small": "Small",
    "drift": "Drift",
    "insufficient": "Not enough data",
    "pending": "Pending",
    "firing": "Firing",
    "resolved": "Resolved",
    "no_data": "No data",
}
_KINDS: Final = {"alarm": "bad", "drift": "bad", "firing": "bad", "warn": "warn", "small": "warn", "pending": "warn"}


def panel(name: str, title: str, note: Child, *content: Child, wide: bool = True) -> Html:
    """A section with its heading, and beneath it what it is of."""
    return tag(
        "section",
        tag("h2", title, id=f"{name}-title"),
        tag("p", note, class_="of"),
        *content,
        id=name,
        class_="panel wide" if wide else "panel",
        aria_labelledby=f"{name}-title",
    )


def window(document: ModelDocument, n: float | None = None, what: str = "requests") -> list[Child]:
    """`24h to 25 Nov 12:00 UTC · n = 1,234 requests`"""
    found: list[Child] = [f"Last {document.range} to ", figures.moment(document.end)]
    return found if n is None else [*found, f" · n = {figures.count(n)} {what}"]


def judged(document: ModelDocument) -> int | None:
    """The version that drift and quality are told of: that of the document, else the live one."""
    return document.live if document.version is None else document.version


def answered_rows(document: ModelDocument, version: int | None = None) -> int:
    """How many rows were answered in the range, by all versions or by one."""
    return sum(one.rows for one in document.versions if version in (None, one.version))


def address(document: ModelDocument, place: str = "", **asked: str | int | None) -> str:
    """
    The page of the model, or a *place* beneath it, from the page of the model: in the range and of the version of
    *document*, where *asked* says nothing else.
    """
    query = {"name": None, "range": document.range, "version": document.version} | asked
    return f"{document.model}{place}?{urlencode({name: value for name, value in query.items() if value is not None})}"


def empty(*what: Child) -> Html:
    """Instead of a drawing of nothing."""
    return tag("p", *what, class_="empty card")


def chip(state: str, words: str | None = None) -> Html:
    """A state as a word in its colour."""
    kind = _KINDS.get(state, "ok" if state in ("ok", "resolved") else "none")
    return tag("span", words or WORDS.get(state, state), class_=f"chip {kind}")


def table(head: Sequence[str], rows: Iterable[Html], caption: str, *, numeric: bool = False) -> Html:
    """Rows that become cards on a phone; the caption is for who does not see the heading."""
    titles = tag("thead", tag("tr", *(tag("th", title, scope="col") for title in head)))
    whole = tag(
        "table",
        tag("caption", caption),
        titles,
        tag("tbody", *rows),
        class_="stacked numeric" if numeric else "stacked",
    )
    return tag("div", whole, class_="card flush")


def cell(title: str, *content: Child, class_: str | None = None) -> Html:
    """A cell that knows its column's title."""
    return tag("td", tag("div", *content), data_title=title, class_=class_)


def link_to(address: str | None) -> str | None:
    """An address that a browser may follow: http, https, or an e-mail address; None for every other text."""
    if address is None:
        return None
    if address.startswith(("https://", "http://")):
        return address
    local, at, domain = address.partition("@")
    if at and local and "." in domain and not set(address) & set(" <>\"'():,;/\\?&"):
        return f"mailto:{address}"
    return None


def linked(address: str | None, words: str | None = None) -> Child:
    """The address as a link where it is one, else as text."""
    target = link_to(address)
    return address if target is None else tag("a", words or address, href=target, rel="noreferrer")


def total(values: Iterable[float | None]) -> float:
    """The sum of what is known."""
    return sum(value for value in values if value is not None)
