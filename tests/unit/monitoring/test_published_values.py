"""
Each measure against values that others publish, or that follow from a law: `../shared/research/monitoring.md` 2.1–2.12
lists them with their sources. Scores and losses are in `test_quality_metrics.py`, `test_estimates.py` and
`tests/unit/evaluation/`.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cloche.evaluation.intervals import wilson
from cloche.monitoring.drift import measures
from cloche.monitoring.drift.deciding import adjust
from cloche.monitoring.quality.concept import Detector
from cloche.monitoring.quality.two_groups import means_differ, shares_differ
from cloche.monitoring.tallies import bucket_of, quantile_ms

LEVELS = (np.array([40, 30, 20, 10]), np.array([25, 25, 25, 25]))
EMPTY = (np.array([50, 30, 20, 0]), np.array([40, 30, 20, 10]))
#: x = 1 … 10 and y = 3 … 12, a bin for each.
STEPS = (np.array([1] * 10 + [0] * 2), np.array([0] * 2 + [1] * 10))
EDGES = np.arange(0.5, 13.0)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        pytest.param(measures.psi(*LEVELS, added=0.0), 0.2282174096, id="psi: Evidently"),
        pytest.param(measures.psi(*EMPTY, added=0.5), 0.32012, id="psi of an empty bin: half a row added"),
        pytest.param(measures.psi(*EMPTY, added=1.0), 0.25155, id="psi of an empty bin: a row added"),
        pytest.param(measures.chi_square(*LEVELS)[0], 10.9002, id="chi-square: scipy's contingency table"),
        pytest.param(measures.chi_square(*LEVELS)[1], 0.012278, id="chi-square, p"),
        pytest.param(measures.jensen_shannon(*LEVELS), 0.2005033, id="Jensen-Shannon, base 2: NannyML"),
        pytest.param(measures.jensen_shannon(*LEVELS) * np.sqrt(np.log(2)), 0.16693, id="the same, ln: Evidently"),
        pytest.param(measures.jensen_shannon(*LEVELS) ** 2, 0.0402016, id="Jensen-Shannon, the divergence"),
        pytest.param(measures.jensen_shannon(*EMPTY), 0.2324129, id="Jensen-Shannon of an empty bin"),
        pytest.param(measures.total_variation(*LEVELS), 0.2, id="total variation"),
        pytest.param(measures.kolmogorov_smirnov(*STEPS)[0], 0.2, id="Kolmogorov-Smirnov"),
        pytest.param(measures.wasserstein(EDGES, *STEPS), 2.0, id="Wasserstein"),
        pytest.param(measures.wasserstein(EDGES, *STEPS) / 2.8722813, 0.6963106, id="Wasserstein, normed: Evidently"),
        pytest.param(means_differ(200, 1.0, 1.0, 200, 1.0, 1.0), 1.0, id="equal means"),
        pytest.param(
            shares_differ(25, 500, 200, 10_000), 6.16e-6, id="missing share: z = 4.52084 of two shares"
        ),
    ],
)  # fmt: skip
def test_a_measure_is_what_others_publish(found: object, wanted: float) -> None:
    assert found == pytest.approx(wanted, rel=2e-4)


@pytest.mark.parametrize(("by", "wanted"), [(0.1, 0.0398776), (0.25, 0.0994764), (0.5, 0.1974127), (1.0, 0.3829249)])
def test_kolmogorov_smirnov_of_a_shifted_normal(by: float, wanted: float) -> None:
    """D = 2 Φ(δ/2) − 1; on many bins, and hardly less on twenty."""
    for bins, short in ((2_000, 1e-5), (20, 0.003)):
        edges = stats.norm.ppf(np.linspace(0, 1, bins + 1))
        now = np.diff(stats.norm.cdf(edges - by)) * 1e6
        distance, _ = measures.kolmogorov_smirnov(np.full(bins, 100), now)
        assert wanted - short <= distance <= wanted + 1e-6


def test_kolmogorov_smirnov_on_ten_bins_of_a_shift_of_a_quarter() -> None:
    edges = stats.norm.ppf(np.linspace(0, 1, 11))
    now = np.diff(stats.norm.cdf(edges - 0.25)) * 1e6
    assert measures.kolmogorov_smirnov(np.full(10, 100), now)[0] == pytest.approx(0.0987, abs=5e-5)


def test_one_outlier_raises_psi_a_little_and_never_lowers_it() -> None:
    """1,000 normal quantiles, and the same half a standard deviation further; then with one value of 1,000."""
    before = stats.norm.ppf((np.arange(1_000) + 0.5) / 1_000)
    edges = np.quantile(before, np.linspace(0, 1, 11))

    def counted(values: np.ndarray) -> np.ndarray:
        return np.bincount(np.clip(np.searchsorted(edges, values, side="right") - 1, 0, 9), minlength=10)

    now = before + 0.5
    assert measures.psi(counted(before), counted(now), added=0.0) == pytest.approx(0.23752, abs=1e-5)
    now[0] = 1_000.0
    assert measures.psi(counted(before), counted(now), added=0.0) == pytest.approx(0.24142, abs=1e-4)


def test_p_is_adjusted_as_benjamini_and_hochberg_say() -> None:
    p = np.array([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216])
    wanted = [0.01, 0.04, 0.084, 0.084, 0.084, 0.1, 0.1057, 0.216, 0.216, 0.216]
    assert adjust(p[:, None])[:, 0] == pytest.approx(wanted, abs=5e-5)


@pytest.mark.parametrize(
    ("hits", "n", "wanted"),
    [(8, 10, (0.4902, 0.9433)), (80, 100, (0.7112, 0.8666)), (800, 1_000, (0.7741, 0.8236))],
)
def test_wilsons_interval(hits: int, n: int, wanted: tuple[float, float]) -> None:
    assert wilson(hits, n) == pytest.approx(wanted, abs=5e-5)


def test_the_loss_that_steps_from_0_to_1_is_seen_when_river_sees_it() -> None:
    """HDDM_A of river 0.26.1: at 1,003."""
    detector = Detector()
    losses = [0.0] * 1_000 + [1.0] * 100
    assert [at for at, loss in enumerate(losses) if detector.take(loss, float(at), confidence=0.001)][:1] == [1_003]


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.99, 0.999])
def test_quantiles_of_lognormal_latencies_are_right_to_one_percent(share: float) -> None:
    values = np.random.default_rng(0).lognormal(2.0, 1.0, 50_000)
    buckets, counts = np.unique([bucket_of(value) for value in values], return_counts=True)
    found = quantile_ms(dict(zip(buckets.tolist(), counts.tolist(), strict=True)), share)
    assert found == pytest.approx(np.quantile(values, share, method="inverted_cdf"), rel=0.0101)
