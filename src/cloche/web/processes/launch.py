"""
From a command to a supervisor: the sockets are bound, RUN is made, and this process becomes the supervisor.

Whatever can be said at once (a taken port, an address of another machine) is said before anything is started.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cloche.config import LogConfig, MonitorConfig, ServerConfig, TracesConfig
from cloche.errors import UsageError
from cloche.prediction_log.hash_key import read_hash_key
from cloche.prediction_log.spool import Spool
from cloche.store.address import Address
from cloche.trust import TrustPolicy
from cloche.web.checking import checked
from cloche.web.processes import server_file
from cloche.web.processes.folder import RunFolder
from cloche.web.processes.server_file import ServerFile
from cloche.web.sockets import bind, bind_management, url_of
from cloche.web.traces import traces_of


@dataclass(frozen=True, slots=True)
class Launch:
    """
    What to serve, and what its processes need to know.

    `exit_statuses` maps names of errors to exit statuses, `runtime_directory` is where RUN is made.
    """

    store: Address
    references: Sequence[str]
    everything: bool
    config: ServerConfig
    log: LogConfig
    monitor: MonitorConfig
    traces: TracesConfig
    spool: Path
    trust: TrustPolicy
    cache: Path
    keys: str | None
    cwd: Path
    exit_statuses: Mapping[str, int]
    as_json: bool
    runtime_directory: str | None


def launch(wanted: Launch) -> NoReturn:
    """
    Become the supervisor.

    Raises:
        UsageError: a port is taken, the address is none of this machine, RUN cannot be made, the key of hashes is not
            readable, the collector of traces is no address.
        MissingExtraError: traces are wanted, and OpenTelemetry is not installed.
        SpoolError: the spool cannot be made.
    """
    config = checked(wanted.config)
    if wanted.log.enabled:  # what is wrong is said at once
        Spool.open(wanted.spool, wanted.store.url)
        read_hash_key(wanted.log.hash_key)
    traces_of(wanted.traces)
    data = bind(config.host, config.port)
    management = bind_management(config)
    try:
        run = RunFolder.create(wanted.runtime_directory)
    except OSError as exc:
        raise UsageError(f"no folder for the server's own files could be made: {exc}") from exc
    server_file.write(run.server, _server_file(wanted, config, data, management))
    descriptors = (data.detach(), management.detach())
    for descriptor in descriptors:
        os.set_inheritable(descriptor, True)
    sys.stdout.flush()
    sys.stderr.flush()
    command = [sys.executable, "-P", "-m", "cloche.web.processes.supervisor", str(run.path)]
    options = ["--data-fd", str(descriptors[0]), "--management-fd", str(descriptors[1])]
    os.execv(sys.executable, command + options)  # noqa: S606  (our own interpreter and module)


def _server_file(wanted: Launch, config: ServerConfig, data: socket.socket, management: socket.socket) -> ServerFile:
    return ServerFile(
        pid=os.getpid(),
        url=url_of(data, config.root_path, tls=config.tls_cert is not None),
        management_url=url_of(management, tls=config.tls_cert is not None),
        config=config,
        log=wanted.log,
        monitor=wanted.monitor,
        traces=wanted.traces,
        spool=str(wanted.spool),
        store=wanted.store.url,
        store_shown=wanted.store.describe(),
        references=tuple(wanted.references),
        everything=wanted.everything,
        trust=wanted.trust,
        cache=str(wanted.cache),
        keys=wanted.keys,
        cwd=str(wanted.cwd),
        exit_statuses=dict(wanted.exit_statuses),
        as_json=wanted.as_json,
    )
