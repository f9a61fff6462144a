"""
Processes that begin at once: forked from one that has imported what they need, and holds nothing else.

No module of a test is in it, no thread, nothing of a model, no open store. `saves` has it rehearse what is saved;
tests of the fresh process itself do not use that.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
from collections.abc import Iterator
from multiprocessing import spawn
from multiprocessing.connection import Connection
from typing import Any

import pytest

from cloche.saving import child
from cloche.saving.rehearsal import Rehearsal
from cloche.threads import ONE_THREAD

#: `PROCESSES.Process(target=…)`; one server of forks for all uses, so one list of what it imports.
PROCESSES: Any = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "cloche.registry",
        "cloche.saving.child",
        "cloche.flavors.sklearn",
        "cloche.tables.pandas_home",
        "cloche.tables.numpy_home",
    ]
)


class Process:
    """As much of `subprocess.Popen` as a rehearsal asks for."""

    def __init__(self) -> None:
        (calls, to_child), (from_child, answers) = PROCESSES.Pipe(False), PROCESSES.Pipe(False)
        self._process = PROCESSES.Process(target=rehearse, args=(calls, answers), daemon=True)
        self._process.start()
        self.stdin, self.stdout = _stream(to_child, "wb"), _stream(from_child, "rb")
        for one in (calls, answers, to_child, from_child):
            one.close()

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("rehearsal", timeout or 0.0)
        return int(self._process.exitcode)


def rehearse(calls: Connection, answers: Connection) -> None:
    """The child: what `python -m cloche.saving.child` does once it has imported."""
    child.serve(_stream(calls, "rb"), _stream(answers, "wb"))


def _stream(end: Connection, mode: str) -> Any:
    return os.fdopen(os.dup(end.fileno()), mode)


def _without_main(name: str, prepare: Any = spawn.get_preparation_data) -> dict[str, Any]:
    """A fresh process knows nothing of the `__main__` of who saves."""
    return {key: value for key, value in prepare(name).items() if not key.startswith("init_main")}


@contextlib.contextmanager
def saves() -> Iterator[None]:
    """Inside the block saving is quick."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ONE_THREAD.items():
            patch.setenv(name, value)
        patch.setattr(spawn, "get_preparation_data", _without_main)
        patch.setattr(Rehearsal, "_spawn", lambda _: Process())
        yield
