"""
An engine inside this process, asked on the event loop itself where that is a matter of microseconds.

All requests that were parsed in one turn of the loop are one batch. What would hold the loop for longer than
`INLINE_S` (by the pace measured at warm-up) is computed in one thread; what comes meanwhile is the next batch.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from cloche.errors import EngineError
from cloche.records import Columns, Outputs
from cloche.serving import batch, isolate
from cloche.serving.batch import Waiting
from cloche.serving.engine_process import RowsRefused
from cloche.serving.queueing import RowQueue

_log = logging.getLogger("cloche.serving")
INLINE_S = 0.002


class SyncEngine(Protocol):
    """An engine that answers by being called; a row's answer must not depend on its batch."""

    def predict(self, columns: Columns, n: int) -> Outputs: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a call takes: so many seconds, and so many more for each row."""

    call_s: float
    row_s: float

    def of(self, n: int) -> float:
        """Seconds for *n* rows."""
        return self.call_s + n * self.row_s

    @classmethod
    def measure(cls, engine: SyncEngine, row: Columns, *, rows: int = 64, times: int = 3) -> Pace:
        """The best of *times* calls with one row, and with *rows* of them; it also warms the engine up."""
        many = {name: list(values) * rows for name, values in row.items()}
        one_s, many_s = _best(engine, row, 1, times), _best(engine, many, rows, times)
        row_s = max(0.0, (many_s - one_s) / (rows - 1))
        return cls(max(0.0, one_s - row_s), row_s)


class InlineLane(RowQueue):
    """What waits for an engine of this process: the rest of this turn, or the one thread."""

    def __init__(self, engine: SyncEngine, *, name: str, queue_rows: int, pace: Pace) -> None:
        super().__init__(name=name, queue_rows=queue_rows)
        self._engine = engine
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        self._due = False  # a turn is scheduled, or the thread is busy
        self._busy = False  # the thread is
        self._thread: ThreadPoolExecutor | None = None

    async def close(self, *, grace_s: float = 30.0) -> None:
        """Answer what waits (at most *grace_s* long)."""
        await self._settled(grace_s)
        self._turn_away()
        if self._thread is not None:
            self._thread.shutdown(wait=False)

    def _needs_timer(self, n: int) -> bool:
        """Before the end of this turn no deadline passes; a timer costs more than most answers do."""
        return self._busy

    def _wake(self) -> None:
        if not self._due:
            self._due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._due = self._busy = False
        while entries := batch.take(self._queue, together=True):
            columns, n = batch.joined(entries)
            if self._pace.of(n) > INLINE_S:
                self._due = self._busy = True
                for entry in (*entries, *self._queue):
                    if entry.timer is None and entry.done is not None:
                        self._set_timer(entry)
                self._loop.create_task(self._apart(entries, columns, n))
                return
            _hand_back(entries, self._results(entries, columns, n))

    async def _apart(self, entries: Sequence[Waiting], columns: Columns, n: int) -> None:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="cloche-engine")
        try:
            results = await self._loop.run_in_executor(self._thread, self._results, entries, columns, n)
        except Exception as exc:  # noqa: BLE001  no thread could be started, or it was shut down
            results = [exc] * len(entries)
        _hand_back(entries, results)
        self._turn()

    def _results(self, entries: Sequence[Waiting], columns: Columns, n: int) -> list[Outputs | Exception]:
        """What each request is answered with."""
        found = self._answers(columns, n)
        if isinstance(found, Outputs):
            return list(batch.parts(entries, found))
        if len(entries) == 1:
            return [found]
        return [found if one.done is None else self._answers(one.columns, one.n) for one in entries]

    def _answers(self, columns: Columns, n: int) -> Outputs | Exception:
        """What the engine says; an exception only where some row was not answered."""
        try:
            return self._predict(columns, n)
        except Exception:  # noqa: BLE001  found out row by row
            refused = isolate.answer(self._predict, columns, n)
        if isinstance(refused, Outputs):
            return refused
        _log.error("%s: the engine raised on %d of %d rows", self._name, len(refused.rows), n, exc_info=refused.cause)
        return RowsRefused(list(refused.rows))

    def _predict(self, columns: Columns, n: int) -> Outputs:
        """A call; another number of answers than of rows would be handed to whom they do not belong."""
        outputs = self._engine.predict(columns, n)
        if len(outputs) != n:
            raise EngineError(f"{self._name}: {len(outputs)} answers to {n} rows")
        return outputs


def _hand_back(entries: Sequence[Waiting], results: Sequence[Outputs | Exception]) -> None:
    for entry, result in zip(entries, results, strict=True):
        entry.finish(result)


def _best(engine: SyncEngine, columns: Columns, n: int, times: int) -> float:
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        try:
            engine.predict(columns, n)
        except Exception as exc:
            raise EngineError("the engine does not answer a golden row any more") from exc
        best = min(best, time.perf_counter() - start)
    return best
