"""
Distances and tests between two samples that were counted in the same bins.

`reference` is an array (bins,) of counts, `current` one of (…, bins): every function works along the last axis, so many
windows are measured at once. Samples without a row give NaN distances and p = 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

Counts = np.ndarray[Any, Any]
Values = np.ndarray[Any, np.dtype[np.float64]]
#: Added to every bin, so that an empty one does not decide everything (with a floor of 1e-4 it does).
_HALF = 0.5


def shares(counts: Counts) -> Values:
    """Counts as shares of their sum."""
    whole = counts.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Values = counts / whole
    return found


def psi(reference: Counts, current: Counts, *, added: float = _HALF) -> Values:
    """
    The population stability index Σ (q − p) ln(q / p), *added* to every count first.

    It is Jeffreys' divergence of the binned samples (Kullback and Leibler 1951).
    """
    p, q = shares(reference + added), shares(current + added)
    found: Values = ((q - p) * np.log(q / p)).sum(axis=-1)
    return np.where(_empty(reference, current), np.nan, found)


def psi_without_drift(bins: int, n: Counts | int, m: int) -> Values:
    """
    What PSI is on the average where nothing drifted: (B − 1)(1/n + 1/m), for n and m rows.

    From ln(q / p) ≈ (q − p) / p, by which PSI ≈ (1/n + 1/m) χ² with B − 1 degrees of freedom (Yurdakul 2018).
    """
    return np.asarray((bins - 1) * (1.0 / np.maximum(n, 1) + 1.0 / max(m, 1)))


def chi_square(reference: Counts, current: Counts) -> tuple[Values, Values]:
    """
    Pearson's test of homogeneity of two samples: the statistic and p.

    Bins in which neither sample has a row are left out, also of the degrees of freedom.
    """
    n, m = current.sum(axis=-1), reference.sum()
    both = reference + current
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = both * (n / (n + m))[..., None]
        cells = (current - expected) ** 2 / expected * ((n + m) / m)[..., None]
        statistic: Values = np.where(both > 0, cells, 0.0).sum(axis=-1)
    freedom = (both > 0).sum(axis=-1) - 1
    p = np.where(freedom > 0, special.chdtrc(np.maximum(freedom, 1), statistic), 1.0)
    empty = _empty(reference, current)
    return np.where(empty, np.nan, statistic), np.where(empty, 1.0, p)


def rank_test(reference: Counts, current: Counts) -> tuple[Values, Values]:
    """
    Wilcoxon's and Mann and Whitney's test on ordered bins, values of one bin being tied: z and two-sided p.

    The variance is that for ties (Lehmann 1975, section 1.4); the normal law is good from some ten rows on.
    """
    n, m = current.sum(axis=-1).astype(np.float64), float(reference.sum())
    both = (reference + current).astype(np.float64)
    before = np.cumsum(both, axis=-1) - both
    middle = before + (both + 1) / 2
    whole = n + m
    with np.errstate(invalid="ignore", divide="ignore"):
        wanted = n * (whole + 1) / 2
        ties = (both**3 - both).sum(axis=-1) / (whole * (whole - 1))
        variance = n * m / 12 * (whole + 1 - ties)
        z: Values = ((current * middle).sum(axis=-1) - wanted) / np.sqrt(variance)
    z = np.where(_empty(reference, current) | ~np.isfinite(z), 0.0, z)
    return z, 2 * special.ndtr(-np.abs(z))


def kolmogorov_smirnov(reference: Counts, current: Counts) -> tuple[Values, Values]:
    """
    The largest distance of the two cumulative shares, and p by the asymptotic law.

    On B bins of equal share the distance is too small by at most 1/B, and p never too small.
    """
    distance: Values = np.abs(np.cumsum(shares(reference)) - np.cumsum(shares(current), axis=-1)).max(axis=-1)
    n, m = current.sum(axis=-1), reference.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        p = special.kolmogorov(distance * np.sqrt(n * m / (n + m)))
    empty = _empty(reference, current)
    return np.where(empty, np.nan, distance), np.where(empty, 1.0, p)


def jensen_shannon(reference: Counts, current: Counts) -> Values:
    """The Jensen–Shannon distance: the root of the divergence to base 2, from 0 to 1 (Lin 1991)."""
    p, q = shares(reference), shares(current)
    middle = (p + q) / 2
    divergence = (special.rel_entr(p, middle) + special.rel_entr(q, middle)).sum(axis=-1) / 2 / np.log(2)
    found: Values = np.sqrt(np.maximum(divergence, 0.0))
    return found


def total_variation(reference: Counts, current: Counts) -> Values:
    """Half the sum of the absolute differences of the shares."""
    found: Values = np.abs(shares(reference) - shares(current)).sum(axis=-1) / 2
    return found


def wasserstein(edges: Values, reference: Counts, current: Counts) -> Values:
    """
    Wasserstein's distance of order 1, in the units of *edges* (bins + 1), values lying evenly within their bin.

    What lies beyond the outer edges counts as in the outer bins, so that this is a lower bound; `cloche report --exact`
    measures it on raw rows.
    """
    gap = np.cumsum(shares(current), axis=-1) - np.cumsum(shares(reference))
    left = np.concatenate([np.zeros((*gap.shape[:-1], 1)), gap[..., :-1]], axis=-1)
    width = np.diff(edges)
    # |·| of what is linear within a bin: where it changes sign, two triangles.
    low, high = np.abs(left), np.abs(gap)
    crossing = left * gap < 0
    with np.errstate(invalid="ignore", divide="ignore"):
        triangles = (low**2 + high**2) / (2 * (low + high))
    found: Values = (np.where(crossing, triangles, (low + high) / 2) * width).sum(axis=-1)
    return found


def _empty(reference: Counts, current: Counts) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.asarray((current.sum(axis=-1) == 0) | (reference.sum() == 0))
