"""`cloche serve`: models, engines, socket and signals put together; the exit status."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cloche.config import ServerConfig
from cloche.ids import RequestIds
from cloche.keys import KeyRing
from cloche.metrics import MetricsSlot, Samples, read_slot
from cloche.prediction_log.lander import OwnLog
from cloche.registry import Registry
from cloche.serving.deployments import Deployments
from cloche.serving.host import ModelHost
from cloche.trust import TrustPolicy
from cloche.web import doors
from cloche.web.access import writer
from cloche.web.app import create_app
from cloche.web.callers import KnownKeys, no_key
from cloche.web.checking import checked
from cloche.web.gate import Gate
from cloche.web.management.documents import Documents
from cloche.web.management.listening import managing
from cloche.web.management.status import ModelStatus, ServerStatus, WorkerStatus
from cloche.web.management.steering import Steering
from cloche.web.management.watching import Watching
from cloche.web.measured import RequestMetrics
from cloche.web.mounted import host_config
from cloche.web.ready import Ready
from cloche.web.runner import Runner, loop_factory
from cloche.web.sockets import bind, bind_management, url_of
from cloche.web.traces import Traces

_log = logging.getLogger("cloche.web")


def run(
    registry: Registry,
    references: Sequence[str],
    *,
    config: ServerConfig,
    trust: TrustPolicy,
    cache: Path,
    keys: KeyRing,
    everything: bool = False,
    log: OwnLog | None = None,
    traces: Traces | None = None,
    ready: Callable[[Ready], None] | None = None,
) -> int:
    """
    Serve until SIGTERM or SIGINT; the exit status, 0 when everything in flight was answered.

    Raises:
        UsageError: the port is taken, the address is none of this machine, nothing was named.
        RefusedError: others could reach the address and there is no key.
        NotFoundError, ArtifactError, ServingError, StoreError: a model that cannot be served.
    """
    config = checked(config)
    host = ModelHost(
        registry,
        host_config(config, references, everything=everything),
        trust=trust,
        cache=cache,
    )
    known = KnownKeys(keys)
    if config.auth == "keys" and not known.usable():
        raise no_key(config.host)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            watching = Watching(Documents(registry.store), Steering(registry, host.rehearse, audited=trust.audit))
            store = registry.store.describe()
            runner.run(_serve(host, known, config, store, ready or _announce, log, traces, watching))
        finally:
            if log is not None:
                log.close()
            if traces is not None:
                traces.close()
    return 0


async def _serve(
    host: ModelHost,
    known: KnownKeys,
    config: ServerConfig,
    store: str,
    ready: Callable[[Ready], None],
    log: OwnLog | None,
    traces: Traces | None,
    watching: Watching,
) -> None:
    listener = bind(config.host, config.port)  # before loading: a taken port is told at once
    with listener, bind_management(config) as management_listener:
        gate = doors.gate_of(config, new_id=RequestIds().new, authenticate=known.authenticate, traces=traces)
        slot = MetricsSlot()
        metrics, deployments = RequestMetrics(slot), host.deployments
        write = metrics.counting(writer(requests=config.access_log))
        records = None if log is None else log.recorder
        app = create_app(deployments, gate, config, log_request=write, records=records, traces=traces)
        server = Runner(app, gate, config, write, app.express())
        url, started = url_of(listener, config.root_path, tls=config.tls_cert is not None), time.time()

        def counted() -> Samples:
            metrics.sample(deployments, records)
            return read_slot(slot.snapshot())

        management = managing(
            management_listener,
            config,
            authenticate=known.authenticate,
            status=lambda: _status(deployments, gate, url, store, started),
            counted=counted,
            watching=watching,
        )
        async with management as login:
            refreshing = asyncio.create_task(known.keep_fresh())
            try:
                with server.signals():
                    if await server.unless_stopped(host.start()):
                        facts = Ready(url, _labels(deployments), store, gate.keys_required, login)
                        await server.serve(listener, lambda: ready(facts))
            finally:
                refreshing.cancel()
                await host.close()
    _log.info("stopped")


def _status(deployments: Deployments, gate: Gate, url: str, store: str, started: float) -> ServerStatus:
    return ServerStatus(
        url=url,
        store=store,
        started=started,
        ready=deployments.ready and gate.phase == "serving",
        models=tuple(ModelStatus.of(held) for held in deployments),
        workers=(WorkerStatus(slot=0, pid=os.getpid()),),
        degraded=tuple(sorted(deployments.degraded)),
    )


def _labels(deployments: Deployments) -> tuple[str, ...]:
    """`penguins@3` for every model that answers."""
    return tuple(f"{held.name}@{held.default.version}" for held in deployments if held.default is not None)


def _announce(facts: Ready) -> None:
    print(facts.text(), flush=True)  # noqa: T201  (where a terminal user looks for the address)
