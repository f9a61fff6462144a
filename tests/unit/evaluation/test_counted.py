"""Metrics from counts and sums are those of the rows that were counted; values as published."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloche.evaluation import counted, intervals
from cloche.evaluation.chances import Chances
from cloche.evaluation.labels import Labels
from cloche.evaluation.regression import regression_estimates

NAMES = ("a", "b", "c")


def confusion(actual: Any, answered: Any, k: int = 3) -> counted.Confusion:
    counts = np.bincount(np.asarray(actual) * k + np.asarray(answered), minlength=k * k).reshape(k, k)
    return counted.Confusion(NAMES[:k], counts.astype(np.float64))


def same(one: counted.Counted, value: float, interval: tuple[float, float] | None) -> bool:
    assert one.value == pytest.approx(value, abs=1e-12)
    assert (one.interval is None) == (interval is None)
    return interval is None or one.interval == pytest.approx(interval, rel=1e-7, abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_a_confusion_gives_what_its_rows_give(pairs: list[tuple[int, int]]) -> None:
    actual, answered = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True))
    rows = {one.name: one for one in Labels(actual, answered, NAMES, np.arange(actual.size)).estimates()}
    for one in confusion(actual, answered).estimates(by_class=True):
        assert same(one, rows[one.name].value, rows[one.name].interval), one.name
        assert (one.need is None) == (rows[one.name].need is None), one.name


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_moments_give_what_their_rows_give(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.normal(1_000, 30, 50)
    answer = truth + rng.normal(3, 10, 50)
    rows = {one.name: one for one in regression_estimates(truth, answer)}
    halves = [counted.Moments.sums(truth[at], answer[at], 990.0) for at in (slice(0, 20), slice(20, 50))]
    merged = {name: halves[0][name] + halves[1][name] for name in halves[0]}
    for one in counted.Moments(merged).estimates():
        assert same(one, rows[one.name].value, rows[one.name].interval), one.name


def test_an_area_is_delongs() -> None:
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, 80)
    score = np.round(rng.random(80) * 0.5 + truth * 0.3, 1)
    rows = Chances(truth, np.stack([1 - score, score], axis=1), np.arange(80))
    wanted = next(one for one in rows.estimates() if one.name == "roc_auc")
    places = np.round(score * 10).astype(int)
    sides = [np.bincount(places[truth == side], minlength=11).astype(float) for side in (1, 0)]
    found = counted.area("roc_auc", [(sides[0], sides[1])])
    assert found is not None
    assert same(found, wanted.value, wanted.interval)


def test_the_calibration_error_is_that_of_the_rows() -> None:
    rng = np.random.default_rng(5)
    shares = rng.dirichlet(np.ones(3), 150)
    truth = rng.integers(0, 3, 150)
    wanted = next(one for one in Chances(truth, shares, np.arange(150)).estimates() if one.name == "calibration_error")
    bins: dict[int, list[float]] = defaultdict(lambda: [0.0] * 5)
    for row, answered, confidence in zip(truth, shares.argmax(axis=1), shares.max(axis=1), strict=True):
        right = float(row == answered)
        held = bins[min(int(confidence * 10), 9)]
        for place, value in enumerate((1.0, confidence, confidence**2, right, right * confidence)):
            held[place] += value
    found = counted.calibration_error(bins)
    assert found is not None
    assert same(found, wanted.value, wanted.interval)


def test_values_are_the_published_ones() -> None:
    """scikit-learn's: see shared research; t=3,−.5,2,7 and q=2.5,0,2,8 stand in its documentation."""
    truth, answer = np.array([3, -0.5, 2, 7]), np.array([2.5, 0.0, 2, 8])
    found = {one.name: one.value for one in counted.Moments(counted.Moments.sums(truth, answer, 0.0)).estimates()}
    assert found["mae"] == pytest.approx(0.5)
    assert found["rmse"] == pytest.approx(0.6123724)
    assert found["r2"] == pytest.approx(0.9486081)
    three = confusion([0, 0, 0, 1, 1, 1, 2, 2, 2, 0], [0, 0, 1, 1, 1, 2, 2, 2, 0, 0])
    told = {one.name: one.value for one in three.estimates(by_class=True)}
    assert (told["recall[a]"], told["recall[b]"]) == (pytest.approx(0.75), pytest.approx(2 / 3))
    assert told["f1_macro"] == pytest.approx(0.6944444)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        pytest.param((56, 70), (48, 80), 0.0524, 0.3339, id="newcombe-1998-table-2-a"),
        pytest.param((9, 10), (3, 10), 0.1705, 0.8090, id="newcombe-1998-table-2-b"),
        pytest.param((6, 7), (2, 7), 0.0582, 0.8062, id="newcombe-1998-table-2-c"),
        pytest.param((5, 56), (0, 29), -0.0381, 0.1926, id="newcombe-1998-table-2-d"),
    ],
)
def test_the_difference_of_two_shares_is_newcombes(
    one: tuple[float, float], other: tuple[float, float], low: float, high: float
) -> None:
    found = intervals.of_two_shares(one, other)
    assert found == pytest.approx((low, high), abs=6e-5)


def test_nothing_is_nothing() -> None:
    assert list(counted.Confusion(NAMES, np.zeros((3, 3))).estimates()) == []
    assert counted.mean("log_loss", 0, 0, 0) is None
    assert counted.area("roc_auc", [(np.array([0.0, 0.0]), np.array([1.0, 2.0]))]) is None
    assert counted.calibration_error({}) is None
    assert list(counted.Moments({}).estimates()) == []
