"""
The audit log: a line for every decision about what is trusted, appended and never changed.

JSON lines in a file that only its owner may read, each flushed to the disk before the decision takes effect. The same
facts go to the logger `cloche.audit`, which a server writes among its log lines.
"""

from __future__ import annotations

import json
import logging
import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cloche.errors import RefusedError
from cloche.logs import event, json_line

_log = logging.getLogger("cloche.audit")


def record(path: str | None, *, who: str, what: str, verdict: str, must: bool = False, **facts: Any) -> None:
    """
    Append that *who* had *what* decided as *verdict*; facts that are None are left out.

    Without *path* only the logger is told. Where the file cannot be written, the decision is refused if it *must* be
    on record; else a warning is logged, for a server whose disk is read-only still has its log lines.

    Raises:
        RefusedError: it must be on record, and the file cannot be written.
    """
    known = {key: value for key, value in facts.items() if value is not None}
    event(_log, logging.INFO, what, verdict=verdict, who=who, **known)
    if path is None:
        return
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    entry = {"time": now, "who": who, "what": what, "verdict": verdict, **known}
    try:
        _append(Path(path), json_line({**entry, "host": platform.node(), "pid": os.getpid()}))
    except OSError as exc:
        if must:
            raise RefusedError(f"audit log {path}: cannot write: {exc.strerror}; nothing was done") from exc
        event(_log, logging.INFO, "audit log cannot be written", path=path, why=exc.strerror)


def entries(path: Path) -> Iterator[dict[str, Any]]:
    """
    Every entry, oldest first; a line that is none (a write that was cut off) is passed over.

    Raises:
        RefusedError: the file cannot be read.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    except OSError as exc:
        raise RefusedError(f"audit log {path}: cannot read: {exc.strerror}") from exc
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found


def _append(path: Path, line: str) -> None:
    """In one write, so that lines of several processes do not mix."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(path, flags, 0o600)
    try:
        os.write(handle, (b"\n" if _torn(handle) else b"") + f"{line}\n".encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def _torn(handle: int) -> bool:
    """Whether the last line was cut off by a crash; the next one must not continue it."""
    size = os.fstat(handle).st_size
    if not size:
        return False
    os.lseek(handle, size - 1, os.SEEK_SET)
    return os.read(handle, 1) != b"\n"
