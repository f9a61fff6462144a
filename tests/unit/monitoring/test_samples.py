"""Samples: however rows are cut and merged, the same uniform rows are left, each once, and never more than fit."""

from __future__ import annotations

import hashlib
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.ids import RequestIds
from cloche.monitoring.rollups.sampling import Pace
from cloche.monitoring.samples import CAPACITY, EVERY, Sample, from_bytes, keys_of, merged, to_bytes


def sample(keys: list[int], below: int = EVERY) -> Sample:
    """Of the rows with *keys*; a row's features say which it is."""
    kept = np.array(sorted(key for key in keys if key < below), dtype=np.uint64)
    return Sample.made(below, kept, rows_of(kept))


def rows_of(keys: np.ndarray) -> np.ndarray:
    return keys.astype("<u8").view(np.uint8).reshape(-1, 8)


keys = st.lists(st.integers(0, EVERY - 1), unique=True, max_size=40)
#: So many rows that what does not fit is left out: keys in some order.
crowds = st.tuples(st.integers(0, 2**32), st.integers(0, 3 * CAPACITY)).map(
    lambda given: list(dict.fromkeys(np.random.default_rng(given[0]).integers(0, EVERY, given[1], np.uint64).tolist()))
)
limits = st.one_of(st.just(EVERY), st.integers(1, EVERY))


@given(st.lists(st.tuples(st.one_of(keys, crowds), limits), min_size=3, max_size=3))
def test_the_order_of_merging_does_not_matter(given_: list[tuple[list[int], int]]) -> None:
    seen: set[int] = set()
    parts = []
    for those, below in given_:
        parts.append(sample([key for key in those if key not in seen], below))
        seen |= set(those)
    one, other, third = parts
    assert one.plus(other) == other.plus(one)
    assert one.plus(other).plus(third) == one.plus(other.plus(third))
    assert merged([{"a": one}, {"a": other}, {"b": third}]) == {"a": one.plus(other), "b": third}


@given(crowds, st.lists(limits, min_size=1, max_size=6))
def test_what_is_left_are_all_rows_below_one_limit_and_no_more_than_fit(those: list[int], below: list[int]) -> None:
    parts = [sample(those[place :: len(below)], limit) for place, limit in enumerate(below)]
    whole = reduce(Sample.plus, parts)
    assert len(whole) <= CAPACITY
    assert whole.below <= min(below)
    expected = np.array(sorted(key for key in those if key < whole.below), dtype=np.uint64)
    assert whole.features().tolist() == rows_of(expected).tolist()
    if len(expected) < CAPACITY:
        assert whole.below == min([*below, *(part.below for part in parts)])


@given(keys, limits)
def test_a_sample_survives_its_bytes(those: list[int], below: int) -> None:
    given_ = {"text": sample(those, below)}
    assert from_bytes(to_bytes(given_)) == given_
    assert to_bytes({}) is None
    assert from_bytes(None) == {}


def test_other_features_do_not_add_up() -> None:
    with pytest.raises(ValueError, match="samples of 8 and of 3 features do not add up"):
        sample([1]).plus(Sample(EVERY, 3))


def ids(n: int) -> np.ndarray:
    """As a busy worker makes them."""
    source = RequestIds(clock_ms=lambda: 1_790_000_000_000, random=7)
    held = np.zeros((n, 32), dtype=np.uint8)
    for row in held:
        row[:26] = np.frombuffer(source.new().encode(), dtype=np.uint8)
    return held


def test_keys_are_the_same_for_ever_and_look_drawn() -> None:
    found = keys_of(ids(20_000), np.zeros(20_000, dtype=np.int64))
    assert hashlib.sha256(found.tobytes()).hexdigest()[:16] == "b0fe98841fe81ade"
    shares = found / EVERY
    assert shares.max() < 1
    assert np.abs(np.histogram(shares, 20, (0, 1))[0] - 1_000).max() < 150
    assert abs(np.corrcoef(shares[1:], shares[:-1])[0, 1]) < 0.03
    again = keys_of(np.repeat(ids(1), 20_000, axis=0), np.arange(20_000))
    assert len(np.unique(again)) == 20_000
    assert np.abs(np.histogram(again / EVERY, 20, (0, 1))[0] - 1_000).max() < 150


def folds_of(*rows: int, minute: int = 0) -> list[tuple[int, int]]:
    """Folds of so many rows, a minute each."""
    return [(minute + place, n) for place, n in enumerate(rows)]


BUSY = [(place // 12, 5_000) for place in range(720)]


@pytest.mark.parametrize(
    ("folds", "window", "kept", "stored"),
    [
        pytest.param(folds_of(3, 0, 5), (0, 60), 8, 8, id="few-rows-are-all-kept"),
        pytest.param(folds_of(100_000), (0, 60), CAPACITY, CAPACITY, id="all-at-once"),
        pytest.param(folds_of(10, 10, 900, *[10] * 50), (0, 60), CAPACITY, 1_500, id="a-batch-among-single-rows"),
        pytest.param(BUSY, (0, 60), CAPACITY, 9_000, id="an-hour-of-5000-rows-each-5-seconds"),
        pytest.param([*BUSY[:360], *folds_of(*[20] * 60, minute=30)], (30, 90), 200, 9_000, id="quiet-after-a-rush"),
        pytest.param([*folds_of(*[20] * 60), *((60 + m, n) for m, n in BUSY)], (0, 60), 240, 9_000, id="before-a-rush"),
    ],
)
def test_a_window_has_enough_and_an_hour_keeps_little(
    folds: list[tuple[int, int]], window: tuple[int, int], kept: int, stored: int
) -> None:
    rng, pace, whole, held = np.random.default_rng(5), Pace(), Sample(EVERY, 1), 0
    for minute, n in folds:
        (limit,) = pace.limits("m", 1, {minute * 60: n}).values()
        # of rows with uniform keys, those below the limit
        drawn = rng.integers(0, limit, rng.binomial(n, limit / EVERY), dtype=np.uint64)
        one = Sample.made(limit, drawn, np.zeros((len(drawn), 1), dtype=np.uint8))
        held += len(one)
        if window[0] <= minute < window[1]:
            whole = whole.plus(one)
    assert len(whole) >= 0.8 * kept
    assert held <= 1.3 * stored


def test_the_rows_of_a_fold_that_brings_hours_at_once_count_hour_by_hour() -> None:
    found = Pace().limits("m", 1, {minute * 60: 1_000 for minute in range(600)})
    per_minute = [limit / EVERY * 1_000 for limit in found.values()]
    assert per_minute[0] == CAPACITY
    assert per_minute[-1] == pytest.approx(20)
