"""What is found about an ONNX file: which columns it takes, what it answers, and what cannot be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto as Types
from onnx import helper as make

import onnx_models as made
from cloche.contract.infer import output_of
from cloche.errors import SaveRefusedError, UntrustedTypeError, UsageError, WrongFormatError
from cloche.flavors import flavor_of, flavor_of_file
from cloche.trust import DEFAULT

TABLE = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 3)), columns=["a", "b", "c"])
COLOURS = pd.DataFrame({"size": [1.0, 2.0, 3.0], "colour": ["red", "blue", "red"]})


def bundled(proto: onnx.ModelProto, inputs: Any = TABLE, *, options: dict[str, Any] | None = None, **given: Any) -> Any:
    return flavor_of(proto).bundle(proto, options or {}, inputs, **given)


def whole_numbers(*, minimum: bool) -> onnx.ModelProto:
    """The place of the smallest or greatest of three numbers: a cluster, or who knows what."""
    node = make.make_node("ArgMin" if minimum else "ArgMax", ["x"], ["out"], axis=1, keepdims=0)
    return made.model([node], [("x", Types.FLOAT, ["n", 3])], [("out", Types.INT64, ["n"])])


def without_labels() -> onnx.ModelProto:
    """Two outputs of numbers, neither called probabilities."""
    proto = made.net(None)
    proto.graph.node.append(make.make_node("Neg", ["out"], ["other"]))
    proto.graph.output.append(make.make_tensor_value_info("other", Types.FLOAT, ["n", 3]))
    return proto


def codes(rows: int = 30) -> np.ndarray[Any, Any]:
    return np.arange(rows) % 3


@pytest.mark.parametrize(
    ("proto", "given", "task", "classes", "apply"),
    [
        pytest.param(made.net("Softmax"), {}, "classification", (0, 1, 2), "none", id="softmax"),
        pytest.param(made.net("Sigmoid", width=1), {}, "classification", (0, 1), "none", id="one-sigmoid"),
        pytest.param(made.net("Sigmoid"), {}, "multilabel", (0, 1, 2), "none", id="sigmoids"),
        pytest.param(
            made.net("Sigmoid"), {"targets": codes()}, "classification", (0, 1, 2), "none", id="one-against-all"
        ),
        pytest.param(
            made.net(None), {"targets": codes()}, "classification", (0, 1, 2), "softmax", id="logits-by-targets"
        ),
        pytest.param(
            made.net(None), {"classes": ["r", "g", "b"]}, "classification", (0, 1, 2), "softmax", id="logits-by-classes"
        ),
        pytest.param(
            made.net(None),
            {"options": {"task": "classification"}},
            "classification",
            (0, 1, 2),
            "softmax",
            id="logits-said",
        ),
        pytest.param(
            made.net(None, width=1), {"targets": codes() % 2}, "classification", (0, 1), "sigmoid", id="one-logit"
        ),
        pytest.param(made.net(None, width=1), {}, "regression", None, "none", id="a-number"),
        pytest.param(
            made.net("Sigmoid", width=1), {"targets": codes() / 7}, "regression", None, "none", id="a-share-is-a-number"
        ),
        pytest.param(
            made.net(None), {"targets": TABLE * 2}, "multioutput_regression", None, "none", id="several-numbers"
        ),
        pytest.param(made.net(None), {}, "embedding", None, "none", id="a-vector"),
        pytest.param(made.tree(), {}, "classification", ("no", "yes"), "none", id="tree-of-text-labels"),
        pytest.param(whole_numbers(minimum=True), {}, "clustering", None, "none", id="cluster"),
        pytest.param(
            whole_numbers(minimum=False), {"classes": ["r", "g", "b"]}, "classification", (0, 1, 2), "none", id="codes"
        ),
        pytest.param(
            without_labels(),
            {"options": {"output": "other", "task": "embedding"}},
            "embedding",
            None,
            "none",
            id="the-output-that-was-named",
        ),
    ],
)
def test_what_it_answers(proto: onnx.ModelProto, given: dict[str, Any], task: str, classes: Any, apply: str) -> None:
    found = bundled(proto, **given)
    flavor = flavor_of(proto)
    facts = flavor.facts(found)
    assert (facts.task, facts.classes) == (task, classes)
    assert any(one.apply == apply for one in found.said.outputs)
    output = output_of(facts)
    numpy_frame, columns = TABLE.to_numpy()[:4], TABLE.head(4)
    assert len(flavor.predict(found, numpy_frame, output)) == 4
    assert flavor.predict(found, columns, output) == flavor.predict(found, numpy_frame, output)
    alone = [flavor.predict(found, numpy_frame[row : row + 1], output).prediction[0] for row in range(4)]
    together = flavor.predict(found, numpy_frame, output).prediction
    np.testing.assert_array_equal(np.array(alone, dtype=object), np.array(together, dtype=object)) if classes else None


@pytest.mark.parametrize(
    ("proto", "given", "error", "told"),
    [
        pytest.param(without_labels(), {}, SaveRefusedError, "say it: output='out'", id="two-outputs"),
        pytest.param(
            made.net(),
            {"options": {"output": "nope"}},
            UsageError,
            "expected one of out, got 'nope'",
            id="no-such-output",
        ),
        pytest.param(
            made.net(), {"options": {"depth": 3}}, UsageError, "not an option of an ONNX", id="unknown-option"
        ),
        pytest.param(made.net(), {"options": {"task": "rank"}}, UsageError, "task: expected one of", id="unknown-task"),
        pytest.param(whole_numbers(minimum=False), {}, SaveRefusedError, "task='clustering'", id="whole-numbers"),
        pytest.param(made.net(), {"classes": ["a", "b"]}, SaveRefusedError, "classes: got 2", id="classes-too-few"),
        pytest.param(
            made.net(None), {"targets": codes() / 7}, SaveRefusedError, "no class from 0 to 2", id="targets-do-not-fit"
        ),
        pytest.param(
            made.net(None),
            {"targets": ["r", "g", "b"] * 10},
            SaveRefusedError,
            "pass classes=",
            id="labels-without-order",
        ),
        pytest.param(made.net(rows=8), {}, SaveRefusedError, "takes 8 rows at a time", id="fixed-batch"),
        pytest.param(
            made.model([], [("x", Types.FLOAT16, ["n", 3])], [("x", Types.FLOAT16, ["n", 3])]),
            {},
            SaveRefusedError,
            "expected rows of float",
            id="half-precision",
        ),
    ],
)
def test_what_cannot_be_told(proto: onnx.ModelProto, given: dict[str, Any], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        bundled(proto, **given)


def test_columns_are_found_by_name_whatever_their_order() -> None:
    found = bundled(made.mixed(), COLOURS[["colour", "size"]])
    flavor = flavor_of(made.mixed())
    assert flavor.facts(found).names == ("size", "colour")
    output = output_of(flavor.facts(found))
    assert flavor.predict(found, COLOURS, output).prediction == [3.0, 3.0, 5.0]
    assert found.said.interface(("size", "colour")).inputs[1].dtype == "string"


def test_keys_are_not_shown_to_it() -> None:
    keyed = TABLE.assign(id=range(30))
    assert bundled(made.net(), keyed, aside=("id",)).said.width == 3


def test_a_file_of_one_row_is_asked_row_by_row() -> None:
    found = bundled(made.net(rows=1))
    assert found.said.one_row
    many = flavor_of(made.net()).predict(found, TABLE, output_of(found.facts()))
    assert many == flavor_of(made.net()).predict(bundled(made.net()), TABLE, output_of(found.facts()))


def test_missing_values_are_taken_where_a_step_fills_them_in() -> None:
    fill = make.make_node(
        "Imputer", ["x"], ["out"], domain="ai.onnx.ml", imputed_value_floats=[5.0], replaced_value_float=float("nan")
    )
    proto = made.model([fill], [("x", Types.FLOAT, ["n", 3])], [("out", Types.FLOAT, ["n", 3])])
    taking, other = bundled(proto), bundled(made.net())
    assert [slot.takes_nan for slot in (*taking.said.slots, *other.said.slots)] == [True, False]
    output = output_of(taking.facts())
    assert taking.predict(np.array([[np.nan, 1.0, 2.0]]), output).prediction == [[5.0, 1.0, 2.0]]
    with pytest.raises(ValueError, match="a value is missing"):
        other.predict(np.array([[np.nan, 1.0, 2.0]]), output_of(other.facts()))


def test_functions_are_written_into_the_graph() -> None:
    proto = made.net()
    inner = make.make_function(
        "mine", "Twice", ["a"], ["b"], [make.make_node("Add", ["a", "a"], ["b"])], [make.make_opsetid("", 17)]
    )
    proto.functions.append(inner)
    proto.opset_import.append(make.make_opsetid("mine", 1))
    proto.graph.node[0].input[0] = "twice"
    proto.graph.node.insert(0, make.make_node("Twice", ["x"], ["twice"], domain="mine"))
    found = bundled(proto)
    plain = bundled(made.net())
    output = output_of(plain.facts())
    assert found.predict(TABLE / 2, output).prediction == plain.predict(TABLE, output).prediction


def test_a_file(tmp_path: Path) -> None:
    good, pickled, outside = tmp_path / "net.onnx", tmp_path / "p.onnx", tmp_path / "e.onnx"
    onnx.save_model(made.net(), good)
    pickled.write_bytes(b"\x80\x04K\x01.")
    onnx.save_model(made.net(), outside, save_as_external_data=True, size_threshold=0)
    assert flavor_of_file(good).open_file(good, DEFAULT) == made.net()
    with pytest.raises(WrongFormatError, match="a pickle"):
        flavor_of_file(pickled).open_file(pickled, DEFAULT)
    with pytest.raises(UntrustedTypeError, match="lies in another file"):
        flavor_of_file(outside).open_file(outside, DEFAULT)
