"""
Nets made of PyTorch's own layers, as data: no class of anybody else is needed to build them again.

A layer is written down as its name and the arguments of its constructor, which it keeps as attributes of the same
names. What is rebuilt has to answer as the original did (`building.py`), so that an attribute which is not what the
constructor was given is found when the net is saved.
"""

from __future__ import annotations

import inspect
import itertools
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from torch import nn

from cloche.errors import TamperedModelError

#: Layers of one tensor in and one out whose forward pass is their own arithmetic. Never a layer that calls anything.
_NAMES = """
    Linear Identity Flatten Unflatten Embedding EmbeddingBag
    Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout
    BatchNorm1d BatchNorm2d BatchNorm3d LayerNorm GroupNorm RMSNorm LocalResponseNorm
    InstanceNorm1d InstanceNorm2d InstanceNorm3d
    ReLU ReLU6 LeakyReLU PReLU RReLU ELU CELU SELU GELU SiLU Mish GLU Hardtanh Hardsigmoid Hardswish Hardshrink
    LogSigmoid Sigmoid Softplus Softshrink Softsign Tanh Tanhshrink Threshold Softmax Softmin LogSoftmax
    Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d
    MaxPool1d MaxPool2d MaxPool3d AvgPool1d AvgPool2d AvgPool3d LPPool1d LPPool2d
    AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d
    ZeroPad1d ZeroPad2d ConstantPad1d ConstantPad2d ReflectionPad1d ReflectionPad2d ReplicationPad1d ReplicationPad2d
    Upsample PixelShuffle PixelUnshuffle ChannelShuffle
"""
LAYERS: Mapping[str, type[nn.Module]] = {name: getattr(nn, name) for name in _NAMES.split()}
_NOT_KEPT = frozenset({"device", "dtype", "_weight", "_freeze"})
#: More of them, or deeper, is no net that anybody saved.
MAX_LAYERS = 20_000
MAX_DEPTH = 100


def description(module: nn.Module) -> dict[str, Any] | None:
    """*module* as plain data, or None where it holds a class that is not PyTorch's own."""
    if type(module) is nn.Sequential:
        children = {name: description(child) for name, child in module.named_children()}
        return None if None in children.values() else {"layer": "Sequential", "children": children}
    name = type(module).__name__
    if LAYERS.get(name) is not type(module) or any(True for _ in module.children()):
        return None
    arguments = _arguments(module)
    return None if arguments is None else {"layer": name, "arguments": arguments}


def _arguments(module: nn.Module) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for parameter in inspect.signature(type(module)).parameters.values():
        if parameter.name in _NOT_KEPT or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.name == "bias":
            found["bias"] = module.bias is not None
        elif hasattr(module, parameter.name):
            value = getattr(module, parameter.name)
            if not _is_plain(value):
                return None
            found[parameter.name] = value
        elif parameter.default is inspect.Parameter.empty:
            return None
    return found


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(_is_plain(one) for one in value)
    return value is None or isinstance(value, (bool, int, float, str))


def build(described: Any) -> nn.Module:
    """
    The net that `description` wrote down.

    Raises:
        TamperedModelError: it is none, or a layer does not take its arguments.
    """
    return _built(described, 0, itertools.count())


def _built(described: Any, depth: int, count: itertools.count[int]) -> nn.Module:
    if depth > MAX_DEPTH or next(count) > MAX_LAYERS:
        raise TamperedModelError(f"manifest.json: options: module: more than {MAX_LAYERS} layers or {MAX_DEPTH} deep")
    if not isinstance(described, dict) or not isinstance(described.get("layer"), str):
        raise TamperedModelError("manifest.json: options: module: expected a layer")
    name = described["layer"]
    if name == "Sequential":
        children = described.get("children")
        if not isinstance(children, dict):
            raise TamperedModelError("manifest.json: options: module: expected the children of a Sequential")
        return _made(nn.Sequential, OrderedDict((key, _built(one, depth + 1, count)) for key, one in children.items()))
    kind = LAYERS.get(name)
    if kind is None:
        raise TamperedModelError(f"manifest.json: options: module: '{name}' is no layer that is built by name")
    arguments = described.get("arguments")
    if not isinstance(arguments, dict) or not all(_is_plain(one) for one in arguments.values()):
        raise TamperedModelError(f"manifest.json: options: module: {name}: expected plain arguments")
    return _made(kind, **{key: _tuples(one) for key, one in arguments.items()})


def _made(kind: type[nn.Module], *arguments: Any, **named: Any) -> nn.Module:
    try:
        return kind(*arguments, **named)
    except Exception as exc:  # whatever a constructor makes of arguments that were changed
        raise TamperedModelError(f"manifest.json: options: module: {kind.__name__}: {exc}") from exc


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value
