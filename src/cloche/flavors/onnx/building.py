"""ONNX graphs built node by node, for flavors that know their layers' arithmetic."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cloche._version import __version__

#: onnxruntime of every supported release runs it, and LayerNormalization came with it.
OPSET: Final = 17
_ML_OPSET = 3
_IR_VERSION = 8
_TYPES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
}


class GraphBuilder:
    """Values are names; each node gives one."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._stored: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._count = 0

    def input(self, name: str, dtype: str, shape: tuple[int | None, ...]) -> str:
        """An input tensor; the first dimension are the rows."""
        dims = ["rows", *(one if one is not None else f"{name}_{place}" for place, one in enumerate(shape))]
        self._inputs.append(helper.make_tensor_value_info(name, _TYPES[dtype], dims))
        return name

    def constant(self, value: Any, dtype: str = "float32") -> str:
        """Numbers that the file stores."""
        name = self._name("constant")
        self._stored.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
        return name

    def node(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """One operation and its one result."""
        name = self._name(op.lower())
        self._nodes.append(helper.make_node(op, list(inputs), [name], domain=domain, **attributes))
        return name

    def output(self, value: str, name: str) -> None:
        """*value* is what the model answers, called *name*; a number a row and place."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))

    def to_bytes(self) -> bytes:
        """The finished model."""
        graph = helper.make_graph(self._nodes, "model", self._inputs, self._outputs, self._stored)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="cloche", producer_version=__version__
        )
        raw: bytes = onnx.shape_inference.infer_shapes(model).SerializeToString()
        return raw

    def _name(self, what: str) -> str:
        self._count += 1
        return f"{what}_{self._count}"
