"""A small fake of what runs beside the agent: says of every wanted template that it is ready, or refuses it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloche.config import LogConfig, ServerConfig
from cloche.trust import TrustPolicy
from cloche.web.processes import runtime
from cloche.web.processes.folder import RunFolder
from cloche.web.processes.runtime import Failure, ServerFile, SlotReport, State, Wanted


@dataclass
class Templates:
    """Answers for templates and workers in one thread until `stop`."""

    run: RunFolder
    workers: int = 1
    refuses: set[int] = field(default_factory=set)
    applying: bool = True
    seen: list[str] = field(default_factory=list)  #: every template that was ever wanted, in order
    _done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Templates:
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(10)

    def _play(self) -> None:
        while not self._done.wait(0.01):
            for one in (runtime.read(self.run.wanted, Wanted) or Wanted(number=0)).templates:
                if one.id not in self.seen:
                    self.seen.append(one.id)
                    self._decide(one.id)
            state = runtime.read(self.run.state, State)
            if state is not None and self.applying:
                for slot in range(self.workers):
                    runtime.write(self.run.slot(slot), SlotReport(slot=slot, pid=100 + slot, state=state.number))

    def _decide(self, identifier: str) -> None:
        version = int(identifier.split("-")[-2])
        if version in self.refuses:
            failure = Failure(error="GoldenRowsError", message=f"version {version} is broken")
            runtime.write(self.run.refused(identifier), failure)
        else:
            self.run.ready(identifier).write_bytes(b"{}")


def run_folder(folder: Path, store: Path, *references: str, **given: Any) -> RunFolder:
    """RUN as the supervisor leaves it before the agent starts."""
    run = RunFolder.create(None)
    config = ServerConfig(**{"workers": 1, "auth": "none", "log_format": "text", **given.pop("config", {})})
    details: dict[str, Any] = {
        "pid": 1, "url": "http://127.0.0.1:8000", "management_url": None, "config": config,
        "log": LogConfig(), "spool": str(folder / "spool"), "store": store.as_uri(),
        "store_shown": str(store), "references": references, "everything": False, "trust": TrustPolicy(),
        "cache": str(folder / "cache"), "keys": None, "cwd": str(folder), "exit_statuses": {},
    }  # fmt: skip
    runtime.write(run.server, ServerFile(**(details | given)))
    return run


def agent_process(run: RunFolder) -> subprocess.Popen[bytes]:
    """The agent as the supervisor starts it."""
    return subprocess.Popen([sys.executable, "-P", "-m", "cloche.web.processes.agent", str(run.path)])


def eventually(found: Callable[[], Any], wanted: Any, *, seconds: float = 20.0) -> None:
    """Wait until *found* gives *wanted*."""
    end = time.monotonic() + seconds
    while (last := found()) != wanted:
        assert time.monotonic() < end, f"expected {wanted}, still {last}"
        time.sleep(0.02)
