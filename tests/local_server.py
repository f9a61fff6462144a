"""Our runner around fake deployments, in a thread of this process: real sockets, no store, no engine process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import urlsplit

import uvloop

from cloche.config import ServerConfig
from cloche.metrics import MetricsSlot
from cloche.serving.deployments import Deployments
from cloche.web.app import create_app
from cloche.web.doors import gate_of
from cloche.web.express import Express, ExpressCycle
from cloche.web.gate import Authenticate, Gate
from cloche.web.head import Head
from cloche.web.measured import RequestMetrics
from cloche.web.recording import Records
from cloche.web.routes import Target
from cloche.web.runner import Runner
from cloche.web.sockets import bind, url_of
from simulators import ids


@dataclass
class LocalServer:
    """A running server: where it is, what it logged, how to stop it."""

    url: str
    gate: Gate
    runner: Runner
    loop: asyncio.AbstractEventLoop
    deployments: Deployments
    records: list[dict[str, Any]] = field(default_factory=list)
    slot: MetricsSlot = field(default_factory=MetricsSlot)
    express: list[str] = field(default_factory=list)  #: paths of the requests that took the express lane

    def run(self, work: Callable[[], Any]) -> Any:
        """Call *work* on the server's loop."""

        async def call() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(10)

    def stop(self) -> None:
        """What SIGTERM does."""
        self.loop.call_soon_threadsafe(self.runner.stop)

    def raw(self, data: bytes, *, timeout_s: float = 10.0, half_close: bool = False) -> bytes:
        """Send bytes, read until the server closes the connection."""
        with self.connect(timeout_s) as connection:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            return read_all(connection)

    def connect(self, timeout_s: float = 10.0) -> socket.socket:
        """An open connection."""
        parts = urlsplit(self.url)
        return socket.create_connection((parts.hostname, parts.port), timeout=timeout_s)


def read_all(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


@contextmanager
def local_server(
    make: Callable[[], Deployments],
    config: ServerConfig | None = None,
    authenticate: Authenticate | None = None,
    *,
    express: bool = True,
    log: Records | None = None,
) -> Iterator[LocalServer]:
    """
    Serve what *make* gives (it is called on the server's loop) until the block ends; at its end nothing is in flight.

    Without *express* every request takes the way through ASGI.
    """
    chosen = config or ServerConfig(port=0)
    ready = threading.Event()
    made: list[LocalServer] = []
    failed: list[BaseException] = []

    async def serve() -> None:
        records: list[dict[str, Any]] = []
        auth: Literal["keys", "none"] = "keys" if authenticate else "none"
        gate = gate_of(replace(chosen, auth=auth), new_id=ids(), authenticate=authenticate or (lambda _token: None))
        deployments = make()
        slot = MetricsSlot()
        write = RequestMetrics(slot).counting(records.append)
        app = create_app(deployments, gate, chosen, log_request=write, records=log)
        taken: list[str] = []
        runner = Runner(app, gate, chosen, write, _counted(app.express(), taken) if express else None)
        listener = bind("127.0.0.1", 0)
        loop = asyncio.get_running_loop()
        made.append(
            LocalServer(
                url_of(listener, tls=chosen.tls_cert is not None),
                gate,
                runner,
                loop,
                deployments,
                records,
                slot,
                taken,
            )
        )
        await runner.serve(listener, ready.set)
        assert (gate._in_flight, deployments.in_flight) == (0, 0), "everybody who came in has left"
        for held in deployments:
            for one in held:
                await one.close(grace_s=0.1)

    def thread() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:  # as the real server
                loop.run(serve())
        except BaseException as exc:
            failed.append(exc)
        finally:
            ready.set()

    worker = threading.Thread(target=thread, daemon=True)
    worker.start()
    ready.wait(30)
    if failed:
        raise failed[0]
    try:
        yield made[0]
    finally:
        if worker.is_alive():
            made[0].stop()
        worker.join(30)
    if failed:
        raise failed[0]


def _counted(express: Express | None, taken: list[str]) -> Express | None:
    """The lane, which notes what it takes."""
    if express is None:
        return None
    admit = express.admit

    def noted(cycle: ExpressCycle, head: Head, peer: str | None, leads_to: Target | None = None) -> None:
        taken.append(head.path)
        admit(cycle, head, peer, leads_to)

    express.admit = noted  # type: ignore[method-assign]
    return express
