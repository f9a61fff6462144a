"""
One number a worker, in memory that all processes of a server share: when its event loop last turned.

Times are those of CLOCK_MONOTONIC, the same for every process; 0 means that nothing was heard yet. Standard
library only.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

_SIZE = 8  # a float64, aligned: a reader sees all of it or nothing


class Heartbeats:
    """The heartbeats of *slots* workers at *path*."""

    def __init__(self, path: Path, slots: int) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, max(slots * _SIZE, os.fstat(descriptor).st_size))
            self._memory = mmap.mmap(descriptor, slots * _SIZE)
        finally:
            os.close(descriptor)

    def beat(self, slot: int) -> None:
        """Now."""
        struct.pack_into("d", self._memory, slot * _SIZE, time.monotonic())

    def forget(self, slot: int) -> None:
        """Nothing was heard of the worker that is to come."""
        struct.pack_into("d", self._memory, slot * _SIZE, 0.0)

    def last(self, slot: int) -> float:
        """The time of the last beat; 0.0 before the first."""
        found: float = struct.unpack_from("d", self._memory, slot * _SIZE)[0]
        return found
