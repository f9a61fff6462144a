"""
`python -m cloche.web.processes.monitor RUN --lifeline FD`: folds the log of the store that this server lands into.

Never in the way of a worker: it runs where nobody else wants to (`SCHED_IDLE`), so that a worker that wakes up takes a
processor from it at once; it reads landed segments only, and is started when the server is ready. One that gets no
processor for so long that a fold does not end is started again with `--hurry`, and then has the claim of `nice` alone.
It can be told to end before it has imported what it works with: that takes a second.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cloche.web.processes import lifeline
from cloche.web.processes.children import BEHIND

_NICE = 10
#: Importing what it works with, and a fold of what is taken in at once, are a matter of seconds.
_PATIENCE_S = 10.0


def main(arguments: Sequence[str]) -> int:
    """Run until SIGTERM."""
    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to everybody; the supervisor decides
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _frame: asked.append(number))
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--lifeline", type=int)
    parser.add_argument("--hurry", action="store_true")
    given = parser.parse_args(arguments)
    if given.lifeline is not None:
        lifeline.hold(given.lifeline)
    os.nice(_NICE)
    made, begun = list[Any](), time.monotonic()
    if not given.hurry:
        watch(lambda: made[0].folding_since if made else begun, _end_behind)
        _give_way()  # before the libraries start threads of their own
    work: Any = importlib.import_module("cloche.web.processes.monitoring")
    status: int = work.work(given.run, lambda: bool(asked), made.append)
    return status


def watch(
    folding_since: Callable[[], float | None], behind: Callable[[], None], *, patience_s: float = _PATIENCE_S
) -> threading.Thread:
    """Call *behind* once where a fold takes longer than *patience_s*; in a thread with the claim of its maker."""

    def look() -> None:
        while (since := folding_since()) is None or time.monotonic() - since < patience_s:
            time.sleep(min(1.0, patience_s / 10))
        behind()

    thread = threading.Thread(target=look, name="cloche-watch", daemon=True)
    thread.start()
    return thread


def _end_behind() -> None:
    """Whatever it is doing, the next one finishes it."""
    os._exit(BEHIND)


def _give_way() -> None:
    """This thread and those that it starts run where nobody else wants to; without such a thing `nice` has to do."""
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(status)  # threads that still wait for the store are not waited for
