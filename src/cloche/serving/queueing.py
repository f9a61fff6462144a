"""What waits before an engine: bounded in rows, each request with its deadline, each answered once."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections import deque
from functools import partial

from cloche.errors import NotReadyError, OverloadedError
from cloche.records import Columns, Outputs
from cloche.serving.batch import Done, Waiting


class RowQueue(ABC):
    """The queue of one version, on one event loop; a subclass drives the engine."""

    def __init__(self, *, name: str, queue_rows: int) -> None:
        self._name = name
        self._queue_rows = queue_rows
        self._queue: deque[Waiting] = deque()
        self._rows = 0
        self._requests = 0
        self._closed = False
        self.restarts = 0  #: how often the engine was replaced

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
        answer: asyncio.Future[Outputs] = asyncio.get_running_loop().create_future()
        entry = self.submit(columns, n, timeout_s, partial(_settle, answer))
        try:
            return await answer
        except asyncio.CancelledError:
            entry.finish(NotReadyError(f"{self._name}: the caller has gone"))
            raise

    def submit(self, columns: Columns, n: int, timeout_s: float, done: Done) -> Waiting:
        """
        Have *done* called with the answers, or with what is raised instead: once, on this loop.

        Raises:
            NotReadyError, OverloadedError: as `infer`, at once.
        """
        if self._closed:
            raise NotReadyError(f"{self._name} is unloaded")
        if self._rows and self._rows + n > self._queue_rows:
            raise OverloadedError(f"{self._name}: {self._rows} rows wait already (at most {self._queue_rows})")

        def finished(result: Outputs | Exception) -> None:
            self._rows -= n
            self._requests -= 1
            done(result)

        entry = Waiting(columns, n, timeout_s, finished)
        if self._needs_timer(n):
            self._set_timer(entry)
        self._queue.append(entry)
        self._rows += n
        self._requests += 1
        self._wake()
        return entry

    def _needs_timer(self, n: int) -> bool:
        """Whether a request of *n* rows that comes now may be waiting when its deadline passes."""
        return True

    def _set_timer(self, entry: Waiting) -> None:
        """Have it given up at its deadline."""
        entry.timer = asyncio.get_running_loop().call_later(entry.timeout_s, entry.expire, self._name)

    @abstractmethod
    def _wake(self) -> None:
        """Something waits."""

    @abstractmethod
    async def close(self, *, grace_s: float = 30.0) -> None:
        """Answer what waits (at most *grace_s* long), then end the engine."""

    async def _settled(self, grace_s: float) -> None:
        """Wait until everything is answered, at most *grace_s*; nothing more is taken from then on."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                while self._requests:
                    await asyncio.sleep(0.02)
        self._closed = True

    def _turn_away(self) -> None:
        while self._queue:
            self._queue.popleft().finish(NotReadyError(f"{self._name} is being unloaded"))


def _settle(answer: asyncio.Future[Outputs], result: Outputs | Exception) -> None:
    if answer.done():  # its caller has gone
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
