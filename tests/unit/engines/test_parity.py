"""When two engines agree."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cloche.engines import differences
from cloche.manifest import Tolerance
from cloche.records import Outputs

FLOAT32 = Tolerance("float32", 1e-5, 1e-5)


@pytest.mark.parametrize(
    ("before", "now", "agree"),
    [
        pytest.param("a", "a", True, id="equal-labels"),
        pytest.param("a", "b", False, id="other-label"),
        pytest.param(1, 1, True, id="equal-integers"),
        pytest.param(1, 2, False, id="other-integer"),
        pytest.param(True, 1, False, id="boolean-is-no-integer"),
        pytest.param(1.0, 1.0 + 1e-10, True, id="within"),
        pytest.param(1.0, 1.0 + 1e-8, False, id="beyond"),
        pytest.param(1e12, 1e12 + 100, True, id="relative"),
        pytest.param(2.0, 2, True, id="whole-number-read-back"),
        pytest.param(math.nan, math.nan, True, id="nan-equals-nan"),
        pytest.param(None, math.nan, True, id="null-equals-nan"),
        pytest.param(None, 0.0, False, id="null-is-not-zero"),
        pytest.param({"a": 1.0}, {"a": 1.0}, True, id="several-outputs"),
        pytest.param({"a": 1.0}, {"b": 1.0}, False, id="other-outputs"),
        pytest.param([1.0, 2.0], [1.0, 2.0], True, id="vectors"),
        pytest.param([1.0, 2.0], [1.0], False, id="other-length"),
    ],
)
def test_predictions(before: Any, now: Any, agree: bool) -> None:
    assert (differences(Outputs([before]), Outputs([now]), Tolerance()) == []) is agree


@pytest.mark.parametrize(
    ("tolerance", "probabilities", "agree"),
    [
        pytest.param(FLOAT32, [0.5, 0.5], True, id="float32-tie"),
        pytest.param(FLOAT32, [0.6, 0.4], False, id="float32-no-tie"),
        pytest.param(Tolerance(), [0.5, 0.5], False, id="float64-tie"),
    ],
)
def test_labels_at_a_tie(tolerance: Tolerance, probabilities: list[float], agree: bool) -> None:
    before, now = Outputs(["a"], [probabilities]), Outputs(["b"], [probabilities])
    assert (differences(before, now, tolerance) == []) is agree


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        pytest.param(Outputs([1]), Outputs([1, 2]), "expected 1 answers, got 2", id="other-count"),
        pytest.param(Outputs([1], [[1.0]]), Outputs([1]), "probabilities: expected 1 of them, got none", id="lost"),
        pytest.param(Outputs([1], None, [0.5]), Outputs([1], None, [0.6]), "row 0: score", id="score"),
    ],
)
def test_words(before: Outputs, now: Outputs, words: str) -> None:
    assert words in differences(before, now, Tolerance())[0]


def test_only_the_first_are_told() -> None:
    assert len(differences(Outputs([0] * 100), Outputs([1] * 100), Tolerance())) == 20
