"""Lengths of time and moments on the command line: 12h, 30d, 2026-11-24."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cloche.errors import UsageError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_age(text: str, flag: str) -> timedelta:
    """
    Read `30d`.

    Raises:
        UsageError: it is no number with a unit behind it.
    """
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdigit() and len(number) < 7) or unit not in _UNITS:
        raise UsageError(f"{flag}: expected a number and one of s, m, h, d, w (30d), got '{text}'")
    return timedelta(**{_UNITS[unit]: int(number)})


def parse_moment(text: str | None, flag: str) -> datetime | None:
    """
    Read `2026-11-24`, `2026-11-24T12:00:00Z`, or `7d`: so long ago. Without a zone UTC is meant.

    Raises:
        UsageError: it is none of these.
    """
    if text is None:
        return None
    if text[-1:] in _UNITS and text[:-1].isdigit():
        return datetime.now(UTC) - parse_age(text, flag)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        expected = "expected a moment such as 2026-11-24 or 2026-11-24T12:00:00Z, or 7d for a week ago"
        raise UsageError(f"{flag}: {expected}, got '{text[:40]}'") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
