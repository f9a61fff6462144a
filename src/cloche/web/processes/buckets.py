"""
The state of rate limits in a file of RUN, shared by the workers of a host.

The time is that of `time.monotonic()`, which all processes of a machine read alike.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
from pathlib import Path

from cloche.rates import Rate

_SLOTS = 4096
_SLOT = 16  #: eight bytes of the name's hash, eight of the moment at which its bucket is full
_PROBES = 16


class SharedBuckets:
    """
    Buckets in a file, shared by whoever opens it; a lock is held for microseconds, and ends with its owner.

    A hash table with open addressing; a full bucket is as good as none, so its place is given to the next name.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._descriptor, _SLOTS * _SLOT)
        self._memory = mmap.mmap(self._descriptor, _SLOTS * _SLOT)
        whole = memoryview(self._memory)
        self._names, self._full_at = whole.cast("Q"), whole.cast("d")

    def take(self, name: str, rate: Rate, now: float) -> float:
        """As `cloche.web.buckets.Buckets.take`."""
        mark = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") or 1
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            place = self._place(mark, now)
            before = self._full_at[place + 1] if self._names[place] == mark else 0.0
            after, wait = rate.take(before, now)
            self._full_at[place + 1] = after
            self._names[place] = mark
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return wait

    def _place(self, mark: int, now: float) -> int:
        """Where the name is, else a place that is free, else that of the bucket which is full soonest."""
        places = [2 * ((mark + step) % _SLOTS) for step in range(_PROBES)]
        known = next((place for place in places if self._names[place] == mark), None)
        if known is not None:
            return known
        return min(places, key=lambda place: self._full_at[place + 1] if self._names[place] else now - 1.0)
