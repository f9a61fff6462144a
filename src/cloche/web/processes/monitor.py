"""
`python -m cloche.web.processes.monitor RUN --lifeline FD`: folds the log of the store that this server lands into.

Never in the way of a worker: it has the lowest claim on the processor, reads landed segments only, and is started
when the server is ready. It can be told to end before it has imported what it works with: that takes a second.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cloche.web.processes import lifeline

_NICE = 10


def main(arguments: Sequence[str]) -> int:
    """Run until SIGTERM."""
    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to everybody; the supervisor decides
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _frame: asked.append(number))
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--lifeline", type=int)
    given = parser.parse_args(arguments)
    if given.lifeline is not None:
        lifeline.hold(given.lifeline)
    os.nice(_NICE)
    work: Any = importlib.import_module("cloche.web.processes.monitoring")
    status: int = work.work(given.run, lambda: bool(asked))
    return status


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(status)  # threads that still wait for the store are not waited for
