"""The regular expression of the integers of an interval, for JSON Schema: big integers may be sent as text."""

from __future__ import annotations


def integers_between(low: int, high: int, *, beyond: int) -> str | None:
    """A regular expression for the integers of [*low*, *high*] whose absolute value is above *beyond*, or None."""
    positive = _between(max(low, beyond + 1), high)
    negative = _between(max(-high, beyond + 1), -low)
    parts = positive + ([f"-(?:{'|'.join(negative)})"] if negative else [])
    return "|".join(parts) or None


def _between(low: int, high: int) -> list[str]:
    """Alternatives for the positive integers *low* to *high*, one or more a number of digits."""
    parts = []
    while low <= high:
        last = min(high, 10 ** len(str(low)) - 1)
        parts.append(_same_length(str(low), str(last)))
        low = last + 1
    return parts


def _same_length(low: str, high: str) -> str:
    if low == high:
        return low
    rest = len(low) - 1
    if low[0] == high[0]:
        return low[0] + _same_length(low[1:], high[1:])
    parts, first, last = [], int(low[0]), int(high[0])
    if low[1:] != "0" * rest:
        parts.append(low[0] + _same_length(low[1:], "9" * rest))
        first += 1
    tail = [] if high[1:] == "9" * rest else [high[0] + _same_length("0" * rest, high[1:])]
    last -= len(tail)
    if first <= last:
        parts.append((f"[{first}-{last}]" if first < last else str(first)) + (f"[0-9]{{{rest}}}" if rest else ""))
    return f"(?:{'|'.join(parts + tail)})"
