"""
Who is answered next: the bounded queue before one engine, its deadlines, its watchdog.

This is the one place where requests meet an engine; joining the rows of several requests into a batch is
done here, and nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from cloche.errors import ArtifactError, DeadlineExceededError, EngineError, NotReadyError, OverloadedError
from cloche.records import Columns, Outputs

_log = logging.getLogger("cloche.serving")
_RESTART_PAUSE_S = 1.0
#: A model that is still busy at this multiple of the deadline is stuck, and its process is replaced.
_STUCK = 2.0


class Engine(Protocol):
    """What a lane drives: `EngineProcess`, or a fake in a test."""

    @property
    def alive(self) -> bool: ...
    async def start(self) -> None: ...
    async def infer(self, columns: Columns, n: int) -> Outputs: ...
    async def exited(self) -> int: ...
    async def kill(self) -> None: ...
    async def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class _Waiting:
    columns: Columns
    n: int
    timeout_s: float
    answer: asyncio.Future[Outputs]


class Lane:
    """A started engine and what waits for it."""

    def __init__(self, engine: Engine, *, name: str, queue_rows: int) -> None:
        self._engine = engine
        self._name = name
        self._queue_rows = queue_rows
        self._rows = 0
        self._closed = False
        self._requests = 0
        self._queue: deque[_Waiting] = deque()
        self._news = asyncio.Event()
        self._restart_at = 0.0
        self.restarts = 0  #: how often the engine was replaced
        self._tasks = [asyncio.create_task(self._work()), asyncio.create_task(self._watch())]

    @property
    def waiting_rows(self) -> int:
        """Rows in the queue and in the engine."""
        return self._rows

    async def infer(self, columns: Columns, n: int, timeout_s: float) -> Outputs:
        """
        The engine's answers to *n* rows.

        Raises:
            OverloadedError: more rows wait than the queue keeps.
            DeadlineExceededError: no answer within *timeout_s*; a request that still waited is never computed.
            RowsRefused, EngineError: as the engine says.
        """
        if self._closed:
            raise NotReadyError(f"{self._name} is unloaded")
        if self._rows and self._rows + n > self._queue_rows:
            raise OverloadedError(f"{self._name}: {self._rows} rows wait already (at most {self._queue_rows})")
        entry = _Waiting(columns, n, timeout_s, asyncio.get_running_loop().create_future())
        self._queue.append(entry)
        self._rows += n
        self._requests += 1
        self._news.set()
        try:
            return await asyncio.wait_for(entry.answer, timeout_s)
        except TimeoutError:
            raise DeadlineExceededError(f"{self._name}: no answer within {timeout_s:g} s") from None
        finally:
            self._rows -= n
            self._requests -= 1

    async def close(self, *, grace_s: float = 30.0) -> None:
        """Answer what waits (at most *grace_s* long), then end the engine."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                while self._requests:
                    await asyncio.sleep(0.02)
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._queue:
            _fail(self._queue.popleft(), NotReadyError(f"{self._name} is being unloaded"))
        await self._engine.close()

    async def _work(self) -> None:
        while True:
            while not self._queue:
                self._news.clear()
                await self._news.wait()
            entry = self._queue.popleft()
            if not entry.answer.done():  # else its deadline passed, or its caller left
                await self._serve(entry)

    async def _serve(self, entry: _Waiting) -> None:
        try:
            await self._revive()
            outputs = await self._call(entry)
        except TimeoutError:
            _log.error("%s: busy with one request at twice its deadline; its process is replaced", self._name)
            await self._engine.kill()
            _fail(entry, DeadlineExceededError(f"{self._name}: no answer within {entry.timeout_s:g} s"))
        except Exception as exc:  # noqa: BLE001  the caller is told
            _fail(entry, exc)
        else:
            if not entry.answer.done():
                entry.answer.set_result(outputs)

    async def _call(self, entry: _Waiting) -> Outputs:
        if entry.n == 0:
            return Outputs([])
        return await asyncio.wait_for(self._engine.infer(entry.columns, entry.n), _STUCK * entry.timeout_s)

    async def _revive(self) -> None:
        """Start the engine where it is not running; after a failed start the next try waits a second."""
        if self._engine.alive:
            return
        if asyncio.get_running_loop().time() < self._restart_at:
            raise NotReadyError(f"{self._name}: the engine is being restarted")
        self.restarts += 1
        _log.warning("%s: starting the engine process again", self._name)
        try:
            await self._engine.start()
        except (ArtifactError, EngineError, OSError) as exc:
            self._restart_at = asyncio.get_running_loop().time() + _RESTART_PAUSE_S
            _log.error("%s: the engine did not start: %s", self._name, exc)
            raise NotReadyError(f"{self._name}: the engine did not start") from exc

    async def _watch(self) -> None:
        """Bring a process that died while idle back before the next request needs it."""
        while True:
            status = await self._engine.exited()
            _log.error("%s: the engine process ended (exit status %s)", self._name, status)
            while not self._engine.alive:
                await asyncio.sleep(_RESTART_PAUSE_S / 10)
                if not self._engine.alive and not self._queue:
                    await self._idle_call()

    async def _idle_call(self) -> None:
        """A request of no rows: makes the worker revive the engine in its own turn."""
        with contextlib.suppress(Exception):
            await self.infer({}, 0, 60.0)


def _fail(entry: _Waiting, exc: Exception) -> None:
    if not entry.answer.done():
        entry.answer.set_exception(exc)
