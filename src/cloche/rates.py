"""
How often somebody may call: `100/s`, `1000/m`. Pure: time and state are passed in.

A bucket holds as many tokens as the rate's count and fills evenly; its whole state is one number, the moment at which
it is full again, so that processes can share it in eight bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from cloche.errors import UsageError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_RATE = re.compile(r"([1-9][0-9]{0,8})/([smhd])")


@dataclass(frozen=True, slots=True)
class Rate:
    """At most *count* at once, and that many again every *unit*."""

    count: int
    unit: str

    def __str__(self) -> str:
        return f"{self.count}/{self.unit}"

    @property
    def period_s(self) -> int:
        """The unit in seconds."""
        return _SECONDS[self.unit]

    def take(self, full_at: float, now: float) -> tuple[float, float]:
        """
        Take one token from a bucket that is full at *full_at*.

        Gives the new moment, and 0.0; or the old one, and after how many seconds there will be a token.
        """
        after = max(full_at, now) + self.period_s / self.count
        missing = after - now - self.period_s
        return (full_at, missing) if missing > 1e-9 * max(1.0, abs(now)) else (after, 0.0)


@lru_cache(maxsize=1024)
def parse(text: str) -> Rate:
    """
    `100/s`, `1000/m`, `10/h`, `5/d`.

    Raises:
        UsageError: it is not written so.
    """
    found = _RATE.fullmatch(text)
    if found is None:
        raise UsageError(f"rate: expected a number and one of /s, /m, /h, /d (100/s), got '{text[:64]}'")
    return Rate(int(found[1]), found[2])
