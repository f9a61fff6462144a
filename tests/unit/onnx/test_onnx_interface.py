"""Fields to tensors and tensors to answers, by the words of `onnx/interface.json`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cloche.contract.model import Output
from cloche.errors import ManifestError
from cloche.onnx import Interface, Result, Tensor
from cloche.onnx.answers import answers
from cloche.onnx.feeds import maker

ROWS: dict[str, list[Any]] = {
    "a": [1.5, None],
    "b": [2, 3],
    "t": ["x", None],
    "v": [[1.0, 2.0], [3.0, 4.0]],
    "on": [True, False],
    "inf": [float("inf"), 1e39],
    "big": [1e16, 0.0],
    "half": [0.5, 1.0],
}
VALUE = (Result(name="y", role="value"),)


def tensor(*fields: str, **more: Any) -> Tensor:
    return Tensor(name="x", fields=fields, **more)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(tensor("a", "b", missing="nan"), [[1.5, 2.0], [np.nan, 3.0]], id="matrix-missing-is-nan"),
        pytest.param(tensor("b", "on"), [[2.0, 1.0], [3.0, 0.0]], id="booleans-are-numbers"),
        pytest.param(tensor("v"), [[1.0, 2.0], [3.0, 4.0]], id="vector"),
        pytest.param(tensor("v", shape=(1, 2)), [[[1.0, 2.0]], [[3.0, 4.0]]], id="vector-in-three-dimensions"),
        pytest.param(tensor("b", shape=()), [2.0, 3.0], id="flat"),
        pytest.param(tensor("b", dtype="int64"), [[2], [3]], id="whole"),
        pytest.param(tensor("on", dtype="bool"), [[True], [False]], id="boolean"),
        pytest.param(tensor("t", dtype="string", missing=""), [["x"], [""]], id="text"),
        pytest.param(tensor("t", levels=("w", "x"), missing=-1), [[1.0], [-1.0]], id="levels-are-numbered"),
        pytest.param(tensor("t", levels=("w",), unknown=7, missing=0), [[7.0], [0.0]], id="unknown-level"),
        pytest.param(tensor("inf"), [[np.inf], [np.inf]], id="too-large-is-infinite"),
    ],
)
def test_a_tensor(made: Tensor, expected: list[Any]) -> None:
    found = maker(made)(ROWS, 2)
    np.testing.assert_array_equal(found, np.array(expected, dtype=found.dtype))
    assert str(found.dtype) == ("object" if made.dtype == "string" else made.dtype)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        pytest.param(tensor("a"), "a: a value is missing", id="missing"),
        pytest.param(tensor("t", dtype="string"), "t: a value is missing", id="missing-text"),
        pytest.param(tensor("inf", finite=True), "not finite in float32", id="not-finite"),
        pytest.param(tensor("big", limit=1e15), "beyond 1e\\+15", id="beyond-the-limit"),
        pytest.param(tensor("t", levels=("w",), missing=0), "t: an unknown level", id="unknown-level"),
        pytest.param(tensor("half", dtype="int64"), "half: expected whole numbers", id="fraction"),
        pytest.param(tensor("inf", dtype="int64"), "too large for int64", id="infinite-whole-number"),
        pytest.param(tensor("big", dtype="int32"), "big: a number too large for int32", id="too-large"),
    ],
)
def test_a_value_that_the_tensor_does_not_take(made: Tensor, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        maker(made)(ROWS, 2)


THREE = {"task": "classification", "type": "string", "classes": ("r", "g", "b"), "probabilities": True}
TWO = {"task": "classification", "type": "string", "classes": ("no", "yes"), "probabilities": True}


@pytest.mark.parametrize(
    ("results", "output", "given", "prediction", "probabilities"),
    [
        pytest.param(
            (Result(name="p", role="probabilities"),),
            THREE,
            {"p": [[0.1, 0.8, 0.1]]},
            "g",
            [0.1, 0.8, 0.1],
            id="shares",
        ),
        pytest.param(
            (Result(name="p", role="probabilities", apply="softmax"),),
            THREE,
            {"p": [[0.0, np.log(2.0), 0.0]]},
            "g",
            [0.25, 0.5, 0.25],
            id="logits",
        ),
        pytest.param(
            (Result(name="p", role="probabilities"),), THREE, {"p": [[0.4, 0.4, 0.2]]}, "r", [0.4, 0.4, 0.2], id="tie"
        ),
        pytest.param(
            (Result(name="p", role="probabilities", apply="sigmoid"),),
            TWO,
            {"p": [[np.log(3.0)]]},
            "yes",
            [0.25, 0.75],
            id="one-number-for-two-classes",
        ),
        pytest.param(
            (Result(name="p", role="probabilities"),),
            TWO | {"threshold": 0.9},
            {"p": [[0.25, 0.75]]},
            "no",
            [0.25, 0.75],
            id="threshold",
        ),
        pytest.param(
            (Result(name="l", role="label", labels=("n", "y")), Result(name="p", role="probabilities")),
            TWO,
            {"l": np.array(["n"], dtype=object), "p": [[0.25, 0.75]]},
            "no",
            [0.25, 0.75],
            id="own-label-before-the-greatest",
        ),
        pytest.param(
            (Result(name="p", role="probabilities", labels=("y", "n")),),
            TWO,
            {"p": [{"n": 0.75, "y": 0.25}]},
            "yes",
            [0.25, 0.75],
            id="zipmap",
        ),
        pytest.param(
            (Result(name="p", role="probabilities"),), TWO, {"p": [[-1e-7, 1 + 1e-7]]}, "yes", [0.0, 1.0], id="rounding"
        ),
        pytest.param(
            (Result(name="p", role="probabilities", apply="sigmoid"),),
            {"task": "multilabel", "type": "string", "classes": ("r", "g"), "probabilities": True},
            {"p": [[np.log(3.0), -np.log(3.0)]]},
            ["r"],
            [0.75, 0.25],
            id="multilabel",
        ),
        pytest.param(VALUE, {"task": "regression", "type": "number"}, {"y": [[2.5]]}, 2.5, None, id="regression"),
        pytest.param(
            VALUE,
            {"task": "multioutput_regression", "type": "number", "names": ("h", "w")},
            {"y": [[1.0, 2.0]]},
            {"h": 1.0, "w": 2.0},
            None,
            id="several-numbers",
        ),
        pytest.param(
            (Result(name="l", role="label"), Result(name="s", role="score")),
            {"task": "anomaly", "type": "string"},
            {"l": np.array([-1]), "s": [[-0.5]]},
            "outlier",
            None,
            id="anomaly",
        ),
        pytest.param(
            (Result(name="l", role="label"),),
            {"task": "clustering", "type": "integer"},
            {"l": [3]},
            3,
            None,
            id="cluster",
        ),
        pytest.param(
            (Result(name="e", role="embedding"),),
            {"task": "embedding", "type": "number", "length": 2},
            {"e": [[1.0, 2.0]]},
            [1.0, 2.0],
            None,
            id="embedding",
        ),
    ],
)
def test_answers(
    results: tuple[Result, ...], output: dict[str, Any], given: dict[str, Any], prediction: Any, probabilities: Any
) -> None:
    interface = Interface(inputs=(tensor("a"),), outputs=results)
    given = {name: value if isinstance(value[0], dict) else np.asarray(value) for name, value in given.items()}
    found = answers(interface, Output(**output), given, 1)
    assert found.prediction == [prediction]
    assert (found.probabilities or [None])[0] == (None if probabilities is None else pytest.approx(probabilities))


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        pytest.param(b"{}", "expected schema 'cloche-onnx/1'", id="no-schema"),
        pytest.param(b"[", "interface.json", id="no-json"),
        pytest.param(b'{"schema": "cloche-onnx/1", "outputs": []}', "either inputs or a preparer", id="no-inputs"),
        pytest.param(
            Interface(inputs=(tensor("a"), tensor("b")), outputs=VALUE).to_json(), "each name and role once", id="twice"
        ),
        pytest.param(
            Interface(inputs=(tensor("a", "b", shape=()),), outputs=VALUE).to_json(),
            "one for a shape of",
            id="flat-two",
        ),
        pytest.param(
            Interface(inputs=(tensor("a", missing="x"),), outputs=VALUE).to_json(),
            "cannot be 'x'",
            id="text-for-number",
        ),
        pytest.param(Interface(inputs=(tensor("a"),), outputs=()).to_json(), "expected an output", id="no-output"),
        pytest.param(
            Interface(inputs=(tensor("a"),), outputs=VALUE).to_json().replace(b'"role"', b'"run"'),
            "run",
            id="unknown-key",
        ),
    ],
)
def test_an_interface_that_is_refused(raw: bytes, told: str) -> None:
    with pytest.raises(ManifestError, match=told):
        Interface.from_json(raw)


def test_an_interface_comes_back_as_it_was_written() -> None:
    said = Interface(
        inputs=(tensor("a", "b", missing="nan", limit=1e15),), outputs=(Result(name="y", role="value"),), one_row=True
    )
    assert Interface.from_json(said.to_json()) == said
