"""The inputs of `reference.json`: what is counted, and what is never told."""

from __future__ import annotations

import base64
import json

import msgspec
import numpy as np
import pandas as pd
import pytest

from cloche import features, tables
from cloche.contract.model import Contract, Field, LogInputs, Output
from cloche.profile import MAX_BINS, MAX_SAMPLED, profile

FRAME = pd.DataFrame({
    "x": [float(n) for n in range(100)] + [None],
    "c": ["a"] * 60 + ["b"] * 40 + ["other"],
    "b": [True] * 41 + [False] * 60,
    "name": [f"person {n}" for n in range(101)],
    "secret": range(101),
    "id": [f"K{n}" for n in range(101)],
    "day": pd.to_datetime(["2024-01-01"] * 100 + ["2024-01-03"]),
    "v": [[3.0, 4.0]] * 101,
    "huge": [1.7e308, -1.7e308] * 50 + [0.0],
})  # fmt: skip
FIELDS = (
    Field(name="x", type="number"),
    Field(name="c", type="category", levels=("a", "b", "never")),
    Field(name="b", type="boolean"),
    Field(name="name", type="string"),
    Field(name="secret", type="number", private=True),
    Field(name="id", type="string", role="key"),
    Field(name="day", type="datetime"),
    Field(name="v", type="vector", length=2),
    Field(name="huge", type="number"),
    Field(name="absent", type="number", role="context"),
)
CONTRACT = Contract(fields=FIELDS, output=Output(task="regression", type="number"))


def found() -> dict[str, dict[str, object]]:
    return json.loads(json.dumps(profile(tables.read(FRAME), CONTRACT), allow_nan=False))


def test_numbers_have_moments_and_at_most_twenty_frozen_bins() -> None:
    x = found()["x"]
    assert (x["n"], x["missing"], x["finite"], x["minimum"], x["maximum"]) == (101, 1, 100, 0.0, 99.0)
    assert (x["mean"], x["variance"]) == (49.5, float(np.var(range(100))))
    assert len(x["bins"]["counts"]) == MAX_BINS
    assert sum(x["bins"]["counts"]) == 100
    assert len(x["bins"]["edges"]) == MAX_BINS + 1


def test_levels_are_counted_also_those_nobody_had_and_the_rest() -> None:
    assert found()["c"]["levels"] == {"a": 60, "b": 40, "never": 0}
    assert found()["c"]["other"] == 1
    assert found()["b"]["levels"] == {"true": 41, "false": 60}


def test_text_keys_and_private_fields_tell_no_value() -> None:
    told = found()
    assert "secret" not in told
    assert told["id"] == {"type": "string", "role": "key", "n": 101, "missing": 0, "distinct": 101}
    assert "person" not in json.dumps(told["name"])
    assert told["name"]["characters"]["minimum"] == 8.0


def test_dates_vectors_and_the_ends_of_float64() -> None:
    told = found()
    assert told["day"]["maximum"] - told["day"]["minimum"] == 2 * 86400
    assert told["v"]["norm"]["mean"] == 5.0
    assert told["huge"]["variance"] is None
    assert "absent" not in told


@pytest.mark.parametrize(
    ("log_inputs", "sampled"),
    [
        pytest.param("keep", {"name", "v"}, id="kept"),
        pytest.param("summary", set(), id="bins-only"),
        pytest.param("none", set(), id="not-logged"),
    ],
)
def test_texts_and_vectors_leave_some_rows_as_features(log_inputs: LogInputs, sampled: set[str]) -> None:
    contract = msgspec.structs.replace(CONTRACT, log_inputs=log_inputs)
    told = profile(tables.read(FRAME), contract)
    assert {name for name, one in told.items() if "sample" in one} == sampled
    for name in sampled:
        one = told[name]["sample"]
        known = features.of(one["features"])
        assert len(base64.b64decode(one["rows"])) == 101 * known.width


def test_so_many_rows_are_enough_and_vectors_of_two_lengths_are_none() -> None:
    many = pd.DataFrame({"name": ["word"] * 1_000, "v": [[1.0, 2.0]] * 999 + [[1.0]]})
    told = profile(tables.read(many), CONTRACT)
    assert len(base64.b64decode(told["name"]["sample"]["rows"])) == MAX_SAMPLED * 128
    assert "sample" not in told["v"]
