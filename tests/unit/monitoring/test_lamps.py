"""What a grey lamp says is missing."""

from __future__ import annotations

from typing import Any

import pytest

from cloche.monitoring.documents import FieldDrift, Lamps
from cloche.monitoring.lamps import ESTIMATION_ROWS, lit
from cloche.monitoring.reference import Estimation, Reference
from cloche.monitoring.tallies import Tally
from cloche.saving.estimation import MIN_ROWS


def of_test(n: int) -> tuple[dict[str, Any], ...]:
    return ({"name": "accuracy", "value": 0.9, "split": "test", "n": n},)


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        pytest.param(Reference(), "it was saved with no test set", id="no-test-set"),
        pytest.param(Reference(quality=of_test(80)), "a test set of 80 rows, 100 are needed", id="a-small-one"),
        pytest.param(Reference(quality=of_test(900)), "no labels yet, and nothing to estimate from", id="no-chances"),
        pytest.param(
            Reference(estimation=Estimation(of="confidence", n=(100,))),
            "no labels yet, and nothing to estimate from",
            id="not-asked-yet",
        ),
    ],
)
def test_what_is_missing_to_know_the_quality(reference: Reference, why: str) -> None:
    lamp = lit(Lamps(), Tally(), [], [], 0.0, reference=reference).performance
    assert lamp.state == "unknown"
    assert lamp.why.endswith(why)
    assert ESTIMATION_ROWS == MIN_ROWS


def test_what_is_missing_for_a_verdict_on_drift() -> None:
    small = FieldDrift(name="x", type="number", state="insufficient", why="the reference has 120 rows, 200 are needed")
    answers = FieldDrift(
        name="prediction", type="category", state="insufficient", why="the test set has 80 rows, 200 are needed"
    )
    found = lit(Lamps(), Tally(), [small, answers], [], 0.0)
    assert found.data.why == "not enough data: the reference has 120 rows, 200 are needed"
    assert found.predictions.why == "not enough data: the test set has 80 rows, 200 are needed"
