"""Lengths of time in rules: `30s`, `5m`, `2h`, `1d`, `1w`."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_LENGTH: Final = re.compile(r"([0-9]{1,7})([smhdw])")
EXPECTED: Final = "a length of time (30s, 5m, 2h, 1d)"


def seconds(text: str) -> float | None:
    """*text* in seconds; None where it is no length of time."""
    found = _LENGTH.fullmatch(text.strip())
    return None if found is None else int(found[1]) * _UNITS[found[2]]


def shown(length_s: float) -> str:
    """The shortest text that `seconds` reads as *length_s*, in whole seconds: 300 is `5m`."""
    whole = int(length_s)
    for unit in ("w", "d", "h", "m"):
        if whole and whole % _UNITS[unit] == 0:
            return f"{whole // int(_UNITS[unit])}{unit}"
    return f"{whole}s"


def about(length_s: float) -> str:
    """For people: to the minute from two minutes on, to the hour from two hours on, to the day from two days on."""
    for unit_s in (86_400.0, 3_600.0, 60.0):
        if length_s >= 2 * unit_s:
            return shown(length_s // unit_s * unit_s)
    return shown(max(length_s, 0.0))
