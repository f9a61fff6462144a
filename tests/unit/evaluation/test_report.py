"""What is told and what is not, segments, and two versions on the same rows."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from bench import coverage
from hypothesis import given, settings
from hypothesis import strategies as st

from cloche.contract.model import Output
from cloche.evaluation import Answers, cut, measured
from cloche.records import Outputs, Table
from cloche.tables.values import from_objects

YES_NO = Output(task="classification", type="string", classes=("no", "yes"), probabilities=True)
NUMBER = Output(task="regression", type="number")


def answers(shares):
    guess = ["yes" if share >= 0.5 else "no" for share in shares]
    return Answers(YES_NO, Outputs(guess, [[1 - share, share] for share in shares]))


def truth(values):
    return from_objects("y", values, "object")


def drawn(n, seed=0, noise=0.25):
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.05, 0.95, n)
    known = np.where(rng.random(n) < share, "yes", "no")
    return truth(known.tolist()), share, np.clip(share + rng.normal(0, noise, n), 0.01, 0.99)


def names(part):
    return {one.name for one in part.metrics}


@pytest.mark.parametrize(
    ("n", "told", "untold"),
    [
        pytest.param(6, set(), {"accuracy", "roc_auc", "log_loss", "calibration_error"}, id="six-rows"),
        pytest.param(60, {"accuracy", "log_loss", "roc_auc"}, {"calibration_error"}, id="sixty-rows"),
        pytest.param(200, {"accuracy", "calibration_error", "recall[yes]"}, set(), id="enough"),
    ],
)
def test_a_metric_without_rows_enough_is_not_told(n, told, untold):
    known, share, _ = drawn(n)
    whole = measured(answers(share), known).whole
    missing = {one.name: one.need for one in whole.not_enough}
    assert told <= names(whole)
    assert untold <= missing.keys()
    assert not names(whole) & missing.keys()
    assert all("row" in need for need in missing.values())


def test_rows_of_one_class_say_nothing_about_two():
    whole = measured(answers([0.2] * 50), truth(["no"] * 50)).whole
    assert "accuracy" in names(whole)
    assert not {"balanced_accuracy", "f1_macro", "log_loss", "roc_auc"} & names(whole)


def test_confusion_and_reliability():
    known, share, _ = drawn(300)
    quality = measured(answers(share), known)
    table = np.array(quality.confusion[""]["counts"])
    assert quality.confusion[""]["classes"] == ["no", "yes"]
    assert table.sum() == 300
    assert np.trace(table) / 300 == quality.whole.metric("accuracy").value
    assert all(one["low"] <= one["accuracy"] <= one["high"] for one in quality.calibration[""])


def test_the_better_version_is_called_better_and_the_same_one_not():
    known, good, bad = drawn(1_500, noise=0.4)
    apart = {one.name: one for one in measured(answers(good), known, other=answers(bad)).whole.differences}
    for name in ("log_loss", "brier", "roc_auc"):
        assert apart[name].verdict == "better", name
        low, high = apart[name].interval
        assert low < apart[name].difference < high
    back = {one.name: one for one in measured(answers(bad), known, other=answers(good)).whole.differences}
    assert back["brier"].verdict == "worse"
    assert back["brier"].difference == pytest.approx(-apart["brier"].difference)
    same = measured(answers(good), known, other=answers(good)).whole.differences
    assert {one.verdict for one in same} <= {None, "no clear difference"}
    assert all(one.difference == 0 for one in same)


def test_a_paired_difference_is_sharper_than_two_intervals():
    rng = np.random.default_rng(0)
    y = rng.normal(0, 10, 400)
    shared = rng.normal(0, 2, 400)
    one = Answers(NUMBER, Outputs((y + shared).tolist()))
    other = Answers(NUMBER, Outputs((y + 1.1 * shared).tolist()))
    quality = measured(one, truth(y.tolist()), other=other)
    mae = quality.whole.metric("mae")
    apart = next(d for d in quality.whole.differences if d.name == "mae")
    assert apart.verdict == "better"
    assert apart.interval[1] - apart.interval[0] < (mae.interval[1] - mae.interval[0]) / 2
    median = next(d for d in quality.whole.differences if d.name == "median_absolute_error")
    assert median.method == "paired bootstrap"


def test_several_outputs_each_with_their_rows():
    rng = np.random.default_rng(1)
    y = rng.normal(size=(40, 2))
    output = Output(task="multioutput_regression", type="number", names=("a", "b"))
    guess = [{"a": a + 0.1, "b": b} for a, b in y.tolist()]
    table = Table({name: truth(y[:, place].tolist()) for place, name in enumerate(("a", "b"))}, 40, "list")
    quality = measured(Answers(output, Outputs(guess)), table, other=Answers(output, Outputs(guess)))
    assert quality.whole.metric("bias[a]").value == pytest.approx(0.1)
    assert {"mae[a]", "mae[b]"} <= {one.name for one in quality.whole.differences} | names(quality.whole)


# -- segments ----------------------------------------------------------------------------------------


def test_levels_with_few_rows_are_other():
    found = cut(from_objects("island", ["Dream"] * 30 + ["Biscoe"] * 25 + ["Ann's own"] * 3 + [None] * 4, ""))
    assert [(one.label, one.rows.size) for one in found] == [
        ("Biscoe", 25), ("Dream", 30), ("(other)", 3), ("(missing)", 4),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([float(x) for x in range(101)], id="numbers"),
        pytest.param(list(range(101)), id="integers"),
        pytest.param([dt.date(2026, 1, 1) + dt.timedelta(days=x) for x in range(101)], id="dates"),
        pytest.param([dt.datetime(2026, 1, 1) + dt.timedelta(hours=x) for x in range(101)], id="moments"),
    ],
)
def test_what_is_ordered_is_cut_at_its_quartiles(values):
    found = cut(from_objects("x", values, ""))
    assert [one.rows.size for one in found] == [26, 25, 25, 25]
    assert found[0].label.startswith("≤ ")


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), max_size=80),
        st.lists(st.one_of(st.none(), st.sampled_from("abc")), max_size=80),
        st.lists(st.one_of(st.none(), st.booleans()), max_size=80),
    )
)
def test_every_row_is_in_one_segment(values):
    found = cut(from_objects("x", values, ""))
    assert sorted(int(row) for one in found for row in one.rows) == list(range(len(values)))
    assert len({one.label for one in found}) == len(found)


# -- coverage: a small part of what bench/coverage.py counts ------------------------------------------


@pytest.mark.parametrize("title", ["two classes, 60:40", "numbers"])
def test_intervals_hold_the_truth_as_often_as_they_say(title, monkeypatch):
    monkeypatch.setattr(coverage, "POPULATION", 60_000)
    population = coverage.POPULATIONS[title]
    streams = 120
    found = coverage.coverage(population, coverage.truth_of(population), 200, streams, medians=False)
    least = 0.95 - 4 * np.sqrt(0.95 * 0.05 / streams)  # about one false alarm in 1,000 runs of all of these
    assert len(found) > 8
    assert {name: share for name, (share, _) in found.items() if share < least} == {}
