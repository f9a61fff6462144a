"""The inputs of `reference.json`: what is counted, and what is never told."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from cloche import tables
from cloche.contract.model import Contract, Field, Output
from cloche.profile import MAX_BINS, profile

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
