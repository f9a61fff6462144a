"""MAE, RMSE, R², median absolute error, mean absolute percentage error and bias."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cloche.evaluation import intervals
from cloche.evaluation.estimate import Estimate, Rows
from cloche.evaluation.intervals import Floats, Interval
from cloche.manifest import Metric

MIN_ROWS = 10


def regression_metrics(truth: Sequence[Any], predicted: Sequence[Any], *, split: str = "test") -> list[Metric]:
    """The metrics of numbers; rows whose target or answer is missing or not finite are left out (n says so)."""
    return [one.metric(split) for one in regression_estimates(truth, predicted)]


def regression_estimates(truth: Sequence[Any], predicted: Sequence[Any]) -> list[Estimate]:
    """The same, with what comparisons need."""
    y, guess = numbers(truth), numbers(predicted)
    kept = np.flatnonzero(np.isfinite(y) & np.isfinite(guess))
    return list(_Errors(y[kept], guess[kept], kept).estimates()) if kept.size else []


def numbers(values: Sequence[Any]) -> Floats:
    """(n,) with NaN where a value is missing."""
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Errors:
    y: Floats
    guess: Floats
    rows: Rows

    def estimates(self) -> Iterator[Estimate]:
        error = self.guess - self.y
        absolute, squared = np.abs(error), error**2
        mae, mse, bias = float(absolute.mean()), float(squared.mean()), float(error.mean())
        rmse = math.sqrt(mse)
        yield self._one("mae", mae, intervals.of_size, lambda: absolute - mae)
        yield self._one(
            "rmse", rmse, intervals.of_size, lambda: (squared - mse) / (2 * rmse) if rmse else squared
        )  # fmt: skip
        spread = float(self.y.var())
        if spread > 0:
            away = (self.y - self.y.mean()) ** 2
            r2 = 1 - mse / spread
            yield self._one(
                "r2", r2, intervals.of_r2, lambda: mse / spread**2 * (away - spread) - (squared - mse) / spread
            )
        yield Estimate(
            "median_absolute_error", float(np.median(absolute)), self.rows, intervals.of_median(absolute), "order",
            None, self._need(),
        )  # fmt: skip
        yield self._one("bias", bias, intervals.plain, lambda: error - bias)
        yield from self._percentage(absolute)

    def _percentage(self, absolute: Floats) -> Iterator[Estimate]:
        """Rows whose target is 0 have no percentage; n says so."""
        kept = self.y != 0
        if kept.any():
            shares = absolute[kept] / np.abs(self.y[kept])
            mean = float(shares.mean())
            part = _Errors(self.y[kept], self.guess[kept], self.rows[kept])
            yield part._one("mape", mean, intervals.of_size, lambda: shares - mean)

    def _one(
        self, name: str, value: float, interval: Callable[[float, Floats], Interval | None],
        influence: Callable[[], Floats],
    ) -> Estimate:  # fmt: skip
        return Estimate(name, value, self.rows, interval(value, influence()), "delta", influence, self._need())

    def _need(self) -> str | None:
        return None if self.y.size >= MIN_ROWS else f"{MIN_ROWS} rows"
