"""The management port of a server of several processes: the agent answers it, from the files of RUN."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from cloche.errors import StoreError
from cloche.keys import Key, KeyRing, Snapshot
from cloche.metrics import merge, read_all
from cloche.prediction_log import landing
from cloche.prediction_log.spool import Spool
from cloche.registry import Registry
from cloche.store import Store
from cloche.web.management.documents import Documents
from cloche.web.management.listening import managing
from cloche.web.management.monitored import Monitored
from cloche.web.management.status import ModelStatus, ServerStatus, WorkerStatus
from cloche.web.management.steering import Rehearse, Steering
from cloche.web.management.watching import Watching
from cloche.web.processes import runtime
from cloche.web.processes.folder import RunFolder, write_whole
from cloche.web.processes.heartbeats import Heartbeats
from cloche.web.processes.runtime import ModelState, ServerFile, SlotReport, State

_KEYS_S = 2.0
_SILENT_S = 5.0


class ManagementKeys:
    """
    Who may look: the keys that the workers know; where those ask for none, the store's, read again and again.

    A store that cannot be read changes nothing; before it was read once nobody's key is known.
    """

    def __init__(self, state: Callable[[], State], ring: KeyRing) -> None:
        self._state = state
        self._ring = ring
        self._snapshot = Snapshot()

    def authenticate(self, token: str) -> Key | None:
        """The key that *token* is."""
        known = self._state().keys
        snapshot = self._snapshot if known is None else Snapshot({key.id: key for key in known})
        return snapshot.authenticate(token)

    async def keep_fresh(self) -> None:
        """To be cancelled."""
        while True:
            if self._state().keys is None:
                with contextlib.suppress(StoreError):
                    self._snapshot = await self._ring.asnapshot()
            await asyncio.sleep(_KEYS_S)


@contextlib.asynccontextmanager
async def managing_run(
    run: RunFolder,
    server: ServerFile,
    store: Store,
    state: Callable[[], State],
    descriptor: int | None,
    rehearse: Rehearse,
) -> AsyncIterator[None]:
    """
    Answer on the socket *descriptor* inside the block; the login address lies in `RUN/login`.

    *rehearse* opens a version as the workers would, before its route is changed here.
    """
    if descriptor is None:
        yield
        return
    os.set_inheritable(descriptor, False)
    keys = ManagementKeys(state, KeyRing.open(server.keys, store, Path(server.cwd)))
    spool = Spool.open(Path(server.spool), server.store) if server.log.enabled else None
    steering = Steering(Registry(store), rehearse, audited=server.trust.audit)
    monitored = Monitored(store, lambda: [model.name for model in state().models])
    started, heartbeats = run.server.stat().st_mtime, Heartbeats(run.heartbeats, server.config.workers)
    management = managing(
        socket.socket(fileno=descriptor),
        server.config,
        authenticate=keys.authenticate,
        status=lambda: status_of(run, server, state(), heartbeats, started, spool),
        counted=lambda: merge((read_all(run.metrics), monitored.samples())),
        watching=Watching(Documents(store), steering),
    )
    async with management as login:
        write_whole(run.login, login.encode())
        refreshing = [asyncio.create_task(one.keep_fresh()) for one in (keys, monitored)]
        try:
            yield
        finally:
            for one in refreshing:
                one.cancel()


def status_of(
    run: RunFolder,
    server: ServerFile,
    state: State,
    heartbeats: Heartbeats,
    started: float,
    spool: Spool | None = None,
) -> ServerStatus:
    """What the processes of *run* do."""
    workers = tuple(_workers(run, server, heartbeats))
    answering = bool(state.models) and all(model.answering for model in state.models)
    return ServerStatus(
        url=server.url,
        store=server.store_shown,
        started=started,
        ready=answering and any(worker.alive for worker in workers),
        models=tuple(_model(model) for model in state.models),
        workers=workers,
        degraded=state.degraded,
        log_waiting=None if spool is None else landing.waiting(spool),
    )


def _workers(run: RunFolder, server: ServerFile, heartbeats: Heartbeats) -> list[WorkerStatus]:
    silent_s = max(_SILENT_S, 2.0 * server.config.request_timeout_s)
    found = []
    for slot in range(server.config.workers):
        report = runtime.read(run.slot(slot), SlotReport)
        if report is not None:
            last = heartbeats.last(slot)
            age = max(0.0, time.monotonic() - last)
            alive = last > 0 and age < silent_s
            found.append(
                WorkerStatus(slot=slot, pid=report.pid, alive=alive, heartbeat_age_s=round(age, 3) if last else None)
            )
    return found


def _model(model: ModelState) -> ModelStatus:
    return ModelStatus(
        name=model.name,
        route=model.route,
        default_number=model.default_number,
        wanted=model.wanted,
        serving={number: one.record.version for number, one in model.answering.items()},
        warm={one.record.version: one.record.contract for one in model.warm},
        refused=model.refused,
    )
