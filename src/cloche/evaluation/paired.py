"""What one version does better than another on the same rows, with an interval for the difference itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np

from cloche.evaluation import intervals
from cloche.evaluation.estimate import Estimate, Strata
from cloche.evaluation.intervals import Interval
from cloche.evaluation.regression import numbers

#: Of these less is better; of a bias neither is.
_LESS_IS_BETTER = ("log_loss", "brier", "calibration_error", "mae", "rmse", "median_absolute_error", "mape")
_NEITHER = ("bias",)
#: A difference that fewer rows make up has no interval.
MIN_DIFFERENT_ROWS = 10
Verdict = Literal["better", "worse", "no clear difference"]


class Difference(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """
    *value* − *other* of a metric, both on the same n rows; `interval` is the two-sided 95 % interval of that.

    `verdict` says whether the first is better, as far as the interval leaves no doubt.
    """

    name: str
    value: float
    other: float
    difference: float
    n: int
    interval: Interval | None = None
    method: str | None = None
    verdict: Verdict | None = None


def differences(one: Sequence[Estimate], other: Sequence[Estimate]) -> list[Difference]:
    """By metric that both have on the very same rows, and enough of them."""
    others = {estimate.name: estimate for estimate in other}
    return [_difference(mine, its) for mine in one if (its := others.get(mine.name)) is not None and _fits(mine, its)]


def _fits(mine: Estimate, its: Estimate) -> bool:
    return (
        mine.need is None
        and its.need is None
        and mine.influence is not None
        and its.influence is not None
        and np.array_equal(mine.rows, its.rows)
    )


def _difference(mine: Estimate, its: Estimate) -> Difference:
    assert mine.influence is not None
    assert its.influence is not None
    apart = mine.value - its.value
    if mine.strata is not None and its.strata is not None and mine.strata.weights.size == its.strata.weights.size:
        return _told(mine, its, apart, _of_strata(mine.strata, its.strata), "bonett-price")
    moved = mine.influence() - its.influence()
    apart_in = moved if mine.said is None or its.said is None else mine.said != its.said
    if np.count_nonzero(apart_in) < MIN_DIFFERENT_ROWS:
        return _told(mine, its, apart, None, "")
    method = "paired delong" if mine.method == "delong" else "paired delta"
    return _told(mine, its, apart, intervals.plain(apart, moved), method)


def _of_strata(mine: Strata, its: Strata) -> Interval | None:
    return intervals.of_paired_strata(
        mine.counted(np.maximum(mine.hit - its.hit, 0)),
        mine.counted(np.maximum(its.hit - mine.hit, 0)),
        mine.counted(np.ones(mine.hit.size)),
        mine.weights,
    )


def median_difference(
    truth: Sequence[float | None], one: Sequence[float | None], other: Sequence[float | None], name: str
) -> Iterator[Difference]:
    """Of the median absolute errors: by bootstrap over rows, the two errors of a row staying together."""
    y, mine, its = numbers(truth), numbers(one), numbers(other)
    kept = np.isfinite(y) & np.isfinite(mine) & np.isfinite(its)
    a, b = np.abs(mine - y)[kept], np.abs(its - y)[kept]
    if a.size >= 10:
        interval = intervals.bootstrap(a.size, lambda rows: float(np.median(a[rows]) - np.median(b[rows])))
        value, against = float(np.median(a)), float(np.median(b))
        yield Difference(
            name=name, value=value, other=against, difference=value - against, n=int(a.size), interval=interval,
            method="paired bootstrap" if interval else None, verdict=_verdict(name, interval),
        )  # fmt: skip


def _told(mine: Estimate, its: Estimate, apart: float, interval: Interval | None, method: str) -> Difference:
    return Difference(
        name=mine.name, value=mine.value, other=its.value, difference=apart, n=int(mine.rows.size), interval=interval,
        method=method if interval else None, verdict=_verdict(mine.name, interval),
    )  # fmt: skip


def _verdict(name: str, interval: Interval | None) -> Verdict | None:
    base = name.partition("[")[0]
    if interval is None or base in _NEITHER:
        return None
    if interval[0] <= 0 <= interval[1]:
        return "no clear difference"
    return "better" if (interval[0] > 0) != (base in _LESS_IS_BETTER) else "worse"
