"""
The same metrics from counts and sums instead of rows: for whoever merges them over time, hosts and segments.

Values and intervals are those that `labels`, `chances` and `regression` give for the rows that were counted (areas
under the curve: for scores that were binned). Counts may be expected ones, which are no whole numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cloche.evaluation import intervals
from cloche.evaluation.chances import CALIBRATION_BINS, MIN_ROWS_OF_CALIBRATION
from cloche.evaluation.intervals import Floats, Interval

MIN_ROWS: Final = 10
_EMPTY: Final = (0.0,) * 5


@dataclass(frozen=True, slots=True)
class Counted:
    """A metric of counts; `need` says what is missing before the number means something, None where enough is there."""

    name: str
    value: float
    n: float
    interval: Interval | None = None
    need: str | None = None


@dataclass(frozen=True, slots=True)
class Confusion:
    """Rows by what they are (down) and what was answered (across): `counts` is (k, k), in the order of `names`."""

    names: tuple[str, ...]
    counts: Floats

    @property
    def n(self) -> float:
        """All rows."""
        return float(self.counts.sum())

    def estimates(self, *, by_class: bool = False) -> Iterator[Counted]:
        """Accuracy, balanced accuracy, macro averages; with *by_class* precision, recall and F1 of each class."""
        n = self.n
        if n <= 0:
            return
        hits, support, guessed = np.diag(self.counts).copy(), self.counts.sum(axis=1), self.counts.sum(axis=0)
        right = float(hits.sum())
        need = None if n >= MIN_ROWS else f"{MIN_ROWS} rows"
        yield Counted("accuracy", right / n, n, intervals.wilson(right, n), need)
        occurs = ((support + guessed) > 0) / max(1, int(((support + guessed) > 0).sum()))
        there = (support > 0) / max(1, int((support > 0).sum()))
        two = None if np.count_nonzero(support) > 1 else "rows of two classes"
        yield self._shares("balanced_accuracy", hits, support, there, two)
        yield self._shares("precision_macro", hits, guessed, occurs, two)
        yield self._shares("recall_macro", hits, support, occurs, two)
        yield self._f1("f1_macro", occurs, two)
        for code, name in enumerate(self.names if by_class else ()):
            only = (np.arange(len(self.names)) == code).astype(np.float64)
            if guessed[code]:
                yield self._shares(f"precision[{name}]", hits, guessed, only, None, float(guessed[code]))
            if support[code]:
                yield self._shares(f"recall[{name}]", hits, support, only, None, float(support[code]))
            if guessed[code] + support[code]:
                yield self._f1(f"f1[{name}]", only, None)

    def _shares(
        self, name: str, hits: Floats, sizes: Floats, weights: Floats, need: str | None, n: float | None = None
    ) -> Counted:
        """Σ w · hits / sizes; a share without a denominator counts 0."""
        value = float(weights @ _share(hits, sizes))
        used = weights > 0
        enough = bool((np.rint(sizes[used]) >= 1).all())
        interval = intervals.of_strata(hits, sizes, weights) if enough else None
        return Counted(name, value, self.n if n is None else n, interval, need or self._few(used, sizes))

    def _f1(self, name: str, weights: Floats, need: str | None) -> Counted:
        """2 · hits / (support + guessed), a ratio of means; the delta method over the cells."""
        n = self.n
        hits, support, guessed = np.diag(self.counts) / n, self.counts.sum(axis=1) / n, self.counts.sum(axis=0) / n
        f1 = _share(2 * hits, support + guessed)
        by_class = _share(weights, support + guessed)
        lost = by_class * f1
        influence = 2 * np.diag(by_class) - lost[:, None] - lost[None, :]
        value = float(f1 @ weights)
        half = intervals.half_width(float((self.counts * influence**2).sum()), n)
        used = weights > 0
        few = self._few(used, support * n) or self._few(used, guessed * n)
        return Counted(name, value, n, intervals.on_logit(value, half), need or few)

    def _few(self, used: np.ndarray[Any, Any], sizes: Floats) -> str | None:
        if self.n < MIN_ROWS:
            return f"{MIN_ROWS} rows"
        return None if (sizes[used] >= MIN_ROWS).all() else f"{MIN_ROWS} rows of each class"


def mean(name: str, n: float, total: float, squares: float, need: str | None = None) -> Counted | None:
    """The mean of a loss above 0 from the sums of its values and of their squares."""
    if n <= 0:
        return None
    value = total / n
    half = intervals.half_width(squares - total * value, n)
    few = None if n >= MIN_ROWS else f"{MIN_ROWS} rows"
    return Counted(name, value, n, intervals.on_log(value, half), need or few)


def area(name: str, sides: Sequence[tuple[Floats, Floats]]) -> Counted | None:
    """
    The mean area under the ROC curve of one class against the rest.

    *sides* are counts of rows that are of the class and of others by bin of score, the lowest first; ties count half.
    The variance is DeLong's (1988); of several classes the mean of their standard errors is taken, which is the most
    that the standard error of the mean can be.
    """
    if not sides or any(of.sum() <= 0 or others.sum() <= 0 for of, others in sides):
        return None
    found = [_area(of, others) for of, others in sides]
    value = float(np.mean([one for one, _ in found]))
    fewest = min(float(min(of.sum(), others.sum())) for of, others in sides)
    n = float(sides[0][0].sum() + sides[0][1].sum())
    error = float(np.mean([math.sqrt(squares) for _, squares in found]))
    interval = intervals.on_logit(value, intervals.half_width(error**2, n, max(1, int(fewest) - 1)))
    if interval is None and len(sides) == 1:
        interval = intervals.of_auc(value, round(float(sides[0][0].sum())), round(float(sides[0][1].sum())))
    need = None if fewest >= MIN_ROWS else f"{MIN_ROWS} rows of each class and of others"
    return Counted(name, value, n, interval, need)


def _area(of: Floats, others: Floats) -> tuple[float, float]:
    """The area, and the sum of the squares of its influence function (see `chances`)."""
    m, rest = float(of.sum()), float(others.sum())
    n = m + rest
    below = (np.cumsum(others) - others / 2) / rest  # of a row of the class: the share of others that it beats
    above = (m - np.cumsum(of) + of / 2) / m
    value = float(of @ below) / m
    squares = 0.0
    for counts, placed, size in ((of, below, m), (others, above, rest)):
        within = size / max(size - 1, 1e-9) * ((n - 1) / n) if size > 1 else (n - 1) / n
        squares += float(counts @ (placed - value) ** 2) * (n / size) ** 2 * within
    return value, squares


def calibration_error(bins: Mapping[int, Sequence[float]]) -> Counted | None:
    """
    The expected calibration error, from sums by bin of confidence.

    Each bin: rows, Σ confidence, Σ confidence², rows that were right, Σ confidence of those.
    """
    n = sum(one[0] for one in bins.values())
    if not n:
        return None
    rows = np.array([bins.get(place, _EMPTY) for place in range(CALIBRATION_BINS)], dtype=np.float64)
    parts = (rows[:, 3] - rows[:, 1]) / n
    squares = (rows[:, 3] - 2 * rows[:, 4] + rows[:, 2]) / n
    covariance = (np.diag(squares) - np.outer(parts, parts)) / max(1.0, n - 1)
    interval = intervals.of_absolute_sum(parts, covariance) if n > 1 else None
    need = None if n >= MIN_ROWS_OF_CALIBRATION else f"{MIN_ROWS_OF_CALIBRATION} rows"
    return Counted("calibration_error", float(np.abs(parts).sum()), n, interval, need)


@dataclass(frozen=True, slots=True)
class Moments:
    """
    Sums over rows of powers of the error e = answer − truth and of u = truth − c, c being any number near the truths.

    `values` has: n, e, |e| (as "a"), e², e⁴, u, u², u³, u⁴, e²u, e²u², by the names of `NAMES`.
    """

    values: Mapping[str, float]

    NAMES = ("n", "e", "a", "e2", "e4", "u", "u2", "u3", "u4", "e2u", "e2u2")

    @classmethod
    def sums(cls, truth: Floats, answer: Floats, centre: float) -> dict[str, float]:
        """The sums of some rows, all finite."""
        e, u = answer - truth, truth - centre
        e2, u2 = e * e, u * u
        rows = (e * 0 + 1, e, np.abs(e), e2, e2 * e2, u, u2, u2 * u, u2 * u2, e2 * u, e2 * u2)
        return {name: float(one.sum()) for name, one in zip(cls.NAMES, rows, strict=True)}

    def estimates(self) -> Iterator[Counted]:
        """MAE, RMSE, R² (where the truths differ) and bias."""
        n, e, a, e2, e4, *_ = (self.values.get(name, 0.0) for name in self.NAMES)
        if n <= 0:
            return
        need = None if n >= MIN_ROWS else f"{MIN_ROWS} rows"
        found = mean("mae", n, a, e2)
        assert found is not None
        yield found
        mse, bias = e2 / n, e / n
        rmse = math.sqrt(mse)
        squares = (e4 - e2 * mse) / (4 * mse) if mse else 0.0
        yield Counted("rmse", rmse, n, intervals.on_log(rmse, intervals.half_width(squares, n)), need)
        r2 = self._r2(mse, need)
        if r2 is not None:
            yield r2
        half = intervals.half_width(e2 - e * bias, n)
        yield Counted("bias", bias, n, None if half is None else (bias - half, bias + half), need)

    def _r2(self, mse: float, need: str | None) -> Counted | None:
        n, _, _, e2, e4, u, u2, u3, u4, e2u, e2u2 = (self.values.get(name, 0.0) for name in self.NAMES)
        middle = u / n
        spread = u2 / n - middle**2
        if spread <= 1e-12 * max(1.0, u2 / n):
            return None
        away4 = u4 - 4 * middle * u3 + 6 * middle**2 * u2 - 4 * middle**3 * u + n * middle**4
        cross = e2u2 - 2 * middle * e2u + middle**2 * e2  # Σ e² (u − ū)²
        scale = mse / spread**2
        of_spread, of_error = away4 - n * spread**2, e4 - n * mse**2
        both = cross - n * spread * mse
        squares = scale**2 * of_spread + of_error / spread**2 - 2 * scale / spread * both
        found = intervals.on_log(1 - (1 - mse / spread), intervals.half_width(squares, n))
        interval = None if found is None else (1 - found[1], 1 - found[0])
        return Counted("r2", 1 - mse / spread, n, interval, need)


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)
