"""One number measured on rows, with what its interval and its difference from another are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cloche.evaluation.intervals import Floats, Interval
from cloche.manifest import Metric

Rows = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class Strata:
    """An average of shares: by row whether it is a hit, (n,), and its stratum, (n,); the weight of each stratum."""

    hit: Floats
    stratum: Rows
    weights: Floats

    def counted(self, values: Floats) -> Floats:
        """The sum of *values* by stratum."""
        return np.bincount(self.stratum, weights=values, minlength=self.weights.size).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Estimate:
    """
    A metric as it was measured; `rows` are the places of the rows that count in it.

    `influence` gives, by row of `rows`, what the row moves it by (None: not smooth enough for that).
    `strata` are given where the strata of a row are the same whatever is answered to it.
    `need` says what is missing before the number means something, None where enough is there.
    """

    name: str
    value: float
    rows: Rows
    interval: Interval | None
    method: str
    influence: Callable[[], Floats] | None = None
    need: str | None = None
    n: int | None = None  #: where fewer rows decide than count: the rows answered so, for a precision
    strata: Strata | None = None
    said: Rows | None = None  #: what was answered to each row, where only rows answered otherwise tell two apart

    def metric(self, split: str) -> Metric:
        """What is written down of it."""
        n = int(self.rows.size) if self.n is None else self.n
        return Metric(self.name, self.value, split, n, self.interval, self.method if self.interval else None)


def named(estimate: Estimate, output: str) -> Estimate:
    """The metric of one output of several: `mae[height]`, `recall[colour, red]`."""
    base, _, rest = estimate.name.partition("[")
    name = f"{base}[{output}, {rest[:-1]}]" if rest else f"{base}[{output}]"
    return replace(estimate, name=name)
