"""
The processes that the supervisor starts: how each is started, when it is started again. Standard library only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: A process that lived this long did not fail to start.
_LIVED_S = 1.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0
#: The exit status of a process that cannot work here and said why: it is not started again (EX_UNAVAILABLE).
GIVES_UP = 69


def pause_s(short_lives: int) -> float:
    """How long to wait before the next start, after so many lives in a row that were short: none after the first."""
    return 0.0 if short_lives <= 1 else min(_FIRST_PAUSE_S * 2.0 ** (short_lives - 2), _LONGEST_PAUSE_S)


@dataclass(slots=True, eq=False)
class Child:
    """One process, and those that took its place."""

    name: str
    role: str
    arguments: Sequence[str]
    descriptors: Sequence[int]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    start_at: float = 0.0
    short_lives: int = 0  #: in a row
    worked: bool = False  #: it was of use in this life
    wanted: bool = True

    @property
    def pid(self) -> int | None:
        return None if self.process is None else self.process.pid

    def start(self, now: float) -> None:
        """
        Start it in a process group of its own: Ctrl-C is for the supervisor alone.

        Raises:
            OSError: there is no memory, or no process to be had.
        """
        self.started, self.worked = now, False
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", f"cloche.web.processes.{self.role}", *self.arguments],
            stdin=subprocess.DEVNULL,
            pass_fds=self.descriptors,
            env={**os.environ, **self.environment},
            process_group=0,
        )

    def ended(self, status: int, now: float) -> None:
        """Note that it ended, and when it is to be started again."""
        if self.process is not None:
            self.process.returncode = status
        self.process = None
        useful = self.worked and now - self.started >= _LIVED_S
        self.short_lives = 0 if useful else self.short_lives + 1
        self.start_at = now + pause_s(self.short_lives)

    def send(self, number: int) -> None:
        """Signal it, if it runs."""
        if self.process is not None:
            os.kill(self.process.pid, number)
