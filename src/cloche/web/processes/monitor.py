"""
`python -m cloche.web.processes.monitor RUN --lifeline FD`: folds the log of the store that this server lands into.

Never in the way of a worker: it has the lowest claim on the processor, reads landed segments only, and is started
when the server is ready. Where the extra `monitor` is missing it says so once, and segments wait in the store.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from cloche.errors import MissingExtraError
from cloche.logs import configure
from cloche.monitoring.watching import watcher
from cloche.prediction_log import homes
from cloche.registry import Registry
from cloche.store import Store
from cloche.web.processes import lifeline, runtime
from cloche.web.processes.children import GIVES_UP
from cloche.web.processes.folder import RunFolder

_log = logging.getLogger("cloche.monitor")
_NICE = 10
#: At the end, no new fold is begun after this.
LAST_FOLDS_S = 3.0


def main(arguments: Sequence[str]) -> int:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--lifeline", type=int)
    given = parser.parse_args(arguments)
    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to everybody; the supervisor decides
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _frame: asked.append(number))
    if given.lifeline is not None:
        lifeline.hold(given.lifeline)
    os.nice(_NICE)
    server = runtime.server_of(RunFolder(given.run))
    configure(server.config.log_format)
    try:
        homes.check("scipy")
    except MissingExtraError as exc:
        _log.warning("the prediction log is not folded here, its segments wait in the store: %s", exc)
        return GIVES_UP
    store = Store.open(server.store, Path(server.cwd))
    monitor = watcher(Registry(store), retention_days=server.log.retention_days)
    monitor.run(lambda: bool(asked))
    monitor.finish(LAST_FOLDS_S)
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(status)  # threads that still wait for the store are not waited for
