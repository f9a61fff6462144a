"""
Drives uvicorn's server with a socket and signals of our own: exit 0 on SIGTERM, and a drain in steps.

`uvicorn.run` raises SIGTERM again when it is done, and the process ends with status -15; so its `serve` is not used.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from typing import Any

import uvicorn

from cloche.config import ServerConfig
from cloche.web import tls
from cloche.web.app import LogRequest, Scope, Send
from cloche.web.express import Express
from cloche.web.gate import Gate
from cloche.web.predicting import Receive
from cloche.web.protocol import ClocheProtocol

_log = logging.getLogger("cloche.web")
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed: it has no Windows version."""
    if sys.platform == "win32":
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return factory


class _Server(uvicorn.Server):
    """uvicorn's, with a time limit for TLS handshakes."""

    handshake_timeout_s = 10.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept; `ssl_handshake_timeout` is what uvicorn does not pass on."""
        loop, context = asyncio.get_running_loop(), self.config.ssl
        await self.lifespan.startup()
        self.servers = [
            await loop.create_server(
                self._connection,
                sock=one,
                ssl=context,
                backlog=self.config.backlog,
                ssl_handshake_timeout=None if context is None else self.handshake_timeout_s,
            )
            for one in sockets or ()
        ]
        self.started = True

    def _connection(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


class Runner:
    """One HTTP server on one socket, from accepting to drained; a *quiet* one does not say that it drains."""

    def __init__(
        self,
        app: Application,
        gate: Gate,
        config: ServerConfig,
        log_request: LogRequest,
        express: Express | None = None,
        *,
        quiet: bool = False,
    ) -> None:
        self._gate = gate
        self._quiet = quiet
        self._config = config
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._express = express
        protocol = ClocheProtocol.bound(gate, config, log_request, express)
        self._server = _Server(_uvicorn_config(app, config, protocol))

    def stop(self) -> None:
        """Begin to drain; called a second time, skip what is left of it."""
        if self._stop.is_set():
            self.hurry()
        self.drain()

    def drain(self) -> None:
        """Begin to drain; called a second time it does nothing."""
        self._stop.set()

    def hurry(self) -> None:
        """Skip what is left of the drain."""
        self._hurry.set()
        self._server.force_exit = True
        self._stop.set()

    @contextlib.contextmanager
    def signals(self, handlers: Mapping[int, Callable[[], None]] | None = None) -> Iterator[None]:
        """Inside the block signals are answered by *handlers*; without any SIGTERM and SIGINT call `stop`."""
        loop = asyncio.get_running_loop()
        chosen = dict.fromkeys(_SIGNALS, self.stop) if handlers is None else handlers
        for number, handler in chosen.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in chosen:
                loop.remove_signal_handler(number)

    async def unless_stopped(self, starting: Coroutine[Any, Any, None]) -> bool:
        """Run *starting* to its end; False (and it is cancelled) where a signal comes first."""
        work, stop = asyncio.create_task(starting), asyncio.create_task(self._stop.wait())
        await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not work.done():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            return False
        work.result()
        return True

    async def serve(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        """Answer until `stop` was called and everything in flight is answered (or `grace_s` is over)."""
        server = self._server
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        server.config.ssl = tls.context_of(self._config)
        server.handshake_timeout_s = self._config.handshake_timeout_s
        await server.startup(sockets=[listener])
        async with self._ticking():
            ready()
            await self._stop.wait()
            await self._leave()
        self._gate.phase = "closed"
        await server.shutdown(sockets=[listener])
        if self._express is not None:
            self._express.abandon()
        if server.server_state.tasks:  # cancelled after the grace: let each say so
            await asyncio.wait(set(server.server_state.tasks), timeout=1.0)

    async def _leave(self) -> None:
        """`/ready` says 503 and every answer closes its connection, while new ones are still taken."""
        self._gate.phase = "leaving"
        if not self._quiet:
            _log.info("draining: %d connections", len(self._server.server_state.connections))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), self._config.drain_delay_s)

    @contextlib.asynccontextmanager
    async def _ticking(self) -> AsyncIterator[None]:
        """uvicorn's main loop renews the Date header."""
        task = asyncio.create_task(self._server.main_loop())
        try:
            yield
        finally:
            self._server.should_exit = True
            await task


def _uvicorn_config(app: Application, config: ServerConfig, protocol: type[ClocheProtocol]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        root_path=config.root_path,
        timeout_keep_alive=config.keep_alive_s,  # type: ignore[arg-type]  # handed to call_later: a float works
        timeout_graceful_shutdown=config.grace_s,  # type: ignore[arg-type]  # handed to wait_for
        workers=1,
    )
