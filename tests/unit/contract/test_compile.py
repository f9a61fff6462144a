"""Contracts whose own attributes make no sense are refused when they are compiled, with the field's name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from cloche.contract.compiled import compile_contract
from cloche.contract.model import Contract, Field
from cloche.errors import UsageError
from strategies import OUTPUT


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        pytest.param({"type": "number", "minimum": 2, "maximum": 1}, "f: minimum 2 is above maximum 1", id="bounds"),
        pytest.param({"type": "datetime", "timezone": "Mars/Base"}, "unknown time zone 'Mars/Base'", id="zone"),
        pytest.param({"type": "datetime", "timezone": "../etc"}, "unknown time zone", id="zone-that-is-a-path"),
        pytest.param({"type": "category", "levels": ("a", 1)}, "f: levels have to be", id="mixed-levels"),
        pytest.param({"type": "date", "training_range": ("x", "y")}, "f: training_range", id="range-of-no-dates"),
    ],
)
def test_a_field_that_makes_no_sense(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        compile_contract(Contract(fields=(Field(name="f", **attributes),), output=OUTPUT))


def test_two_fields_of_one_name() -> None:
    with pytest.raises(UsageError, match="'f'"):
        compile_contract(Contract(fields=(Field(name="f", type="text"),), output=OUTPUT, ignored=("f",)))


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "ü b.c/d", ""])
def test_any_name_can_be_a_field(name: str) -> None:
    compiled = compile_contract(
        Contract(fields=(Field(name=name, type="integer"),), output=OUTPUT, ignored=('"', "\\"))
    )
    assert compiled.decode_json(json.dumps({name: 3, '"': 1}).encode()).columns() == {name: [3]}


def test_python_callers_may_hand_over_numpy_scalars() -> None:
    fields = (Field(name="n", type="integer"), Field(name="x", type="number"), Field(name="v", type="vector", length=2))
    compiled = compile_contract(Contract(fields=fields, output=OUTPUT))
    row = {"n": np.int64(3), "x": np.float32(0.5), "v": np.array([1.0, 2.0])}
    assert compiled.validate([row], single=True).rows == [(3, 0.5, [1.0, 2.0])]
