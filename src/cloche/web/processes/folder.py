"""
Where the files of RUN lie, and how one is written so that a reader never sees half of it.

Standard library only: the supervisor imports it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: The path of a unix socket has at most 107 bytes; the longest name of ours after it is some 50.
_LONGEST_BASE = 48
_LONGEST_ID = 32


class RunFolder:
    """The paths of one server's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.server = path / "server.json"
        self.wanted = path / "wanted.json"
        self.state = path / "state.json"
        self.failed = path / "failed.json"
        self.heartbeats = path / "heartbeats"
        self.slots = path / "slots"
        self.metrics = path / "metrics"
        self.buckets = path / "buckets"
        self.login = path / "login"

    @classmethod
    def create(cls, runtime_directory: str | None) -> RunFolder:
        """A new folder (0700) under *runtime_directory* (`XDG_RUNTIME_DIR`), else among the temporary files."""
        places = (runtime_directory or "", tempfile.gettempdir(), "/tmp")  # noqa: S108
        base = next((place for place in places if place and _fits(place)), None)
        run = cls(Path(tempfile.mkdtemp(prefix="cloche-", dir=base)))
        run.slots.mkdir()
        run.metrics.mkdir()
        return run

    def remove(self) -> None:
        """The folder and all in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def slot(self, number: int) -> Path:
        """What the worker in that slot has applied."""
        return self.slots / f"{number}.json"

    def slot_metrics(self, number: int) -> Path:
        """What the workers of that slot counted."""
        return self.metrics / f"{number}.bin"

    def socket(self, template: str) -> Path:
        """Where a template forks engines."""
        return self.path / f"{_short(template)}.sock"

    def ready(self, template: str) -> Path:
        """There when the template forks engines."""
        return self.path / f"{_short(template)}.ready"

    def refused(self, template: str) -> Path:
        """There when the template will not, and why."""
        return self.path / f"{_short(template)}.refused"

    def of_template(self, template: str) -> tuple[Path, Path, Path]:
        """Everything a template leaves."""
        return self.socket(template), self.ready(template), self.refused(template)


def _fits(directory: str) -> bool:
    return len(os.fsencode(directory)) <= _LONGEST_BASE and os.access(directory, os.W_OK)


def _short(template: str) -> str:
    if len(template) <= _LONGEST_ID:
        return template
    return f"{template[:20]}-{hashlib.sha256(template.encode()).hexdigest()[:11]}"


def write_whole(path: Path, data: bytes) -> None:
    """Put *data* at *path* in one step; a reader sees the file before it or this one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(data)
    beside.rename(path)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """`write_whole` of plain data."""
    write_whole(path, json.dumps(document).encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """What lies at *path*; None where nothing does."""
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return found


class Watched:
    """One file that others replace: `changed()` is true once after each replacement."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None

    def changed(self) -> bool:
        """Whether there is a file, and not the one that was there last time."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return False
        mark = (found.st_ino, found.st_mtime_ns)
        if mark == self._seen:
            return False
        self._seen = mark
        return True
