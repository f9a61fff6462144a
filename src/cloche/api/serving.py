"""`cloche serve`: from a command to the processes of a server. It imports little: the server waits for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from cloche.api.workplace import Workplace
from cloche.config import LogConfig, MonitorConfig, ServerConfig
from cloche.web.processes import launch

_ALERTING: Final = "cloche.api.alerting"
#: Where rules lie that nobody named.
_RULES: Final = "cloche.toml"
#: The server of one process, for systems without fork.
_HOSTING: Final = "cloche.api.hosting"


def check_rules(here: Workplace, named: str | None) -> None:
    """
    Say at once what is wrong with the rules for alerts: those in *named*, in the setting, or in `cloche.toml` here.

    Raises:
        UsageError: something is.
    """
    if named or here.settings.monitor.rules or os.path.lexists(here.settings.cwd / _RULES):
        import_module(_ALERTING).rules_of(here, named).read()


def serve(  # noqa: RET503  (the last call never returns)
    here: Workplace,
    references: Sequence[str],
    *,
    everything: bool,
    config: ServerConfig,
    log: LogConfig,
    monitor: MonitorConfig,
    exit_statuses: Mapping[str, int],
    as_json: bool = False,
) -> int:
    """
    Serve until SIGTERM or Ctrl-C; returns the exit status.

    On Linux this process becomes the supervisor of several and does not return; *exit_statuses* says what a failed
    start ends with. Elsewhere this process serves alone.

    Raises:
        UsageError: the port is taken, the address is none of this machine.
    """
    if sys.platform != "linux":
        status: int = import_module(_HOSTING).serve_here(
            here, references, everything=everything, config=config, log=log
        )
        return status
    launch.launch(
        launch.Launch(
            store=here.address,
            references=references,
            everything=everything,
            config=config,
            log=log,
            monitor=monitor,
            traces=here.settings.traces,
            spool=here.settings.spool,
            trust=here.trust,
            cache=here.settings.cache,
            keys=here.settings.keys,
            cwd=Path.cwd(),
            exit_statuses=exit_statuses,
            as_json=as_json,
            runtime_directory=os.environ.get("XDG_RUNTIME_DIR"),
        )
    )
