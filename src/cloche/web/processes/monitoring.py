"""What the monitor's process does: fold, count and look, until it is told to end."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from cloche.errors import MissingExtraError
from cloche.logs import configure
from cloche.monitoring.alerts.rules_file import rules_file
from cloche.monitoring.watching import watcher
from cloche.prediction_log import homes
from cloche.registry import Registry
from cloche.store import Store
from cloche.web.processes import runtime
from cloche.web.processes.children import GIVES_UP
from cloche.web.processes.folder import RunFolder

_log = logging.getLogger("cloche.monitor")
#: At the end, no new fold is begun after this.
LAST_FOLDS_S = 3.0


def work(run: Path, stopping: Callable[[], bool]) -> int:
    """
    Work until *stopping*; the exit status. Where the extra `monitor` is missing that is said once, and segments wait in
    the store.
    """
    server = runtime.server_of(RunFolder(run))
    configure(server.config.log_format)
    try:
        homes.check("scipy")
    except MissingExtraError as exc:
        _log.warning("the prediction log is not folded here, its segments wait in the store: %s", exc)
        return GIVES_UP
    store = Store.open(server.store, Path(server.cwd))
    rules = rules_file(server.monitor.rules, Path(server.cwd), os.environ)
    monitor = watcher(Registry(store), log=server.log, settings=server.monitor, rules=rules)
    monitor.run(stopping)
    monitor.finish(LAST_FOLDS_S)
    return 0
