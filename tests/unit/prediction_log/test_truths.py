"""What is a truth for which output, and what the cell of a table is taken for."""

from __future__ import annotations

import pytest

from cloche.contract.model import Output
from cloche.errors import UsageError
from cloche.prediction_log.truths import InvalidLabel, as_label, truth_of

NUMBER = Output(task="regression", type="number")
TEXT = Output(task="classification", type="string", classes=("0", "1"))
WHOLE = Output(task="classification", type="integer", classes=(0, 1))
TRUE = Output(task="classification", type="boolean", classes=(False, True))
MANY = Output(task="multilabel", type="string", classes=("a", "b"))
TWO = Output(
    task="multioutput_classification", type="string", names=("x", "y"), output_classes=(("a", "b"), ("c", "d"))
)
SIDE = Output(task="anomaly", type="string")


@pytest.mark.parametrize(
    ("value", "output", "truth"),
    [
        pytest.param(1, NUMBER, 1.0, id="number"),
        pytest.param("1", TEXT, "1", id="class-of-text"),
        pytest.param(1.0, WHOLE, 1, id="class-of-a-number"),
        pytest.param(True, TRUE, True, id="class-of-a-boolean"),
        pytest.param(["a"], MANY, ["a"], id="several-labels"),
        pytest.param([], MANY, [], id="no-label"),
        pytest.param({"x": "a", "y": "d"}, TWO, {"x": "a", "y": "d"}, id="several-outputs"),
        pytest.param({"x": "a", "y": None}, TWO, {"x": "a"}, id="one-of-several"),
        pytest.param("outlier", SIDE, "outlier", id="anomaly"),
    ],
)
def test_truths(value, output, truth):
    assert truth_of(value, output) == truth
    assert type(truth_of(value, output)) is type(truth)


@pytest.mark.parametrize(
    ("value", "output"),
    [
        pytest.param("1", NUMBER, id="text-is-no-number"),
        pytest.param(True, NUMBER, id="true-is-no-number"),
        pytest.param(float("nan"), NUMBER, id="nan"),
        pytest.param(1, TEXT, id="number-is-no-text"),
        pytest.param(True, WHOLE, id="true-is-not-1"),
        pytest.param(1, TRUE, id="1-is-not-true"),
        pytest.param("2", TEXT, id="unknown-class"),
        pytest.param("a", MANY, id="no-list"),
        pytest.param(["c"], MANY, id="unknown-label"),
        pytest.param({}, TWO, id="no-output"),
        pytest.param({"z": "a"}, TWO, id="unknown-output"),
        pytest.param({"x": "c"}, TWO, id="class-of-the-other"),
        pytest.param("maybe", SIDE, id="neither-side"),
    ],
)
def test_no_truths(value, output):
    with pytest.raises(InvalidLabel, match="expected"):
        truth_of(value, output)


def test_a_task_without_truths():
    with pytest.raises(UsageError, match="clustering"):
        truth_of(1, Output(task="clustering", type="integer"))


@pytest.mark.parametrize(
    ("cell", "output", "label"),
    [
        pytest.param(1, TEXT, "1", id="number-for-text"),
        pytest.param(1.0, TEXT, "1", id="fraction-for-text"),
        pytest.param("1", WHOLE, 1, id="text-for-number"),
        pytest.param(1, TRUE, True, id="number-for-boolean"),
        pytest.param("TRUE", TRUE, True, id="text-for-boolean"),
        pytest.param("2.5", NUMBER, 2.5, id="text-for-a-measure"),
        pytest.param("dear", NUMBER, "dear", id="stays-and-is-refused-later"),
        pytest.param('["a", "b"]', MANY, ["a", "b"], id="json-list"),
        pytest.param('{"x": "a"}', TWO, {"x": "a"}, id="json-object"),
        pytest.param({"x": "a", "y": "d"}, TWO, {"x": "a", "y": "d"}, id="columns"),
    ],
)
def test_cells(cell, output, label):
    assert as_label(cell, output) == label
