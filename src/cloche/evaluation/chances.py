"""Log loss, Brier score, ROC AUC and calibration of probabilities."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cloche.evaluation import intervals
from cloche.evaluation.estimate import Estimate, Rows
from cloche.evaluation.intervals import Floats
from cloche.evaluation.labels import MAX_LISTED_CLASSES, Codes

CALIBRATION_BINS = 10
MIN_ROWS_OF_A_SIDE = 10
MIN_ROWS_OF_CALIBRATION = 100


@dataclass(frozen=True, slots=True)
class Chances:
    """
    Probabilities (n, k) in the order of the classes, and the class that each row is of, (n,).

    Only rows of a class that the model knows, with finite probabilities.
    """

    actual: Codes
    shares: Floats
    rows: Rows

    def estimates(self) -> Iterator[Estimate]:
        """Every metric of probabilities; areas under the curve where both sides have rows."""
        n, k = self.shares.shape
        if not n:
            return
        truth = (self.actual[:, None] == np.arange(k)).astype(np.float64)
        surprise = -np.log(np.clip(self.shares[np.arange(n), self.actual], np.finfo(np.float64).eps, 1.0))
        distance = ((self.shares - truth) ** 2).sum(axis=1) * (0.5 if k == 2 else 1.0)
        others = n - int(np.bincount(self.actual).max())
        need = (
            None if others >= MIN_ROWS_OF_A_SIDE else f"{MIN_ROWS_OF_A_SIDE} rows beside those of the commonest class"
        )
        yield _mean("log_loss", surprise, self.rows, need)
        yield _mean("brier", distance, self.rows, need)
        if k == 2:
            yield from self._areas("roc_auc", truth[:, 1:], self.shares[:, 1:])
        elif 2 < k <= MAX_LISTED_CLASSES:
            yield from self._areas("roc_auc_ovr", truth, self.shares)
        yield self._calibration()

    def _areas(self, name: str, truth: Floats, scores: Floats) -> Iterator[Estimate]:
        """The mean area of one class against the rest; needs every class among the rows, and others."""
        n, sides = truth.shape[0], truth.sum(axis=0)
        fewest = int(min(sides.min(), (n - sides).min()))
        if fewest:
            each = [_area(truth[:, one], scores[:, one]) for one in range(truth.shape[1])]
            value = float(np.mean([area for area, _ in each]))
            influence = np.mean([moved for _, moved in each], axis=0)
            interval, method = intervals.of_share(value, influence, fewest - 1), "delong"
            if interval is None and truth.shape[1] == 1:  # 0, 1, or every row alike: no variance to go by
                interval, method = intervals.of_auc(value, int(sides[0]), n - int(sides[0])), "newcombe"
            need = None if fewest >= MIN_ROWS_OF_A_SIDE else f"{MIN_ROWS_OF_A_SIDE} rows of each class and of others"
            yield Estimate(name, value, self.rows, interval, method, lambda: influence, need)

    def _calibration(self) -> Estimate:
        """Expected calibration error: Σ over ten bins of |share right − mean confidence| × share of the rows."""
        n = self.actual.size
        confidence = self.shares.max(axis=1)
        gaps = (self.shares.argmax(axis=1) == self.actual) - confidence
        parts, covariance = _binned(confidence, gaps)
        interval = intervals.of_absolute_sum(parts, covariance) if n > 1 else None
        need = None if n >= MIN_ROWS_OF_CALIBRATION else f"{MIN_ROWS_OF_CALIBRATION} rows"
        value = float(np.abs(parts).sum())
        return Estimate("calibration_error", value, self.rows, interval, "simulated", None, need)

    def bins(self) -> list[dict[str, float]]:
        """The reliability diagram of the predicted class, with the interval of each share."""
        right = (self.shares.argmax(axis=1) == self.actual).astype(np.float64)
        found = calibration_bins(right, self.shares.max(axis=1))
        for one in found:
            low, high = intervals.wilson(one["accuracy"] * one["n"], int(one["n"])) or (0.0, 1.0)
            one |= {"low": low, "high": high}
        return found


def calibration_bins(correct: Floats, confidence: Floats) -> list[dict[str, float]]:
    """Ten equal bins of confidence: rows, mean confidence, share that was right (empty bins are left out)."""
    place = _place(confidence)
    found = []
    for number in range(CALIBRATION_BINS):
        inside = place == number
        if inside.any():
            found.append(
                {
                    "from": number / CALIBRATION_BINS,
                    "to": (number + 1) / CALIBRATION_BINS,
                    "n": int(inside.sum()),
                    "confidence": float(confidence[inside].mean()),
                    "accuracy": float(correct[inside].mean()),
                }
            )
    return found


def _place(confidence: Floats) -> Codes:
    return np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)


def _binned(confidence: Floats, gaps: Floats) -> tuple[Floats, Floats]:
    """By bin the mean over all rows of the gaps inside it; and the covariance of these means."""
    n, place = gaps.size, _place(confidence)
    sums = np.bincount(place, weights=gaps, minlength=CALIBRATION_BINS) / n
    squares = np.bincount(place, weights=gaps**2, minlength=CALIBRATION_BINS) / n
    return sums, (np.diag(squares) - np.outer(sums, sums)) / max(1, n - 1)


def _mean(name: str, values: Floats, rows: Rows, need: str | None) -> Estimate:
    """Of a loss above 0."""
    value = float(values.mean())
    influence = values - value
    return Estimate(name, value, rows, intervals.of_size(value, influence), "delta", lambda: influence, need)


def _area(truth: Floats, score: Floats) -> tuple[float, Floats]:
    """
    The area under the ROC curve, ties counted half, and by row what it moves the area by.

    The placements of E. DeLong, D. DeLong, D. Clarke-Pearson, Biometrics 44, 1988, by ranks (X. Sun, W. Xu, IEEE
    Signal Process. Lett. 21, 2014), scaled so that the standard error is DeLong's.
    """
    positive = truth > 0
    n, m = truth.size, int(positive.sum())
    placed = np.empty(n)
    ranks = _ranks(score)
    placed[positive] = (ranks[positive] - _ranks(score[positive])) / (n - m)
    placed[~positive] = 1 - (ranks[~positive] - _ranks(score[~positive])) / m
    area = float(placed[positive].mean())
    sizes = np.where(positive, m, n - m)
    within = np.sqrt(sizes / np.maximum(sizes - 1, 1) * ((n - 1) / n))
    return area, (placed - area) * n / sizes * within


def _ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of theirs."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] > ordered[:-1]])
    ends = np.r_[starts[1:], values.size]
    found = np.empty(values.size)
    found[order] = np.repeat((starts + 1 + ends) / 2, ends - starts)
    return found


def logit(shares: Floats) -> Floats:
    """The log odds; of what is nearer to 0 or 1 than 1e-12 those of 1e-12."""
    inside = np.clip(shares, 1e-12, 1 - 1e-12)
    found: Floats = np.log(inside / (1 - inside))
    return found


def as_shares(values: Any, k: int) -> Floats:
    """Lists of k numbers as (n, k); a row without them is NaN."""
    nothing = [math.nan] * k
    plain = [nothing if row is None else [math.nan if one is None else one for one in row] for row in values]
    return np.array(plain, dtype=np.float64).reshape(len(plain), k)
