"""
No drift, no alarm: model-months without any change, from windows of 50 rows to a million, small and large references.

The nominal rate is one alert a model and month at the default settings. Each stream has its own reference, drawn from
the same law as its rows: what chance did to a small reference is part of the game.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cloche.monitoring.drift import DriftSettings, decide
from cloche.monitoring.drift.deciding import DRIFT, compared

SETTINGS = DriftSettings()
STREAMS = 2_000
NOMINAL = 1.0
BINS = 20


def field(rng: np.random.Generator, kind: int, m: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Reference counts, true shares and the number of bins in order, for one field of a stream."""
    if kind == 0:  # levels, some of them rare, and one that the reference may never have seen
        shares = np.append(rng.dirichlet(np.full(8, 0.7)) * 0.999, [0.0005, 0.0005])
        return rng.multinomial(m, shares), shares / shares.sum(), 0
    gone = 0.03 if kind == 1 else 0.0  # of values that are missing
    missing = rng.binomial(m, gone)
    counts = np.full(BINS, (m - missing) // BINS)
    inside = rng.dirichlet(np.append(counts, 1.0))  # what quantile bins of m rows hold, and what lies beyond their ends
    beyond = inside[-1] / 2
    shares = np.array([*inside[:-1] * (1 - gone), gone, beyond * (1 - gone), beyond * (1 - gone)])
    return np.array([*counts, missing, 0, 0]), shares / shares.sum(), BINS


def alerts(rng: np.random.Generator, n: int, windows: int, m: int, fields: int) -> int:
    """How often drift begins anywhere in one month of a stream."""
    judged = []
    for place in range(fields):
        before, shares, ordered = field(rng, place % 3, m)
        judged.append(compared(before, rng.multinomial(n, shares, size=windows), ordered=ordered, n=n))
    effect, p = np.array([one[0] for one in judged]), np.array([one[1] for one in judged])
    firing = (decide(effect, p, np.full(windows, n), SETTINGS, SETTINGS.effect) == DRIFT).any(axis=0)
    return int((np.diff(firing.astype(int), prepend=0) == 1).sum())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("n", "windows", "m"),
    [
        pytest.param(50, 30, 200, id="50-rows-a-day-small-reference"),
        pytest.param(200, 30, 5_000, id="200-rows-a-day"),
        pytest.param(500, 720, 200, id="500-rows-an-hour-small-reference"),
        pytest.param(500, 720, 5_000, id="500-rows-an-hour"),
        pytest.param(2_000, 720, 200, id="2000-rows-an-hour-small-reference"),
        pytest.param(1_000_000, 720, 5_000, id="a-million-rows-an-hour"),
    ],
)
def test_the_upper_bound_of_the_false_alarm_rate_is_below_the_nominal(n: int, windows: int, m: int) -> None:
    rng = np.random.default_rng(n + m)
    found = sum(alerts(rng, n, windows, m, fields=6) for _ in range(STREAMS))
    upper = stats.chi2.ppf(0.99, 2 * (found + 1)) / 2 / STREAMS  # of a Poisson rate (Garwood 1936)
    assert upper <= 1.2 * NOMINAL
