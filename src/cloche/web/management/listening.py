"""The management port on a socket: the application, its connections, and the address that signs a browser in."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from cloche.config import ServerConfig
from cloche.ids import RequestIds
from cloche.metrics import Samples
from cloche.web.access import write_access
from cloche.web.gate import Authenticate, Gate
from cloche.web.management.app import create
from cloche.web.management.sessions import Sessions
from cloche.web.management.status import ServerStatus
from cloche.web.management.watching import Watching
from cloche.web.runner import Runner
from cloche.web.sockets import url_of

_GRACE_S = 2.0


@contextlib.asynccontextmanager
async def managing(
    listener: socket.socket,
    config: ServerConfig,
    *,
    authenticate: Authenticate,
    status: Callable[[], ServerStatus],
    counted: Callable[[], Samples],
    watching: Watching | None = None,
) -> AsyncIterator[str]:
    """
    Answer on *listener* inside the block; gives the login address.

    *config* is the server's: its limits hold here too.
    """
    host, port = listener.getsockname()[:2]
    now = time.monotonic()
    gate, sessions = Gate(new_id=RequestIds().new), Sessions(now)
    app = create(
        gate=gate,
        authenticate=authenticate,
        sessions=sessions,
        status=status,
        counted=counted,
        host=config.host if config.host != "localhost" else host,
        port=port,
        log_request=write_access,
        secure=config.tls_cert is not None,
        watching=watching,
    )
    own = replace(config, root_path="", client_ca=None, drain_delay_s=0.0, grace_s=min(config.grace_s, _GRACE_S))
    runner = Runner(app, gate, own, write_access, quiet=True)  # beside the data port, which tells
    ready = asyncio.Event()
    task = asyncio.create_task(runner.serve(listener, ready.set))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    try:
        yield sessions.login_url(url_of(listener, tls=config.tls_cert is not None))
    finally:
        waiting.cancel()
        runner.drain()
        await task
