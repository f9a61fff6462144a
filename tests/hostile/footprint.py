"""How much of the machine a server holds: memory and descriptors of all its processes."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from processes import everybody


@dataclass(frozen=True)
class Footprint:
    """Summed over the processes."""

    descriptors: int
    resident_mb: float

    @classmethod
    def of(cls, supervisor: int) -> Footprint:
        """As it is now."""
        pids = [supervisor, *everybody(supervisor)]
        return cls(sum(map(_descriptors, pids)), sum(map(_resident_mb, pids)))


def _descriptors(pid: int) -> int:
    with contextlib.suppress(OSError):
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return 0


def _resident_mb(pid: int) -> float:
    """What is its own: pages shared with the template do not count twice."""
    with contextlib.suppress(OSError):
        found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0
    return 0.0
