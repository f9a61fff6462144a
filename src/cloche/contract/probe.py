"""
Asking the fitted model what it can take: nulls, extremes, unknown levels, on copies of one row.

Bounded by calls and seconds. What a model raises here is the answer to a question, so everything is
caught; a probe that may no longer ask answers "no", which only ever makes a contract narrower.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cloche.records import Columns, Outputs

Answers = Callable[[Columns, int], Outputs]
Row = Mapping[str, Any]

SECONDS = 10.0
#: One row a field would make a square of the columns; beyond this they change in groups.
MAX_GROUPS = 200
MAX_CELLS = 500_000


class Probe:
    """A model behind a budget. A row is what it changes in *base*."""

    def __init__(
        self,
        answers: Answers,
        base: Row,
        *,
        calls: int,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answers = answers
        self._base = dict(base)
        self._clock = clock
        self._ends = clock() + seconds
        self.calls_left = calls
        self.error: Exception | None = None

    @property
    def spent(self) -> bool:
        """Whether no more may be asked."""
        return self.calls_left <= 0 or self._clock() > self._ends

    def takes(self, rows: Sequence[Row]) -> bool:
        """Whether the model answers these rows; what it raised, if it did, is in `error`."""
        if self.spent:
            return False
        rows = rows[: max(1, MAX_CELLS // max(1, len(self._base)))]
        self.calls_left -= 1
        columns = {name: [row.get(name, value) for row in rows] for name, value in self._base.items()}
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                return len(self._answers(columns, len(rows))) == len(rows)
        except Exception as exc:  # noqa: BLE001 - whatever a model raises is the answer
            self.error = exc
            return False


def budget(fields: int) -> int:
    """How many calls probing may make."""
    return 2 * fields + 8


def alone(values: Row) -> list[Row]:
    """Each of these changes alone, then all at once; in groups where there are very many."""
    names = list(values)
    step = max(1, -(-len(names) // MAX_GROUPS))
    groups = [names[start : start + step] for start in range(0, len(names), step)]
    return [*({name: values[name] for name in group} for group in groups), dict(values)]


def takers(probe: Probe, rows: Mapping[str, list[Row]], *, keep: int) -> set[str]:
    """
    The fields whose rows the model takes: all in one call, else one by one.

    *keep* calls are left for what comes after; a field that was not asked about does not count as taken.
    """
    if not rows or probe.calls_left <= 1:  # the last call is for all fields together
        return set()
    if probe.takes([row for each in rows.values() for row in each]):
        return set(rows)
    if len(rows) == 1:
        return set()
    return {name for name, each in rows.items() if probe.calls_left > keep and probe.takes(each)}
