"""The processes of a server as the kernel sees them: processor time and memory of the whole tree. Linux only."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def tree(root: int) -> list[int]:
    """*root* and everything that descends from it, dead ones left out."""
    children: dict[int, list[int]] = {}
    for pid, fields in _all():
        children.setdefault(int(fields[1]), []).append(pid)
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo.extend(children.get(pid, ()))
    return found


def cpu_s(pids: list[int]) -> dict[int, float]:
    """
    Seconds of processor time by process, user and system, of all its threads.

    Children that have ended and were waited for count for their parent, so that the sum over a tree loses nobody.
    """
    found = {}
    for pid in pids:
        fields = _stat(pid)
        if fields is not None:
            found[pid] = sum(map(int, fields[11:15])) / _TICKS
    return found


def keep_to(pids: list[int], cores: set[int]) -> None:
    """Let all threads of *pids* run on *cores* only; what they start runs there too."""
    for pid in pids:
        with contextlib.suppress(OSError):  # it ended meanwhile
            for task in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), cores)


def role(pid: int) -> str:
    """What a process of cloche does: the last part of the module that it runs; "other" for all else."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
    except OSError:
        return "other"
    return next((word.rpartition(".")[2] for word in words if word.startswith("cloche.web.processes.")), "other")


def memory_mb(pid: int) -> tuple[float, float]:
    """
    MiB that a process has in memory: resident, and its own share (PSS: what n processes share counts 1/n).

    Zeros where it has ended.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0, 0.0
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.endswith(" kB")}
    return sizes.get("Rss", 0.0), sizes.get("Pss", 0.0)


def _all() -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").iterdir():
        fields = _stat(int(folder.name)) if folder.name.isdigit() else None
        if fields is not None:
            yield int(folder.name), fields


def _stat(pid: int) -> list[str] | None:
    """The fields after the name, from `state` on (proc(5) counts it as 3); None where there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
