"""
Who is answered next: the bounded queue before one engine, its deadlines, its watchdog.

This is where requests meet an engine of another process. Natural batching, without a timer: what came while the engine
was busy is its next batch. A batch that fails is asked again request by request.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Protocol

from cloche.errors import ArtifactError, EngineError, NotReadyError
from cloche.records import Columns, Outputs
from cloche.serving import batch
from cloche.serving.batch import Waiting
from cloche.serving.queueing import RowQueue

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


class Lane(RowQueue):
    """A started engine and what waits for it."""

    def __init__(self, engine: Engine, *, name: str, queue_rows: int, together: bool = True) -> None:
        """*together*: the engine answers a row in a batch as it does alone, so that requests may share a call."""
        super().__init__(name=name, queue_rows=queue_rows)
        self._engine = engine
        self._together = together
        self._news = asyncio.Event()
        self._restart_at = 0.0
        self._tasks = [asyncio.create_task(self._work()), asyncio.create_task(self._watch())]

    def _wake(self) -> None:
        self._news.set()

    async def close(self, *, grace_s: float = 30.0) -> None:
        """Answer what waits (at most *grace_s* long), then end the engine."""
        await self._settled(grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._turn_away()
        await self._engine.close()

    async def _work(self) -> None:
        while True:
            while not self._queue:
                self._news.clear()
                await self._news.wait()
            entries = batch.take(self._queue, together=self._together)
            if entries and not await self._serve(entries):
                for entry in entries:
                    if entry.done is not None:
                        await self._serve([entry])

    async def _serve(self, entries: Sequence[Waiting]) -> bool:
        """Answer a batch; False where it failed and each request is to be asked alone."""
        try:
            columns, n = batch.joined(entries)
            await self._revive()
            outputs = await self._call(columns, n, max(entry.timeout_s for entry in entries))
        except TimeoutError:
            _log.error("%s: busy with one call at twice its deadline; its process is replaced", self._name)
            await self._engine.kill()
            for entry in entries:
                entry.expire(self._name)
        except Exception as exc:  # noqa: BLE001  the callers are told
            if len(entries) > 1 and not isinstance(exc, NotReadyError):
                return False
            for entry in entries:
                entry.finish(exc)
        else:
            batch.hand_back(entries, outputs)
        return True

    async def _call(self, columns: Columns, n: int, timeout_s: float) -> Outputs:
        if n == 0:
            return Outputs([])
        outputs = await asyncio.wait_for(self._engine.infer(columns, n), _STUCK * timeout_s)
        if len(outputs) != n:
            raise EngineError(f"{self._name}: {len(outputs)} answers to {n} rows")
        return outputs

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
