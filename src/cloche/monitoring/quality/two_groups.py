"""Whether two groups of rows differ in how often they are right, or by how much they are wrong: p, two-sided."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from scipy import special

Whole = np.ndarray[Any, np.dtype[np.int64]]
Values = np.ndarray[Any, np.dtype[np.float64]]
#: In each cell, if there is no difference: with fewer the normal law is not good enough, and p is counted out.
_EXPECTED: Final = 10.0


def shares_differ(right: float, n: float, right_other: float, n_other: float) -> float:
    """
    Whether *right* of *n* is another share than *right_other* of *n_other*.

    With ten rows expected in each cell the score test, else Fisher's exact one, the smaller tail doubled. A test on the
    spread of each group for itself is no use here: 20 of 20 right have none, and would differ from any share below 1.
    """
    whole, both = n + n_other, right + right_other
    if n <= 0 or n_other <= 0 or both in (0, whole):
        return 1.0
    share = both / whole
    if min(n, n_other) * min(share, 1 - share) >= _EXPECTED:
        error = math.sqrt(share * (1 - share) * (1 / n + 1 / n_other))
        return _two_sided(abs(right / n - right_other / n_other) / error)
    return _fisher(round(right), round(n), round(both), round(whole))


def means_differ(
    n: float, mean: float, variance: float, n_other: float, mean_other: float, variance_other: float
) -> float:
    """
    Whether two means differ, by the larger of the two errors: of the spread of each group for itself (Welch) and of
    both together; Student's law with the rows of the smaller group.

    Few rows may lie close together by chance; then the spread of all counts.
    """
    whole = n + n_other
    if min(n, n_other) < 2:
        return 1.0
    centre = (n * mean + n_other * mean_other) / whole
    of_all = (n * (variance + (mean - centre) ** 2) + n_other * (variance_other + (mean_other - centre) ** 2)) / whole
    error = math.sqrt(max(variance / n + variance_other / n_other, of_all * (1 / n + 1 / n_other)))
    if error == 0:
        return 1.0
    return float(2 * special.stdtr(min(n, n_other) - 1, -abs(mean - mean_other) / error))


def _two_sided(z: float) -> float:
    return math.erfc(z / math.sqrt(2))


def _fisher(hits: int, n: int, hits_all: int, whole: int) -> float:
    """The chance of so few, or so many, of *hits_all* hits among *whole* to be among *n*, doubled."""
    low, high = max(0, n - (whole - hits_all)), min(n, hits_all)
    places = np.arange(low, high + 1)
    chance = np.exp(
        _log_choose(hits_all, places) + _log_choose(whole - hits_all, n - places) - _log_choose(whole, np.array(n))
    )
    return float(min(1.0, 2 * min(chance[places <= hits].sum(), chance[places >= hits].sum())))


def _log_choose(n: int, k: Whole) -> Values:
    found: Values = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return found
