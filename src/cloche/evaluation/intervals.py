"""
Two-sided 95 % intervals: closed formulas where the literature has one, else a seeded simulation.

Shares of counts have formulas of their own. All else is the delta method: `influence` holds what each row moves the
estimate by (the influence function, mean 0), so that its standard error is that of a mean, and that of the difference
of two estimates on the same rows is that of the mean of their difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Interval = tuple[float, float]

#: The 97.5 % quantile of the normal law.
Z = 1.959963984540054
RESAMPLES = 1_000
#: Rows that one bootstrap looks at; more are represented by a fixed sample and the width is rescaled.
MAX_BOOTSTRAP_ROWS = 2_000
_SEED = 20_260
#: Student's t with 1 to 4 degrees of freedom; from 5 on the expansion below is right to four digits.
_T = (12.7062, 4.3027, 3.1824, 2.7764)


def student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t (M. Abramowitz, I. Stegun, Handbook, 1964, 26.7.5)."""
    if freedom < 1:
        return math.inf
    if freedom <= len(_T):
        return _T[freedom - 1]
    terms = (
        (Z**3 + Z) / 4,
        (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96,
        (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384,
        (79 * Z**9 + 776 * Z**7 + 1482 * Z**5 - 1920 * Z**3 - 945 * Z) / 92_160,
    )
    return Z + math.fsum(term / freedom**power for power, term in enumerate(terms, start=1))


# -- shares ---------------------------------------------------------------------------------------


def wilson(successes: float, n: float, z: float = Z) -> Interval | None:
    """The score interval of a share (E. B. Wilson, JASA 22, 1927)."""
    if n <= 0:
        return None
    share, z2 = successes / n, z * z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(max(0.0, share * (1 - share)) / n + z2 / (4 * n * n))
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def of_two_shares(one: tuple[float, float], other: tuple[float, float], z: float = Z) -> Interval | None:
    """
    Of the difference of two shares, each given as (hits, n), on different rows.

    The hybrid score interval (R. G. Newcombe, Stat. Med. 17, 1998, method 10).
    """
    first, second = wilson(*one, z), wilson(*other, z)
    if first is None or second is None:
        return None
    p, q = one[0] / one[1], other[0] / other[1]
    return (
        p - q - math.hypot(p - first[0], second[1] - q),
        p - q + math.hypot(first[1] - p, q - second[0]),
    )


def of_strata(hits: Floats, sizes: Floats, weights: Floats) -> Interval | None:
    """
    Of Σ w · share over strata: Wilson's intervals of the shares, put together.

    MOVER (G. Y. Zou, A. Donner, Stat. Med. 27, 2008): the distances to the ends add up as variances do.
    """
    used = weights > 0
    if not used.any() or (sizes[used] <= 0).any():
        return None
    hits, sizes, weights = hits[used], np.rint(sizes[used]), weights[used]
    shares = hits / sizes
    ends = np.array([wilson(float(hit), int(size)) for hit, size in zip(hits, sizes, strict=True)])
    value = float(weights @ shares)
    below = float(weights**2 @ (shares - ends[:, 0]) ** 2)
    above = float(weights**2 @ (ends[:, 1] - shares) ** 2)
    return max(0.0, value - math.sqrt(below)), min(1.0, value + math.sqrt(above))


def of_paired_strata(gained: Floats, lost: Floats, sizes: Floats, weights: Floats) -> Interval | None:
    """
    Of Σ w · (gained − lost) / size over strata: the rows that one of two is right on and the other is not.

    The adjusted Wald interval (D. G. Bonett, R. M. Price, J. Educ. Behav. Stat. 37, 2012): one row is added to each of
    the two counts; over strata the variances add up.
    """
    used = weights > 0
    if not used.any() or (sizes[used] <= 0).any():
        return None
    more, less = (gained[used] + 1) / (sizes[used] + 2), (lost[used] + 1) / (sizes[used] + 2)
    variances = (more + less - (more - less) ** 2) / (sizes[used] + 2)
    value = float(weights[used] @ (more - less))
    half = Z * math.sqrt(float(weights[used] ** 2 @ variances))
    return max(-1.0, value - half), min(1.0, value + half)


# -- the delta method -----------------------------------------------------------------------------


def standard_error(influence: Floats) -> float:
    """Of an estimate whose influence function has these values: √(Σ IF² / (n (n − 1)))."""
    n = influence.size
    return math.sqrt(float(influence @ influence) / (n * (n - 1))) if n > 1 else math.inf


def plain(value: float, influence: Floats) -> Interval | None:
    """value ± t · se."""
    half = _half(influence)
    return None if half is None else (value - half, value + half)


def half_width(squares: float, n: float, freedom: int | None = None) -> float | None:
    """t · se of an estimate whose influence function has *squares* as the sum of its squares over n rows."""
    error = math.sqrt(max(0.0, squares) / (n * (n - 1))) if n > 1 else math.inf
    return student(freedom or max(1, int(n) - 1)) * error if 0 < error < math.inf else None


def of_share(value: float, influence: Floats, freedom: int | None = None) -> Interval | None:
    """On the logit scale, so that it stays within 0 and 1; none for a value at one of these ends."""
    return on_logit(value, _half(influence, freedom))


def on_logit(value: float, half: float | None) -> Interval | None:
    """The interval of a share whose half width is *half*, made on the logit scale."""
    if half is None or not 0 < value < 1:
        return None
    centre, width = math.log(value / (1 - value)), half / (value * (1 - value))
    return _logistic(centre - width), _logistic(centre + width)


def of_size(value: float, influence: Floats) -> Interval | None:
    """On the log scale, so that it stays above 0; none for 0."""
    return on_log(value, _half(influence))


def on_log(value: float, half: float | None) -> Interval | None:
    """The interval of a size whose half width is *half*, made on the log scale."""
    if half is None or value <= 0:
        return None
    return value * math.exp(-half / value), value * math.exp(min(700.0, half / value))


def of_r2(value: float, influence: Floats) -> Interval | None:
    """On the scale of log(1 − R²), so that it stays below 1."""
    found = of_size(1 - value, -influence)
    return None if found is None else (1 - found[1], 1 - found[0])


def _half(influence: Floats, freedom: int | None = None) -> float | None:
    return half_width(float(influence @ influence), influence.size, freedom)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


# -- special ones ---------------------------------------------------------------------------------


def of_mean(values: Floats) -> Interval | None:
    """Student's interval of a mean, x̄ ± t·s/√n."""
    return plain(float(values.mean()), values - values.mean()) if values.size > 1 else None


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


def of_absolute_sum(parts: Floats, covariance: Floats) -> Interval:
    """
    Of Σ|d| where *parts* are the estimated d with that covariance: ± the 95 % quantile of Σ|d* − d|.

    The triangle inequality makes it cover at least 95 %, also where every d is 0 and the sum of what was
    estimated can only be too large. The law of d* is normal; its quantile comes from draws with a fixed seed.
    """
    rng = np.random.default_rng(_SEED)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    noise = np.abs(rng.standard_normal((4_000, parts.size)) @ root.T).sum(axis=1)
    value, half = float(np.abs(parts).sum()), float(np.quantile(noise, 0.95))
    return max(0.0, value - half), min(1.0, value + half)


# -- bootstrap ------------------------------------------------------------------------------------


def bootstrap(n: int, estimate: Callable[[np.ndarray[Any, Any]], float]) -> Interval | None:
    """
    The percentile interval (B. Efron, 1981) of `estimate(rows)` over rows drawn with replacement, with a fixed seed.

    Above MAX_BOOTSTRAP_ROWS rows, m of n are drawn each time and the deviations shrink by √(m/n)
    (the m-out-of-n bootstrap; P. J. Bickel, F. Götze, W. R. van Zwet, Statistica Sinica 7, 1997).
    None where every resample gives the same value: what never varies here is no certainty.
    """
    if n < 2:
        return None
    rng = np.random.default_rng(_SEED)
    m = min(n, MAX_BOOTSTRAP_ROWS)
    drawn = np.array([estimate(rng.integers(0, n, m)) for _ in range(RESAMPLES)])
    whole = estimate(np.arange(n))
    low, high = np.quantile(drawn - whole, (0.025, 0.975)) * math.sqrt(m / n)
    return (whole + float(low), whole + float(high)) if low < high else None
