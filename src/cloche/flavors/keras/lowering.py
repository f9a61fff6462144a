"""
From a Keras model to ONNX, layer by layer: those of tables, whose arithmetic is short.

Keras' own export needs tf2onnx under TensorFlow; this needs neither TensorFlow nor a trace. For all other layers the
model stays with Keras, and the reason is told.
"""

from __future__ import annotations

from typing import Any

import keras

from cloche.errors import NotLoweredError
from cloche.flavors.keras.layers import LAYERS
from cloche.flavors.keras.session import KerasSession
from cloche.flavors.onnx.building import GraphBuilder

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
    "tensor(string)": "string",
}


def convert(session: KerasSession, outputs: list[str]) -> bytes:
    """
    The ONNX model of what *session* runs, with the same inputs and those of its *outputs*.

    Raises:
        NotLoweredError: a layer is not known here, or not with these settings; the message names it.
    """
    model = session.model
    if not getattr(model, "inputs", None):
        raise NotLoweredError(f"{type(model).__name__} is a class of its own, not a graph of layers")
    builder = GraphBuilder()
    known: dict[int, str] = {}
    for tensor, (name, (kind, shape)) in zip(model.inputs, session.inputs.items(), strict=True):
        known[id(tensor)] = builder.input(name, _DTYPES[kind], tuple(shape[1:]))
    lowering = _Lowering(builder, known)
    try:
        for tensor, name in zip(model.outputs, session.outputs, strict=True):
            if name in outputs:
                builder.output(lowering.value(tensor), name)
        return builder.to_bytes()
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as exc:
        # A layer of another release, or with a setting nobody thought of: it stays with Keras.
        raise NotLoweredError(f"the model cannot be read: {type(exc).__name__}: {exc}") from exc


class _Lowering:
    """Each tensor once; a tensor knows the layer that made it, and which call."""

    def __init__(self, builder: GraphBuilder, known: dict[int, str]) -> None:
        self._builder = builder
        self._known = known

    def value(self, tensor: Any) -> str:
        """The name of *tensor* in the graph."""
        if id(tensor) not in self._known:
            self._known[id(tensor)] = self._made(tensor)
        return self._known[id(tensor)]

    def _made(self, tensor: Any) -> str:
        layer, call, place = tensor._keras_history
        given = layer._inbound_nodes[call].arguments.keras_tensors
        inputs = [self.value(one) for one in given]
        if isinstance(layer, keras.Sequential | keras.Model) and getattr(layer, "inputs", None):
            inner = _Lowering(self._builder, {id(one): name for one, name in zip(layer.inputs, inputs, strict=True)})
            return inner.value(layer.outputs[place])
        lower = LAYERS.get(type(layer).__name__) if type(layer).__module__.startswith("keras.") else None
        if lower is None:
            raise NotLoweredError(f"the layer {type(layer).__name__} ('{layer.name}') is not known as ONNX here")
        policy = getattr(getattr(layer, "dtype_policy", None), "name", "float32")
        if policy != "float32":
            raise NotLoweredError(f"the layer '{layer.name}' computes in {policy}")
        return lower(layer, inputs, [tuple(one.shape) for one in given], self._builder)
