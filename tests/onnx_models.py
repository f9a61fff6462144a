"""Small ONNX models made by hand, and defects to plant in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto as Types
from onnx import helper as make
from onnx import numpy_helper as arrays

RNG = np.random.default_rng(7)
KERNEL = RNG.normal(size=(3, 3)).astype(np.float32)


def model(
    nodes: list[Any],
    inputs: list[tuple[str, int, list[Any]]],
    outputs: list[tuple[str, int, list[Any]]],
    stored: dict[str, Any] | None = None,
    *,
    opset: int = 17,
    ml: int = 3,
) -> onnx.ModelProto:
    """A model of these nodes; inputs and outputs as (name, element type, shape)."""
    graph = make.make_graph(
        nodes,
        "made by hand",
        [make.make_tensor_value_info(*one) for one in inputs],
        [make.make_tensor_value_info(*one) for one in outputs],
        [arrays.from_array(value, name) for name, value in (stored or {}).items()],
    )
    domains = [make.make_opsetid("", opset), make.make_opsetid("ai.onnx.ml", ml)]
    return make.make_model(graph, opset_imports=domains, ir_version=9)


def net(end: str | None = "Softmax", *, rows: Any = "n", width: int = 3) -> onnx.ModelProto:
    """A matrix of three columns through one layer; *end* is the operator after it."""
    nodes = [make.make_node("Gemm", ["x", "kernel"], ["z" if end else "out"])]
    nodes += [make.make_node(end, ["z"], ["out"])] if end else []
    stored = {"kernel": KERNEL[:, :width]}
    return model(nodes, [("x", Types.FLOAT, [rows, 3])], [("out", Types.FLOAT, [rows, width])], stored)


def tree(**attributes: Any) -> onnx.ModelProto:
    """x0 <= 0.5: "no" else "yes"; *attributes* replace those of the tree."""
    said: dict[str, Any] = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values": [0.5, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "class_treeids": [0, 0],
        "class_nodeids": [1, 2],
        "class_ids": [0, 1],
        "class_weights": [1.0, 1.0],
        "classlabels_strings": ["no", "yes"],
        "post_transform": "NONE",
    }
    node = make.make_node(
        "TreeEnsembleClassifier", ["x"], ["label", "probabilities"], domain="ai.onnx.ml", **said | attributes
    )
    outputs = [("label", Types.STRING, ["n"]), ("probabilities", Types.FLOAT, ["n", 2])]
    return model([node], [("x", Types.FLOAT, ["n", 3])], outputs)


def mixed() -> onnx.ModelProto:
    """Columns by name, a number and a text: two numbers added to what stands for the text."""
    nodes = [
        make.make_node(
            "LabelEncoder",
            ["colour"],
            ["code"],
            domain="ai.onnx.ml",
            keys_strings=["blue", "red"],
            values_floats=[1.0, 2.0],
            default_float=0.0,
        ),
        make.make_node("Add", ["size", "code"], ["value"]),
    ]
    inputs = [("size", Types.FLOAT, ["n", 1]), ("colour", Types.STRING, ["n", 1])]
    return model(nodes, inputs, [("value", Types.FLOAT, ["n", 1])])
