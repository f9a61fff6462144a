"""Numbers and moments as a reader wants them; what is not known is a dash."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

from cloche.markup import Html, tag

NONE: Final = "–"
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY: Final = 86_400
_UNITS: Final = (("d", _DAY), ("h", 3_600), ("min", 60), ("s", 1))


def number(value: float | None, digits: int = 3) -> str:
    """To *digits* significant ones; whole numbers whole."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def count(n: float | None) -> str:
    """A whole number."""
    return NONE if n is None else f"{n:,.0f}"


def share(value: float | None) -> str:
    """As a percentage; never 0 % or 100 % where it is only nearly so."""
    if value is None or not math.isfinite(value):
        return NONE
    if 0 < value < 0.001:
        return "< 0.1 %"
    if 0.999 < value < 1:
        return "> 99.9 %"
    return f"{value * 100:.3g} %"


def milliseconds(value: float | None) -> str:
    """`3.2 ms`, `1.5 s`."""
    if value is None or not math.isfinite(value):
        return NONE
    return f"{value:.3g} ms" if value < 1_000 else f"{value / 1_000:.3g} s"


def probability(p: float | None) -> str:
    """A p-value."""
    if p is None or not math.isfinite(p):
        return NONE
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def in_unit(value: float | None, unit: str) -> str:
    """By the unit of a series."""
    if unit == "ms":
        return milliseconds(value)
    if unit == "share":
        return share(value)
    return number(value)


def span(seconds: float) -> str:
    """The two greatest units: `3 d 4 h`."""
    parts: list[str] = []
    rest = max(0, int(seconds))
    for unit, length in _UNITS:
        amount, rest = divmod(rest, length)
        if amount or (unit == "s" and not parts):
            parts.append(f"{amount} {unit}")
    return " ".join(parts[:2])


def clock(moment: float, within_s: float) -> str:
    """The label of a time axis that spans *within_s*: the hour of the day, or the day."""
    when = datetime.fromtimestamp(moment, UTC)
    return f"{when:%H:%M}" if within_s <= _DAY else f"{when.day} {_MONTHS[when.month - 1]}"


def moment(at: float | None) -> Html:
    """A moment in UTC; the script in the page adds what the reader's own clock shows."""
    if at is None:
        return tag("span", NONE)
    when = datetime.fromtimestamp(at, UTC)
    machine = when.isoformat(timespec="seconds").replace("+00:00", "Z")
    return tag("time", f"{when.day} {_MONTHS[when.month - 1]} {when:%H:%M} UTC", datetime=machine)
