"""
Texts and vectors: whether a classifier tells the rows of a window from those of the reference (Friedman 2003; Lopez-Paz
and Oquab 2017).

A field that is as it was leaves the classifier to guess: its area under the ROC curve is ½. The classifier is linear
discriminant analysis, learnt on four fifths of both samples and asked about the rest, five times over.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from scipy import special

from cloche.monitoring.reference import ReferenceSample
from cloche.monitoring.samples import Sample

Values = np.ndarray[Any, np.dtype[np.float64]]
_FOLDS: Final = 5
#: Added to the variance of each feature, the mean of which is 1: there are not many more rows than features.
_RIDGE: Final = 1.0
#: Of conjugate gradients: no more than so many, and until this share of the square is left.
_STEPS, _CLOSE, _TINY = 100, 1e-12, 1e-300
#: Rows of a sample from which on anything is said.
LEAST_ROWS: Final = 50
#: Verdicts look at every window again with each new one, and a window stays what it was.
_REMEMBERED: Final = 512


@lru_cache(maxsize=_REMEMBERED)
def told_apart(reference: ReferenceSample, current: Sample) -> tuple[float, float] | None:
    """
    The area under the ROC curve and one-sided p; None where a sample is too small.

    Area by area the law is Mann's and Whitney's, given what was learnt. Their mean has twice the variance of one area
    over all rows: without drift a fold's score is the product of its own difference of means and that of the other
    folds, so every pair of folds is in it two times, once from each side. The tail is nowhere heavier than the normal
    one (`test_drift_classifier.py`).
    """
    before, now = reference.matrix(), current.features()
    if min(len(before), len(now)) < LEAST_ROWS or before.shape[1] != now.shape[1]:
        return None
    scaled = _scaled(reference.features.to_numbers(before), reference.features.to_numbers(now))
    area = float(_areas(*scaled).mean())
    n, m = len(now), len(before)
    deviation = math.sqrt(2 * (n + m + 1) / (12 * n * m))
    return area, float(special.ndtr(-(area - 0.5) / deviation))


def over(reference: ReferenceSample, samples: Sequence[Sample | None]) -> tuple[Values, Values]:
    """Area and p of every window (windows,); NaN and 1 where its sample is too small."""
    found = [None if one is None else told_apart(reference, one) for one in samples]
    areas = np.array([np.nan if one is None else one[0] for one in found])
    return areas, np.array([1.0 if one is None else one[1] for one in found])


def psi_of(area: Values) -> Values:
    """
    The PSI of two normal laws of equal variance that the best classifier tells apart with that *area*: 2 Φ⁻¹(area)²; 0
    below ½.

    Their divergence is δ², the area Φ(δ / √2), δ being their distance in standard deviations. So one limit serves for
    all fields: 0.1 is an area of 0.588. What is told apart nearly always counts as 0.995, a PSI of 13: some hundred
    rows do not tell more.
    """
    found: Values = 2 * np.square(special.ndtri(np.clip(area, 0.5, 0.995)))
    return found


def _scaled(before: Values, now: Values) -> tuple[Values, Values]:
    both = np.concatenate([before, now])
    middle, spread = both.mean(axis=0), both.std(axis=0)
    spread[spread < 1e-9] = 1.0
    return (before - middle) / spread, (now - middle) / spread


def _areas(before: Values, now: Values) -> Values:
    """Learnt on all folds but one, measured on that, one after the other: every fifth row, as rows are in no order."""
    (within, means), (within_now, means_now) = _rest(before), _rest(now)
    spread = (within + within_now) / 2 + _RIDGE * np.eye(before.shape[1])
    directions = _solved(spread, means_now - means)
    found = []
    for fold, direction in enumerate(directions):
        # Rounded: equal rows are equal wherever in a matrix they stand.
        usual = np.sort(np.round(np.einsum("ij,j->i", before[fold::_FOLDS], direction), 9))
        scores = np.round(np.einsum("ij,j->i", now[fold::_FOLDS], direction), 9)
        below = np.searchsorted(usual, scores, "left") + np.searchsorted(usual, scores, "right")
        found.append(below.mean() / 2 / len(usual))
    return np.array(found)


def _rest(rows: Values) -> tuple[Values, Values]:
    """Covariances (folds, d, d) and means (folds, d) of what is in all folds but one."""
    parts = [rows[fold::_FOLDS] for fold in range(_FOLDS)]
    squares = np.array([np.einsum("ij,ik->jk", one, one) for one in parts])
    sums = np.array([one.sum(axis=0) for one in parts])
    n = np.array([len(rows) - len(one) for one in parts], dtype=np.float64)[:, None]
    means: Values = (sums.sum(axis=0) - sums) / n
    covariances: Values = (squares.sum(axis=0) - squares) / n[:, :, None] - means[:, :, None] * means[:, None, :]
    return covariances, means


def _solved(matrices: Values, sides: Values) -> Values:
    """
    x of A x = b for symmetric positive *matrices* (k, d, d) and *sides* (k, d), by conjugate gradients.

    Here and above without BLAS: its threads fight over the cores with those who answer, and take eight times the CPU.
    """
    found, rest = np.zeros_like(sides), sides.copy()
    step, size = rest.copy(), (rest**2).sum(axis=1)
    enough = _CLOSE * size
    for _ in range(_STEPS):
        if (size <= enough).all():
            break
        moved = np.einsum("kij,kj->ki", matrices, step)
        length = size / np.maximum((step * moved).sum(axis=1), _TINY)
        found += length[:, None] * step
        rest -= length[:, None] * moved
        before, size = size, (rest**2).sum(axis=1)
        step = rest + (size / np.maximum(before, _TINY))[:, None] * step
    return found
