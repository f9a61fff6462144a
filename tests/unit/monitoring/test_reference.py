"""`reference.json` as the monitor reads it: what a field is compared by."""

from __future__ import annotations

import msgspec
import numpy as np
import pandas as pd
import pytest

from cloche import tables
from cloche.contract.model import Contract, Field, Output
from cloche.monitoring.drift import DriftSettings, verdicts
from cloche.monitoring.drift.windows import Slot
from cloche.monitoring.reference import Reference
from cloche.monitoring.tallies import FieldTally, Tally
from cloche.profile import profile
from cloche.saving.reference import to_json

REGION = Field(name="region", type="string", role="context")


def reference(values: list[str | None]) -> Reference:
    """That of a context *region* with *values*."""
    contract = Contract(fields=(REGION,), output=Output(task="regression", type="number"))
    return Reference.of(to_json(profile(tables.read(pd.DataFrame({"region": values})), contract)))


@pytest.mark.parametrize(
    ("values", "levels", "other"),
    [
        pytest.param(["de"] * 500 + ["fr"] * 500, ("de", "fr"), 0, id="regions"),
        pytest.param(["de"] * 960 + [f"x{at}" for at in range(30)] + [None] * 10, ("de",), 30, id="hardly-another"),
        pytest.param([f"street {at}" for at in range(1_000)], (), 0, id="free-text"),
        pytest.param(["de"] * 500 + [f"street {at}" for at in range(500)], (), 0, id="half-and-half"),
    ],
)
def test_a_context_of_few_values_is_compared_by_them(
    values: list[str | None], levels: tuple[str, ...], other: int
) -> None:
    found = reference(values).fields["region"]
    assert (found.levels, found.other) == (levels, other)
    assert bool(found.edges) != bool(levels)
    assert found.measure == ("value" if levels else "characters")


def test_other_regions_of_the_same_length_are_drift() -> None:
    known = reference(["de"] * 500 + ["fr"] * 500)
    shares = np.array([[60, 440]] * 3)
    windows = [
        Slot(at * 3_600.0, 3_600.0, Tally(rows=500, fields={"region": FieldTally(n=500, counts=counts)}))
        for at, counts in enumerate(shares.tolist())
    ]
    (one,) = verdicts(known, windows, DriftSettings())
    assert (one.name, one.state) == ("region", "drift")


def test_keys_of_a_later_release_are_passed_over() -> None:
    document = msgspec.json.decode(to_json({}))
    assert Reference.of(msgspec.json.encode(document | {"later": 1})) == Reference.of(None)
