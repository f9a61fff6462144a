"""
The numbers of one worker, in a file that others read while it writes.

One process writes a slot, one thread in it. The next worker of the slot opens the same file and goes on, so that
sums only grow; what was true of the dead one's moment (gauges) begins at 0 again.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from cloche.metrics.families import FAMILIES, Family
from cloche.metrics.layout import ENTRY_HEADER, HEADER, MAGIC, entries, key_of, padded

#: Holds some thousands of series.
_SIZE = 1 << 20
#: Kept for the entries that take what no longer fits.
_RESERVE = 16_384
#: A family has at most this many series; whatever comes later counts under the label value `other`.
MAX_SERIES = 1_000
OTHER = "other"


class MetricsSlot:
    """
    The file at *path*; without one the numbers are kept in memory, for a server of one process.

    Label values are given in the order of the family's labels.
    """

    def __init__(
        self, path: Path | None = None, *, size: int = _SIZE, families: Mapping[str, Family] = FAMILIES
    ) -> None:
        self._families = families
        self._memory = bytearray(size) if path is None else _map(path, size)
        self._view = memoryview(self._memory)
        self.numbers = self._view.cast("d")  #: by place, for what is counted with every request
        self._ends = self._view.cast("Q")
        self._sizes = self._view.cast("I")
        self._places: dict[tuple[str, tuple[str, ...]], int] = {}
        self._series: Counter[str] = Counter()
        self._buckets: dict[int, tuple[float, ...]] = {}
        self._take_over()

    def add(self, name: str, labels: tuple[str, ...] = (), by: float = 1.0) -> None:
        """Count *by* more."""
        self.numbers[self._places.get((name, labels)) or self._place(name, labels)] += by

    def set(self, name: str, labels: tuple[str, ...] = (), value: float = 0.0) -> None:
        """Say what a gauge is now."""
        self.numbers[self._places.get((name, labels)) or self._place(name, labels)] = value

    def observe(self, name: str, labels: tuple[str, ...], value: float) -> None:
        """Count *value* in its bucket of a histogram."""
        place = self._places.get((name, labels)) or self._place(name, labels)
        buckets = self._families[name].buckets
        self.numbers[place + len(buckets) + 1] += value
        self.numbers[place + bisect_left(buckets, value)] += 1.0

    def place(self, name: str, labels: tuple[str, ...] = ()) -> int:
        """Where a series stands, for `numbers` and `observe_at`: it never moves."""
        place = self._places.get((name, labels)) or self._place(name, labels)
        if self._families[name].kind == "histogram":
            self._buckets[place] = self._families[name].buckets
        return place

    def observe_at(self, place: int, value: float) -> None:
        """`observe`, at the place of a histogram."""
        buckets = self._buckets[place]
        self.numbers[place + len(buckets) + 1] += value
        self.numbers[place + bisect_left(buckets, value)] += 1.0

    def snapshot(self) -> bytes:
        """The whole slot as it is now: what a file of it would hold."""
        return bytes(self._view[: self._ends[1]])

    def close(self) -> None:
        """Let go of the file; the numbers stay in it."""
        for view in (self.numbers, self._ends, self._sizes, self._view):
            view.release()
        if isinstance(self._memory, mmap.mmap):
            self._memory.close()

    # -- details --------------------------------------------------------------------------------

    def _take_over(self) -> None:
        """Find what the worker before counted; the end is set behind the last entry that is whole."""
        end = HEADER
        for one in entries(self._view):
            end = one.end
            family = self._families.get(one.name)
            if family is None or family.width != one.width or len(family.labels) != len(one.labels):
                continue
            self._places[one.name, one.labels] = one.position // 8
            self._series[one.name] += 1
            if family.kind == "gauge":
                self.numbers[one.position // 8] = 0.0
        self._ends[1] = end
        self._view[:8] = MAGIC

    def _place(self, name: str, labels: tuple[str, ...]) -> int:
        """Where the numbers of a series are that is counted for the first time."""
        family = self._families[name]
        if len(labels) != len(family.labels):
            raise ValueError(f"{name}: expected the labels {', '.join(family.labels) or 'none'}, got {labels}")
        if self._series[name] < MAX_SERIES and self._fits(name, labels, len(self._view) - _RESERVE):
            return self._append(name, labels, family.width)
        rest = (OTHER,) * len(labels)
        place = self._places.get((name, rest)) or self._append(name, rest, family.width)
        if len(self._places) < 2 * MAX_SERIES * len(self._families):
            self._places[name, labels] = place
        return place

    def _fits(self, name: str, labels: tuple[str, ...], limit: int) -> bool:
        size = ENTRY_HEADER + padded(len(key_of(name, labels))) + 8 * self._families[name].width
        return self._ends[1] + size <= limit

    def _append(self, name: str, labels: tuple[str, ...], width: int) -> int:
        """Write the entry beyond the end, then move the end over it."""
        key, position = key_of(name, labels), self._ends[1]
        begin = position + ENTRY_HEADER
        place = (begin + padded(len(key))) // 8
        self._sizes[position // 4], self._sizes[position // 4 + 1] = len(key), width
        self._view[begin : begin + len(key)] = key
        for offset in range(width):
            self.numbers[place + offset] = 0.0
        self._ends[1] = 8 * (place + width)
        self._places[name, labels] = place
        self._series[name] += 1
        return place


def _map(path: Path, size: int) -> mmap.mmap:
    """
    The file as memory that is shared with its readers; it is made, or made longer, where need be.

    Its place on the disk is taken now: memory that turns out to have none ends a process by SIGBUS.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        size = max(size, padded(os.fstat(descriptor).st_size))
        os.truncate(descriptor, size)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)
