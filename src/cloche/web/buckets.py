"""
Where the state of rate limits lies in a process that serves alone; workers share a file (`processes/buckets.py`).
"""

from __future__ import annotations

from typing import Protocol

from cloche.rates import Rate

_MOST_KEPT = 10_000


class Buckets(Protocol):
    """One bucket a name."""

    def take(self, name: str, rate: Rate, now: float) -> float:
        """Take a token; 0.0, or after how many seconds there will be one."""
        ...


class OwnBuckets:
    """Buckets of one process."""

    def __init__(self) -> None:
        self._full_at: dict[str, float] = {}

    def take(self, name: str, rate: Rate, now: float) -> float:
        """As `Buckets.take`."""
        if len(self._full_at) >= _MOST_KEPT:
            self._full_at = {known: at for known, at in self._full_at.items() if at > now}
        self._full_at[name], wait = rate.take(self._full_at.get(name, 0.0), now)
        return wait
