"""Two-sided 95 % intervals: closed formulas where the literature has one, else a seeded bootstrap."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Interval = tuple[float, float]

#: The 97.5 % quantile of the normal law.
Z = 1.959963984540054
RESAMPLES = 400
#: Rows that one bootstrap looks at; more are represented by a fixed sample and the width is rescaled.
MAX_BOOTSTRAP_ROWS = 4_000
_SEED = 20_260


def wilson(successes: float, n: int) -> Interval | None:
    """The score interval of a share (E. B. Wilson, JASA 22, 1927)."""
    if n <= 0:
        return None
    share, z2 = successes / n, Z * Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def of_mean(values: Floats) -> Interval | None:
    """The normal interval of a mean, x̄ ± z·s/√n (central limit theorem)."""
    if values.size < 2:
        return None
    half = Z * float(values.std(ddof=1)) / math.sqrt(values.size)
    centre = float(values.mean())
    return centre - half, centre + half


def of_median(values: Floats) -> Interval | None:
    """The order-statistic interval of a median (W. J. Conover, Practical Nonparametric Statistics, 1999, 3.2)."""
    n = values.size
    if n < 6:
        return None
    ordered = np.sort(values)
    half = Z * math.sqrt(n) / 2
    low, high = math.floor(n / 2 - half), math.ceil(n / 2 + half)
    return float(ordered[max(0, low)]), float(ordered[min(n - 1, high)])


def of_auc(auc: float, positives: int, negatives: int) -> Interval | None:
    """The score interval of an area under the ROC curve (R. G. Newcombe, Stat. Med. 25, 2006, method 5)."""
    if not positives or not negatives:
        return None
    extra = (positives + negatives) / 2 - 1

    def too_far(candidate: float) -> bool:
        spread = 1 + extra * (1 - candidate) / (2 - candidate) + extra * candidate / (1 + candidate)
        variance = candidate * (1 - candidate) * spread / (positives * negatives)
        return abs(auc - candidate) > Z * math.sqrt(variance)

    return _boundary(auc, 0.0, too_far), _boundary(auc, 1.0, too_far)


def _boundary(inside: float, outside: float, too_far: Callable[[float], bool]) -> float:
    """Bisect between a value the data allow and the end of the scale."""
    for _ in range(50):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if too_far(middle) else (middle, outside)
    return outside


def percentile(resampled: Floats) -> Interval | None:
    """
    The percentile interval of bootstrapped values (B. Efron, 1981); resamples without a value are left out.

    None where every resample gives the same value: a perfect score on few rows is no certainty.
    """
    finite = resampled[np.isfinite(resampled)]
    if finite.size < 20:
        return None
    low, high = np.quantile(finite, (0.025, 0.975))
    return (float(low), float(high)) if low < high else None


def resample_counts(cells: Floats) -> Floats:
    """
    Bootstrap a table of counts: (RESAMPLES, cells).

    Drawing n rows with replacement and counting them in cells *is* a multinomial draw, whatever n.
    """
    n = int(cells.sum())
    return np.random.default_rng(_SEED).multinomial(n, cells / n, size=RESAMPLES).astype(np.float64)


def bootstrap(n: int, estimate: Callable[[np.ndarray[Any, Any], Floats], Floats]) -> Interval | None:
    """
    The percentile interval of `estimate(rows, weights)`, which gets (resamples × rows) weights at once.

    Above MAX_BOOTSTRAP_ROWS rows a fixed sample of m is bootstrapped and its deviations shrink by √(m/n)
    (the m-out-of-n bootstrap; P. J. Bickel, F. Götze, W. R. van Zwet, Statistica Sinica 7, 1997).
    """
    if n < 2:
        return None
    rng = np.random.default_rng(_SEED)
    m = min(n, MAX_BOOTSTRAP_ROWS)
    rows = np.arange(n) if m == n else np.sort(rng.choice(n, size=m, replace=False))
    weights = rng.multinomial(m, np.full(m, 1 / m), size=RESAMPLES).astype(np.float64)
    found = percentile(estimate(rows, weights))
    if found is None or m == n:
        return found
    everything = np.arange(n)
    whole = float(estimate(everything, np.ones((1, n)))[0])
    here = float(estimate(rows, np.ones((1, m)))[0])
    shrink = math.sqrt(m / n)
    return whole + (found[0] - here) * shrink, whole + (found[1] - here) * shrink
