"""A Keras model as something that takes named tensors: `model(x, training=False)`, one call a batch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from cloche.errors import SaveRefusedError
from cloche.flavors.tensors.heads import Ending
from cloche.onnx import Interface
from cloche.onnx.feeds import Feeds

_TYPES = {
    "float32": "tensor(float)",
    "float64": "tensor(double)",
    "int64": "tensor(int64)",
    "int32": "tensor(int32)",
    "bool": "tensor(bool)",
    "string": "tensor(string)",
}
_ENDINGS: dict[str, Ending] = {"softmax": "softmax", "sigmoid": "sigmoid"}
#: The input of a Sequential, whose own name changes when it is opened, and of a class of one's own.
_UNNAMED = "x"
Ports = dict[str, tuple[str, tuple[Any, ...]]]


class KerasSession:
    """
    Inputs by the names of the `Input`s, outputs by those of the layers that make them.

    A class of one's own (no Sequential, no Functional) takes one matrix.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        tensors = getattr(model, "inputs", None) or []
        names = [_UNNAMED] if isinstance(model, keras.Sequential) else [one.name for one in tensors]
        self.inputs: Ports = {name: (_type(one), tuple(one.shape)) for name, one in zip(names, tensors, strict=True)}
        self.inputs = self.inputs or {_UNNAMED: (_TYPES["float32"], (None, None))}
        made = getattr(model, "outputs", None) or []
        self.outputs: Ports = {
            name: (_type(one), tuple(one.shape)) for name, one in zip(_output_names(model, made), made, strict=True)
        }
        self.outputs = self.outputs or {"output": (_TYPES["float32"], (None, None))}

    def check(self, interface: Interface) -> None:
        """Interfaces are made of this model itself."""

    def run(self, names: list[str], feeds: Feeds) -> dict[str, Any]:
        """
        The output tensors called *names*.

        Raises:
            ValueError: the model takes no such tensors; the message is Keras' own.
        """
        tensors = [_tensor(feeds[name]) for name in self.inputs]
        try:
            answered = self.model(self._packed(tensors), training=False)
        except Exception as exc:  # Keras and its backends raise classes of their own
            raise ValueError(" ".join(str(exc).split())[:300]) from exc
        found = [keras.ops.convert_to_numpy(one) for one in keras.tree.flatten(answered)]
        return {name: value for name, value in zip(self.outputs, found, strict=True) if name in names}

    def _packed(self, tensors: list[Any]) -> Any:
        """In the structure that the model was built with: one tensor, a list, a dict."""
        if isinstance(self.model, keras.Sequential) or not getattr(self.model, "inputs", None):
            return tensors[0]
        return keras.tree.pack_sequence_as(self.model.input, tensors)

    def ending(self, name: str) -> Ending:
        """What the layer that makes the output called *name* ends in."""
        made = getattr(self.model, "outputs", None)
        if not made:
            return "other"
        return _ending(_maker(made[list(self.outputs).index(name)]))


def _type(tensor: Any) -> str:
    return _TYPES.get(str(tensor.dtype), f"tensor({tensor.dtype})")


def _tensor(array: Any) -> Any:
    return keras.ops.convert_to_tensor(array.astype(np.str_) if array.dtype == object else array)


def _output_names(model: Any, made: Any) -> list[str]:
    names = [] if isinstance(model, keras.Sequential) else list(getattr(model, "output_names", None) or [])
    if len(names) == len(made) and len(set(names)) == len(names):
        return names
    return [f"output{place}" for place in range(len(made))] if len(made) > 1 else ["output"] * len(made)


def _maker(tensor: Any) -> Any:
    history = getattr(tensor, "_keras_history", None)
    return None if history is None else history.operation


def _ending(layer: Any) -> Ending:
    inner = getattr(layer, "outputs", None)
    if inner:
        return _ending(_maker(inner[0]))
    if type(layer) is keras.layers.Softmax:
        return "softmax"
    return _ENDINGS.get(getattr(getattr(layer, "activation", None), "__name__", ""), "other")


def refuse_unbuilt(model: Any) -> None:
    """
    Raises:
        SaveRefusedError: no weights yet: it has never been called.
    """
    if not model.built:
        raise SaveRefusedError(
            "the model has never been called, so it has no weights: begin it with keras.Input, or fit it"
        )
