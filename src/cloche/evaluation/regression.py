"""MAE, RMSE, R² and median absolute error, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cloche.evaluation import intervals
from cloche.evaluation.intervals import Floats, Interval
from cloche.manifest import Metric


def regression_metrics(truth: Sequence[Any], predicted: Sequence[Any], *, split: str = "test") -> list[Metric]:
    """The metrics of numbers; rows whose target or answer is missing or not finite are left out (n says so)."""
    y, guess = _numbers(truth), _numbers(predicted)
    kept = np.isfinite(y) & np.isfinite(guess)
    y, guess = y[kept], guess[kept]
    n = int(y.size)
    if not n:
        return []
    absolute, squared = np.abs(y - guess), (y - guess) ** 2
    found = [
        Metric("mae", float(absolute.mean()), split, n, intervals.of_mean(absolute), "normal"),
        Metric("rmse", math.sqrt(float(squared.mean())), split, n, _rmse_interval(squared), "normal"),
        Metric("median_absolute_error", float(np.median(absolute)), split, n, intervals.of_median(absolute), "order"),
    ]
    if float(y.std()) > 0:
        found.insert(2, Metric("r2", _r2(y, squared), split, n, _r2_interval(y, squared), "bootstrap"))
    return found


def _numbers(values: Sequence[Any]) -> Floats:
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _rmse_interval(squared: Floats) -> Interval | None:
    """The interval of the mean squared error, carried through the square root (it keeps the order)."""
    found = intervals.of_mean(squared)
    return None if found is None else (math.sqrt(max(0.0, found[0])), math.sqrt(found[1]))


def _r2(y: Floats, squared: Floats) -> float:
    return float(1 - squared.sum() / ((y - y.mean()) ** 2).sum())


def _r2_interval(y: Floats, squared: Floats) -> Interval | None:
    centred = y - y.mean()

    def estimate(rows: np.ndarray[Any, Any], weights: Floats) -> Floats:
        near = centred[rows]
        spread = weights @ near**2 - (weights @ near) ** 2 / weights.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(1 - (weights @ squared[rows]) / spread)

    return intervals.bootstrap(y.size, estimate)
