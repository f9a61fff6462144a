"""
An engine forked for us by the template of its version: the interface of `EngineProcess` over a unix socket.

Starting is connecting: the template forks a process that has the artifact open already, in milliseconds. It
says its process id, so that one that hangs can be killed, and it holds our lifeline, so that it never outlives us.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path
from typing import Any, cast

from cloche import pipes
from cloche.errors import ArtifactError, EngineError
from cloche.records import Columns, Outputs
from cloche.serving.engine_facts import EngineFacts
from cloche.serving.engine_process import outputs_of

#: A template that died is back within this: seconds to import the library, then the load of the model.
_TEMPLATE_BACK_S = 30.0
_TRY_AGAIN_S = 0.05
#: Where a library is not fork-safe the forked process opens the artifact itself.
_OPEN_TIMEOUT_S = 600.0
_CLOSE_TIMEOUT_S = 2.0


class EngineSocket:
    """One engine process at the other end of a connection to *path*; *lifeline* is the end of a pipe it holds."""

    facts: EngineFacts

    def __init__(self, path: Path, lifeline: int) -> None:
        self._path = path
        self._lifeline = lifeline
        self._connection: _Connection | None = None
        self._pid: int | None = None

    @property
    def pid(self) -> int | None:
        return self._pid

    @property
    def alive(self) -> bool:
        return self._connection is not None and not self._connection.lost.is_set()

    async def start(self) -> None:
        """
        Have a process forked; waits for a template that is being started again.

        Raises:
            ArtifactError: the artifact will not be opened (only where each engine opens it by itself).
            EngineError: there is no template.
        """
        await self.kill()
        end = asyncio.get_running_loop().time() + _TEMPLATE_BACK_S
        try:
            while not await self._connected():
                if asyncio.get_running_loop().time() > end:
                    raise EngineError(f"{self._path.name}: nobody forks engines")
                await asyncio.sleep(_TRY_AGAIN_S)
        except BaseException:
            await self.kill()
            raise

    async def infer(self, columns: Columns, n: int) -> Outputs:
        """
        The answers to *n* rows, as `EngineProcess.infer`.

        Raises:
            RowsRefused, EngineError
        """
        connection = self._connection
        if connection is None:
            raise EngineError("the engine process is not running")
        return outputs_of(await connection.exchange({"columns": columns, "n": n}))

    async def exited(self) -> int:
        """Wait until the connection is lost; the exit status is known to the template alone."""
        if self._connection is not None:
            await self._connection.lost.wait()
        return -1

    async def kill(self) -> None:
        """End the process at once, whatever it does."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._pid is not None and not connection.lost.is_set():  # else the id may be somebody else's by now
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        connection.transport.abort()

    async def close(self) -> None:
        """Let the process end by itself; kill it where it does not."""
        connection = self._connection
        if connection is None:
            return
        with contextlib.suppress(OSError, RuntimeError):
            connection.transport.write_eof()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(connection.lost.wait(), _CLOSE_TIMEOUT_S)
        await self.kill()

    async def _connected(self) -> bool:
        """Whether a process was forked, and has said what it holds."""
        try:
            connection = await _connect(self._path, self._lifeline)
        except OSError:
            return False
        self._connection, self._pid = connection, None
        try:
            hello = await asyncio.wait_for(pipes.aread(connection.reader), _OPEN_TIMEOUT_S)
        except (EOFError, TimeoutError):
            connection.transport.abort()
            return False
        if "refused" in hello:
            raise ArtifactError(hello["refused"])
        self._pid = hello["pid"]
        self.facts = EngineFacts.of_message(hello)
        return True


class _Connection(asyncio.StreamReaderProtocol):
    """A stream that is lost as soon as the other side ends, not only when we close it."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__(reader)
        self.reader = reader
        self.lost = asyncio.Event()
        self.transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport = cast(asyncio.WriteTransport, transport)

    def eof_received(self) -> bool:
        super().eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()
        super().connection_lost(exc)

    async def exchange(self, message: dict[str, Any]) -> dict[str, Any]:
        """Ask and be answered."""
        self.transport.write(pipes.message_bytes(message))
        try:
            return await pipes.aread(self.reader)
        except EOFError:
            raise EngineError("the engine process died") from None
        except ValueError as exc:
            self.transport.abort()
            raise EngineError(f"the engine process is replaced: {exc}") from exc


async def _connect(path: Path, lifeline: int) -> _Connection:
    loop = asyncio.get_running_loop()
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.setblocking(False)
        await loop.sock_connect(link, str(path))
        socket.send_fds(link, [b"\0"], [lifeline])
        _, protocol = await loop.create_unix_connection(lambda: _Connection(asyncio.StreamReader()), sock=link)
    except BaseException:
        link.close()
        raise
    return protocol
