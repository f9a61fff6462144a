"""The layers of networks for tables, as ONNX operations: one function a layer, `(layer, inputs, shapes, builder)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from cloche.errors import NotLoweredError
from cloche.flavors.onnx.building import GraphBuilder

Shapes = list[tuple[int | None, ...]]
Lower = Callable[[Any, list[str], Shapes, GraphBuilder], str]
_ML = "ai.onnx.ml"


# -- activations --------------------------------------------------------------------------------


def activated(function: Any, value: str, builder: GraphBuilder) -> str:
    """
    *value* through an activation function of Keras.

    Raises:
        NotLoweredError: it is another one.
    """
    name = getattr(function, "__name__", str(function))
    make = _ACTIVATIONS.get(name)
    if make is None or getattr(keras.activations, name, None) is not function:
        raise NotLoweredError(f"the activation '{name}' is not known as ONNX here")
    return make(value, builder)


def _gelu(value: str, builder: GraphBuilder) -> str:
    """x / 2 · (1 + erf(x / √2)), Keras' default."""
    inner = builder.node("Erf", builder.node("Mul", value, builder.constant(np.sqrt(0.5))))
    half = builder.node("Mul", value, builder.constant(0.5))
    return builder.node("Mul", half, builder.node("Add", inner, builder.constant(1.0)))


def _mish(value: str, builder: GraphBuilder) -> str:
    return builder.node("Mul", value, builder.node("Tanh", builder.node("Softplus", value)))


def _plain(op: str, **attributes: Any) -> Callable[[str, GraphBuilder], str]:
    return lambda value, builder: builder.node(op, value, **attributes)


_ACTIVATIONS: dict[str, Callable[[str, GraphBuilder], str]] = {
    "linear": lambda value, _: value,
    "relu": _plain("Relu"),
    "sigmoid": _plain("Sigmoid"),
    "tanh": _plain("Tanh"),
    "softmax": _plain("Softmax", axis=-1),
    "log_softmax": _plain("LogSoftmax", axis=-1),
    "elu": _plain("Elu", alpha=1.0),
    "selu": _plain("Selu"),
    "softplus": _plain("Softplus"),
    "softsign": _plain("Softsign"),
    "exponential": _plain("Exp"),
    "hard_sigmoid": _plain("HardSigmoid", alpha=1.0 / 6.0, beta=0.5),
    "leaky_relu": _plain("LeakyRelu", alpha=0.2),
    "gelu": _gelu,
    "mish": _mish,
    "silu": lambda value, builder: builder.node("Mul", value, builder.node("Sigmoid", value)),
    "relu6": lambda value, builder: builder.node("Clip", value, builder.constant(0.0), builder.constant(6.0)),
}


def _activation(layer: Any, inputs: list[str], _: Shapes, builder: GraphBuilder) -> str:
    return activated(layer.activation, inputs[0], builder)


def _relu(layer: Any, inputs: list[str], _: Shapes, builder: GraphBuilder) -> str:
    if layer.threshold:
        raise NotLoweredError(f"the layer '{layer.name}' has a threshold")
    slope = float(layer.negative_slope or 0.0)
    value = builder.node("LeakyRelu", inputs[0], alpha=slope) if slope else builder.node("Relu", inputs[0])
    return value if layer.max_value is None else builder.node("Min", value, builder.constant(layer.max_value))


def _leaky(layer: Any, inputs: list[str], _: Shapes, builder: GraphBuilder) -> str:
    return builder.node("LeakyRelu", inputs[0], alpha=float(layer.negative_slope))


def _elu(layer: Any, inputs: list[str], _: Shapes, builder: GraphBuilder) -> str:
    return builder.node("Elu", inputs[0], alpha=float(layer.alpha))


def _prelu(layer: Any, inputs: list[str], _: Shapes, builder: GraphBuilder) -> str:
    return builder.node("PRelu", inputs[0], builder.constant(_array(layer.alpha)))


def _softmax(layer: Any, inputs: list[str], _: Shapes, builder: GraphBuilder) -> str:
    return builder.node("Softmax", inputs[0], axis=_last(layer))


# -- arithmetic ---------------------------------------------------------------------------------


def _dense(layer: Any, inputs: list[str], _: Shapes, builder: GraphBuilder) -> str:
    value = builder.node("MatMul", inputs[0], builder.constant(_array(layer.kernel)))
    if layer.use_bias:
        value = builder.node("Add", value, builder.constant(_array(layer.bias)))
    return activated(layer.activation, value, builder)


def _batch_normalization(layer: Any, inputs: list[str], shapes: Shapes, builder: GraphBuilder) -> str:
    _need_last(layer, layer.axis, shapes)
    scale = 1.0 / np.sqrt(_wide(layer.moving_variance) + layer.epsilon)
    scale = scale * _wide(layer.gamma) if layer.scale else scale
    offset = (_wide(layer.beta) if layer.center else 0.0) - _wide(layer.moving_mean) * scale
    return builder.node("Add", builder.node("Mul", inputs[0], builder.constant(scale)), builder.constant(offset))


def _layer_normalization(layer: Any, inputs: list[str], shapes: Shapes, builder: GraphBuilder) -> str:
    _need_last(layer, layer.axis, shapes)
    width = int(shapes[0][-1] or 1)
    gamma = _array(layer.gamma) if layer.scale else np.ones(width)
    beta = _array(layer.beta) if layer.center else np.zeros(width)
    return builder.node(
        "LayerNormalization",
        inputs[0],
        builder.constant(gamma),
        builder.constant(beta),
        axis=-1,
        epsilon=float(layer.epsilon),
    )


def _normalization(layer: Any, inputs: list[str], _: Shapes, builder: GraphBuilder) -> str:
    mean, spread = _wide(layer.mean), np.maximum(np.sqrt(_wide(layer.variance)), keras.config.epsilon())
    if layer.invert:
        raise NotLoweredError(f"the layer '{layer.name}' is inverted")
    centred = builder.node("Sub", inputs[0], builder.constant(mean.reshape(mean.shape[1:] or (1,))))
    return builder.node("Div", centred, builder.constant(spread.reshape(spread.shape[1:] or (1,))))


def _rescaling(layer: Any, inputs: list[str], _: Shapes, builder: GraphBuilder) -> str:
    scaled = builder.node("Mul", inputs[0], builder.constant(layer.scale))
    return builder.node("Add", scaled, builder.constant(layer.offset))


def _merged(op: str) -> Lower:
    def lower(layer: Any, inputs: list[str], shapes: Shapes, builder: GraphBuilder) -> str:
        if len({len(shape) for shape in shapes}) != 1:
            raise NotLoweredError(f"the layer '{layer.name}' joins tensors of different ranks")
        value = inputs[0]
        for one in inputs[1:]:
            value = builder.node(op, value, one)
        return value

    return lower


def _average(layer: Any, inputs: list[str], shapes: Shapes, builder: GraphBuilder) -> str:
    total = _merged("Add")(layer, inputs, shapes, builder)
    return builder.node("Div", total, builder.constant(float(len(inputs))))


# -- shapes -------------------------------------------------------------------------------------


def _same(_: Any, inputs: list[str], __: Shapes, ___: GraphBuilder) -> str:
    """Only training differs."""
    return inputs[0]


def _concatenate(layer: Any, inputs: list[str], _: Shapes, builder: GraphBuilder) -> str:
    return builder.node("Concat", *inputs, axis=int(layer.axis))


def _flatten(layer: Any, inputs: list[str], shapes: Shapes, builder: GraphBuilder) -> str:
    if len(shapes[0]) == 1:
        return builder.node("Unsqueeze", inputs[0], builder.constant([1], "int64"))
    return builder.node("Flatten", inputs[0], axis=1)


def _reshape(layer: Any, inputs: list[str], _: Shapes, builder: GraphBuilder) -> str:
    target = [0, *(int(one) for one in layer.target_shape)]  # 0: as many rows as before
    return builder.node("Reshape", inputs[0], builder.constant(target, "int64"))


def _embedding(layer: Any, inputs: list[str], _: Shapes, builder: GraphBuilder) -> str:
    if layer.mask_zero:
        raise NotLoweredError(f"the layer '{layer.name}' masks zeros")
    places = builder.node("Cast", inputs[0], to=7)
    return builder.node("Gather", builder.constant(_array(layer.embeddings)), places)


# -- categories ---------------------------------------------------------------------------------


def _string_lookup(layer: Any, inputs: list[str], shapes: Shapes, builder: GraphBuilder) -> str:
    words = [str(one) for one in layer.get_vocabulary()]
    return _looked_up(layer, inputs[0], shapes, builder, {"keys_strings": words})


def _integer_lookup(layer: Any, inputs: list[str], shapes: Shapes, builder: GraphBuilder) -> str:
    numbers = [int(one) for one in layer.get_vocabulary()]
    return _looked_up(layer, builder.node("Cast", inputs[0], to=7), shapes, builder, {"keys_int64s": numbers})


def _looked_up(layer: Any, value: str, shapes: Shapes, builder: GraphBuilder, keys: dict[str, list[Any]]) -> str:
    """A category's place in the vocabulary, whose first place is for all that are not in it."""
    if layer.num_oov_indices != 1 or layer.mask_token is not None or layer.invert:
        raise NotLoweredError(f"the layer '{layer.name}' has a mask, several places for unknown values, or is inverted")
    [(kind, words)] = keys.items()
    places = builder.node(
        "LabelEncoder",
        value,
        domain=_ML,
        **{kind: words[1:]},
        values_int64s=list(range(1, len(words))),
        default_int64=0,
    )
    if layer.output_mode == "int":
        return places
    return _one_hot(layer, layer.output_mode, places, len(words), shapes, builder)


def _category_encoding(layer: Any, inputs: list[str], shapes: Shapes, builder: GraphBuilder) -> str:
    places = builder.node("Cast", inputs[0], to=7)
    return _one_hot(layer, layer.output_mode, places, int(layer.num_tokens), shapes, builder)


def _one_hot(layer: Any, mode: str, places: str, depth: int, shapes: Shapes, builder: GraphBuilder) -> str:
    if mode not in ("one_hot", "multi_hot") or len(shapes) != 1 or tuple(shapes[0][1:]) != (1,):
        raise NotLoweredError(f"the layer '{layer.name}' encodes more than one category a row, or as {mode}")
    flat = builder.node("Reshape", places, builder.constant([-1], "int64"))
    off_on = builder.constant([0.0, 1.0])
    return builder.node("OneHot", flat, builder.constant([depth], "int64"), off_on, axis=-1)


# -- parameters ---------------------------------------------------------------------------------


def _array(variable: Any) -> Any:
    return keras.ops.convert_to_numpy(variable)


def _wide(variable: Any) -> Any:
    """In float64, so that what is folded is rounded once."""
    return np.asarray(keras.ops.convert_to_numpy(variable), dtype=np.float64)


def _last(layer: Any) -> int:
    axis = layer.axis[0] if isinstance(layer.axis, (list, tuple)) else layer.axis
    return int(axis)


def _need_last(layer: Any, axis: Any, shapes: Shapes) -> None:
    given = list(axis) if isinstance(axis, (list, tuple)) else [axis]
    if given not in ([-1], [len(shapes[0]) - 1]):
        raise NotLoweredError(f"the layer '{layer.name}' normalizes along axis {axis}")


LAYERS: dict[str, Lower] = {
    "Activation": _activation,
    "ActivityRegularization": _same,
    "Add": _merged("Add"),
    "AlphaDropout": _same,
    "Average": _average,
    "BatchNormalization": _batch_normalization,
    "CategoryEncoding": _category_encoding,
    "Concatenate": _concatenate,
    "Dense": _dense,
    "Dropout": _same,
    "ELU": _elu,
    "Embedding": _embedding,
    "Flatten": _flatten,
    "GaussianDropout": _same,
    "GaussianNoise": _same,
    "Identity": _same,
    "IntegerLookup": _integer_lookup,
    "LayerNormalization": _layer_normalization,
    "LeakyReLU": _leaky,
    "Maximum": _merged("Max"),
    "Minimum": _merged("Min"),
    "Multiply": _merged("Mul"),
    "Normalization": _normalization,
    "PReLU": _prelu,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "Softmax": _softmax,
    "SpatialDropout1D": _same,
    "StringLookup": _string_lookup,
    "Subtract": _merged("Sub"),
}
