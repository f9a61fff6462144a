"""Lengths of time on the command line: 12h, 30d."""

from __future__ import annotations

from datetime import timedelta

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
