"""The shape of an answer, by task, for one row and for many."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.contract.compiled import ValidRows, compile_contract
from cloche.contract.model import Contract, Field, Output
from cloche.records import Outputs, TabledOutputs
from cloche.serving.answers import shape

FIELD = Field(name="x", type="number")


def rows(output: Output, n: int | None) -> ValidRows:
    """Valid rows of a one-field contract; None: one object."""
    compiled = compile_contract(Contract(fields=(FIELD,), output=output))
    return compiled.validate([{"x": 1.0}] * (1 if n is None else n), single=n is None)


def answer(output: Output, outputs: Outputs, n: int | None = None, **options: Any) -> dict[str, Any]:
    prediction = shape(outputs, rows(output, n), model="m", version=3, request_id="r", **options)
    found = prediction.to_dict()
    assert (found.pop("model"), found.pop("model_version"), found.pop("request_id")) == ("m", "3", "r")
    return found


CLASSES = Output(task="classification", type="string", classes=("a", "b"), probabilities=True)
FLAGS = Output(task="classification", type="boolean", classes=(False, True), probabilities=True)
NUMBERS = Output(task="classification", type="integer", classes=(1, 2))
SEVERAL = Output(
    task="multioutput_classification",
    type="string",
    names=("p", "q"),
    output_classes=(("a", "b"), ("c", "d")),
    probabilities=True,
)


@pytest.mark.parametrize(
    ("output", "outputs", "n", "expected"),
    [
        pytest.param(
            CLASSES,
            Outputs(["a"], [[0.75, 0.25]]),
            None,
            {"prediction": "a", "confidence": 0.75, "probabilities": {"a": 0.75, "b": 0.25}},
            id="one-row",
        ),
        pytest.param(
            CLASSES,
            Outputs(["a", "b"], [[0.75, 0.25], [0.5, 0.5]]),
            2,
            {
                "prediction": ["a", "b"],
                "confidence": [0.75, 0.5],
                "probabilities": {"a": [0.75, 0.5], "b": [0.25, 0.5]},
            },
            id="many-rows",
        ),
        pytest.param(
            CLASSES,
            Outputs([], []),
            0,
            {"prediction": [], "confidence": [], "probabilities": {"a": [], "b": []}},
            id="no-rows",
        ),
        pytest.param(
            FLAGS,
            Outputs([True], [[0.25, 0.75]]),
            None,
            {"prediction": True, "confidence": 0.75, "probabilities": {"false": 0.25, "true": 0.75}},
            id="boolean-classes",
        ),
        pytest.param(NUMBERS, Outputs([2]), None, {"prediction": 2}, id="integer-classes-without-probabilities"),
        pytest.param(
            Output(task="regression", type="number"),
            Outputs([1.5, 2.0]),
            2,
            {"prediction": [1.5, 2.0]},
            id="regression",
        ),
        pytest.param(
            Output(task="multioutput_regression", type="number", names=("p", "q")),
            Outputs([{"p": 1.0, "q": 2.0}]),
            None,
            {"prediction": {"p": 1.0, "q": 2.0}},
            id="several-numbers",
        ),
        pytest.param(
            SEVERAL,
            Outputs([{"p": "a", "q": "d"}], [{"p": [0.75, 0.25], "q": [0.0, 1.0]}]),
            None,
            {
                "prediction": {"p": "a", "q": "d"},
                "confidence": {"p": 0.75, "q": 1.0},
                "probabilities": {"p": {"a": 0.75, "b": 0.25}, "q": {"c": 0.0, "d": 1.0}},
            },
            id="several-classes",
        ),
        pytest.param(
            SEVERAL,
            Outputs([], []),
            0,
            {
                "prediction": [],
                "confidence": {"p": [], "q": []},
                "probabilities": {"p": {"a": [], "b": []}, "q": {"c": [], "d": []}},
            },
            id="several-classes-no-rows",
        ),
        pytest.param(
            Output(task="multilabel", type="string", classes=("a", "b"), probabilities=True),
            Outputs([["a", "b"]], [[0.75, 0.5]]),
            None,
            {"prediction": ["a", "b"], "probabilities": {"a": 0.75, "b": 0.5}},
            id="labels",
        ),
        pytest.param(
            Output(task="anomaly", type="string", classes=("inlier", "outlier")),
            Outputs(["outlier"], score=[-0.5]),
            None,
            {"prediction": "outlier", "score": -0.5},
            id="anomaly",
        ),
        pytest.param(
            Output(task="clustering", type="integer"), Outputs([0, 3]), 2, {"prediction": [0, 3]}, id="clusters"
        ),
        pytest.param(
            Output(task="embedding", type="number", length=2),
            Outputs([[0.5, 1.0]]),
            None,
            {"prediction": [0.5, 1.0]},
            id="embedding",
        ),
    ],
)
def test_shape_by_task(output: Output, outputs: Outputs, n: int | None, expected: dict[str, Any]) -> None:
    assert answer(output, outputs, n) == expected


def test_keys_stand_in_the_documented_order() -> None:
    found = shape(Outputs(["a"], [[1.0, 0.0]]), rows(CLASSES, None), model="m", version=1, request_id="r").to_dict()
    assert list(found) == ["prediction", "confidence", "probabilities", "model", "model_version", "request_id"]


@pytest.mark.parametrize(
    ("output", "outputs", "expected"),
    [
        pytest.param(Output(task="regression", type="number"), Outputs([math.nan]), {"prediction": None}, id="nan"),
        pytest.param(
            Output(task="regression", type="number"), Outputs([-math.inf]), {"prediction": None}, id="infinity"
        ),
        pytest.param(
            Output(task="embedding", type="number", length=2),
            Outputs([[math.inf, 1.0]]),
            {"prediction": [None, 1.0]},
            id="inside-a-vector",
        ),
        pytest.param(
            CLASSES,
            Outputs(["a"], [[math.nan, 0.5]]),
            {"prediction": "a", "probabilities": {"a": None, "b": 0.5}},
            id="inside-probabilities",
        ),
    ],
)
def test_what_is_not_finite_becomes_null_with_a_warning(
    output: Output, outputs: Outputs, expected: dict[str, Any]
) -> None:
    found = answer(output, outputs)
    [warning] = found.pop("warnings")
    assert found == expected
    assert (warning["row"], warning["code"]) == (None, "not_finite")


def test_warning_names_the_row_of_a_table() -> None:
    found = answer(Output(task="regression", type="number"), Outputs([1.0, math.nan]), 2)
    assert [one["row"] for one in found["warnings"]] == [1]


@pytest.mark.parametrize(
    ("n", "shares", "expected"),
    [
        pytest.param(None, [[0.25, 0.75]], {"b": 0.75}, id="one-row"),
        pytest.param(None, [[0.5, 0.5]], {"a": 0.5}, id="a-tie-goes-to-the-earlier-class"),
        pytest.param(2, [[0.25, 0.75], [0.75, 0.25]], {"a": [None, 0.75], "b": [0.75, None]}, id="each-row-its-own"),
        pytest.param(2, [[0.25, 0.75], [0.0, 1.0]], {"b": [0.75, 1.0]}, id="a-class-no-row-keeps-is-left-out"),
    ],
)
def test_top(n: int | None, shares: list[list[float]], expected: dict[str, Any]) -> None:
    outputs = Outputs(["a"] * len(shares), shares)
    assert answer(CLASSES, outputs, n, top=1)["probabilities"] == expected


def test_probabilities_can_be_left_out() -> None:
    assert answer(CLASSES, Outputs(["a"], [[0.75, 0.25]]), probabilities=False) == {
        "prediction": "a",
        "confidence": 0.75,
    }


SHARES = st.one_of(
    st.floats(0.0, 1.0),
    st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 1e308, 5e-324, -1.0]),
)


@given(
    table=st.lists(st.lists(SHARES, min_size=2, max_size=2), min_size=1, max_size=12),
    layout=st.sampled_from("CF"),
    cut=st.integers(0, 12),
    options=st.sampled_from([{}, {"top": 1}, {"probabilities": False}]),
)
def test_an_answer_from_a_table_is_the_answer_from_its_lists_byte_by_byte(
    table: list[list[float]], layout: Any, cut: int, options: dict[str, Any]
) -> None:
    labels = ["ab"[place % 2] for place in range(len(table))]
    plain = Outputs(labels, table)
    tabled = TabledOutputs(labels, table, shares=np.array(table, order=layout))
    for start, stop in ((0, 99), (0, cut), (cut, 99)):
        one, other = plain.rows(start, stop), tabled.rows(start, stop)
        valid = rows(CLASSES, len(one))
        made = [
            msgspec.json.encode(shape(found, valid, model="m", version=3, request_id="r", **options))
            for found in (one, other)
        ]
        assert made[0] == made[1]


def test_outputs_with_a_table_equal_those_without() -> None:
    plain, tabled = Outputs(["a"], [[1.0]]), TabledOutputs(["a"], [[1.0]], shares=np.ones((1, 1)))
    assert plain == tabled
    assert tabled == plain
    assert tabled != Outputs(["b"], [[1.0]])
