"""
Rows of several requests as one batch, and the answers handed back to whom they belong. Pure but for the callbacks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cloche.errors import DeadlineExceededError
from cloche.records import Columns, Outputs

#: What a batch holds at most; a request with more rows is a batch of its own.
MAX_ROWS = 4096
#: Values, fields × rows: wide rows make smaller batches.
MAX_VALUES = 262_144
Done = Callable[[Outputs | Exception], None]


@dataclass(slots=True, eq=False)
class Waiting:
    """A request that waits for its answers; *done* is called once, also where it is given up."""

    columns: Columns
    n: int
    timeout_s: float
    done: Done | None
    timer: asyncio.TimerHandle | None = None

    def finish(self, result: Outputs | Exception) -> None:
        """Hand *result* over, unless the request was given up."""
        done, self.done = self.done, None
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if done is not None:
            done(result)

    def expire(self, name: str) -> None:
        """Its deadline has passed: what has not begun never begins."""
        self.finish(DeadlineExceededError(f"{name}: no answer within {self.timeout_s:g} s"))


def take(queue: deque[Waiting], *, together: bool) -> list[Waiting]:
    """The next requests to answer at once, taken off the queue in its order; those that were given up are dropped."""
    batch: list[Waiting] = []
    rows = 0
    while queue:
        entry = queue[0]
        if entry.done is None:
            queue.popleft()
            continue
        most = min(MAX_ROWS, MAX_VALUES // max(1, len(entry.columns)))
        if batch and (not together or not rows or not entry.n or rows + entry.n > most):  # no rows: no columns either
            break
        batch.append(queue.popleft())
        rows += entry.n
    return batch


def joined(batch: Sequence[Waiting]) -> tuple[Columns, int]:
    """The columns of all requests one below the other, and how many rows that are."""
    first = batch[0]
    if len(batch) == 1:
        return first.columns, first.n
    columns: dict[str, list[object]] = {name: list(values) for name, values in first.columns.items()}
    for entry in batch[1:]:
        for name, values in entry.columns.items():
            columns[name].extend(values)
    return columns, sum(entry.n for entry in batch)


def parts(batch: Sequence[Waiting], outputs: Outputs) -> Iterator[Outputs]:
    """The answers of each request."""
    if len(batch) == 1:
        yield outputs
        return
    start = 0
    for entry in batch:
        yield outputs.rows(start, start + entry.n)
        start += entry.n


def hand_back(batch: Sequence[Waiting], outputs: Outputs) -> None:
    """Each request its own answers."""
    for entry, part in zip(batch, parts(batch, outputs), strict=True):
        entry.finish(part)
