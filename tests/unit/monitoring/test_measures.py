"""Distances and tests against published and derived values, and what outliers and empty bins do to them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from cloche.monitoring.drift import measures
from cloche.monitoring.drift.deciding import adjust

RNG = np.random.default_rng(7)
DECILES = stats.norm.ppf(np.linspace(0, 1, 11))


def shifted(by: float, n: int = 10_000_000) -> np.ndarray:
    """Expected counts of N(by, 1) in the deciles of N(0, 1)."""
    return np.diff(stats.norm.cdf(DECILES - by)) * n


@pytest.mark.parametrize(
    ("by", "wanted"),
    [
        pytest.param(0.1, 0.0095873, id="0.1-sd"),
        pytest.param(0.25, 0.0598156, id="0.25-sd"),
        pytest.param(0.5, 0.2377492, id="0.5-sd"),
        pytest.param(1.0, 0.9261424, id="1-sd"),
    ],
)
def test_psi_of_a_shifted_normal_is_the_published_one(by: float, wanted: float) -> None:
    assert measures.psi(shifted(0.0), shifted(by)) == pytest.approx(wanted, abs=2e-6)


def test_psi_of_levels_is_the_published_one() -> None:
    ref, cur = np.array([40, 30, 20, 10]), np.array([25, 25, 25, 25])
    assert measures.psi(ref, cur, added=0.0) == pytest.approx(0.2282174096)


def test_psi_with_an_empty_bin_is_finite_and_the_laplace_value() -> None:
    assert measures.psi(np.array([50, 30, 20, 0]), np.array([40, 30, 20, 10])) == pytest.approx(0.32012, abs=5e-5)


@pytest.mark.parametrize("by", [0.1, 0.25, 0.5, 1.0])
def test_kolmogorov_smirnov_from_bins_is_at_most_one_bin_short(by: float) -> None:
    exact = 2 * stats.norm.cdf(by / 2) - 1
    distance, _ = measures.kolmogorov_smirnov(shifted(0.0), shifted(by))
    assert exact - 0.1 <= distance <= exact + 1e-6


def test_chi_square_is_scipys() -> None:
    before, now = np.array([120, 80, 40, 9]), np.array([[30, 30, 20, 4], [60, 40, 20, 5]])
    statistic, p = measures.chi_square(before, now)
    for row in range(2):
        wanted = stats.chi2_contingency(np.array([before, now[row]]), correction=False)
        assert (statistic[row], p[row]) == pytest.approx((wanted.statistic, wanted.pvalue))


def test_the_rank_test_is_scipys_mann_whitney_with_ties() -> None:
    before, now = np.array([50, 30, 20, 40]), np.array([10, 20, 25, 12])
    one, other = np.repeat(range(4), before), np.repeat(range(4), now)
    wanted = stats.mannwhitneyu(other, one, use_continuity=False, method="asymptotic")
    z, p = measures.rank_test(before, now)
    assert p == pytest.approx(wanted.pvalue)
    assert z > 0


def test_wasserstein_of_a_shifted_uniform_is_the_shift() -> None:
    edges = np.linspace(0, 1, 11)
    before = np.full(10, 100)
    assert measures.wasserstein(edges, before, before) == 0
    now = np.array([0, *[100] * 8, 200])
    wanted = stats.wasserstein_distance(np.repeat(edges[:-1] + 0.05, before), np.repeat(edges[:-1] + 0.05, now))
    assert measures.wasserstein(edges, before, now) == pytest.approx(wanted, abs=0.011)


def test_jensen_shannon_goes_from_0_to_1() -> None:
    one, other = np.array([10, 0]), np.array([0, 10])
    assert measures.jensen_shannon(one, one) == 0
    assert measures.jensen_shannon(one, other) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["psi", "chi_square", "rank_test", "kolmogorov_smirnov"])
def test_an_empty_window_is_no_drift(name: str) -> None:
    found = getattr(measures, name)(np.array([5, 5]), np.array([0, 0]))
    if isinstance(found, tuple):
        assert found[1] == 1
    else:
        assert math.isnan(found)


def test_one_wild_value_moves_psi_by_one_count() -> None:
    values = RNG.normal(0.5, 1, 1000)
    edges = np.quantile(RNG.normal(0, 1, 10_000), np.linspace(0, 1, 11))
    counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
    values[0] = 1000
    wild = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
    before = np.full(10, 1000)
    assert abs(float(measures.psi(before, wild) - measures.psi(before, counts))) < 0.02


def test_psi_without_drift_is_its_mean() -> None:
    ref, n = np.full(10, 1000), 500
    found = measures.psi(ref, RNG.multinomial(n, np.full(10, 0.1), size=20_000))
    assert found.mean() == pytest.approx(float(measures.psi_without_drift(10, n, 10**9)), rel=0.03)


def test_p_is_adjusted_as_scipy_does() -> None:
    p = RNG.random((12, 5)) ** 3
    p[3] = p[4]  # a tie
    assert adjust(p) == pytest.approx(stats.false_discovery_control(p, axis=0))
