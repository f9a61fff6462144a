"""Columns of model values as the tensors that an interface describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cloche.onnx.interface import Tensor
from cloche.records import Columns

Array = np.ndarray[Any, Any]
Feeds = dict[str, Array]
#: Makes a tensor from columns and their length.
Maker = Callable[[Columns, int], Array]


def maker(tensor: Tensor) -> Maker:
    """
    The function that makes *tensor*.

    It raises ValueError where a value is missing, unknown or not finite and the interface does not say what then.
    """
    make = _texts if tensor.dtype == "string" else _numbers

    def made(columns: Columns, n: int) -> Array:
        found = make(tensor, columns, n)
        return found if tensor.shape is None else found.reshape(n, *tensor.shape)

    return made


def feeds(makers: Mapping[str, Maker], columns: Columns, n: int) -> Feeds:
    """Every input tensor for *n* rows, by name."""
    return {name: make(columns, n) for name, make in makers.items()}


def _texts(tensor: Tensor, columns: Columns, n: int) -> Array:
    found = np.empty((n, len(tensor.fields)), dtype=object)
    for place, name in enumerate(tensor.fields):
        values = columns[name]
        if tensor.missing is None and None in values:
            raise ValueError(f"{name}: a value is missing")
        found[:, place] = [tensor.missing if value is None else _text(value) for value in values]
    return found


def _text(value: Any) -> str:
    """Whole numbers as categories come as texts too; a boolean is spelled as JSON does."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _numbers(tensor: Tensor, columns: Columns, n: int) -> Array:
    parts = [_part(tensor, name, columns[name], n) for name in tensor.fields]
    found = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    if tensor.finite and found.dtype.kind == "f" and not np.isfinite(found).all():
        raise ValueError(f"{tensor.name}: a value is missing, or not finite in {tensor.dtype}")
    if tensor.limit is not None and (np.abs(found) > tensor.limit).any():  # a comparison with NaN is false
        raise ValueError(f"{tensor.name}: a value is beyond {tensor.limit:g}, where this form of the model ends")
    return found


def _part(tensor: Tensor, name: str, values: Sequence[Any], n: int) -> Array:
    if tensor.levels is not None:
        values = _places(tensor, name, values)
    stand_in: Any = float("nan") if tensor.missing == "nan" else tensor.missing
    if None in values:
        if stand_in is None:
            raise ValueError(f"{name}: a value is missing")
        values = [stand_in if value is None else value for value in values]
    # First float64: a number too large for the tensor's type becomes infinite there, and is no error of numpy's.
    if tensor.dtype.startswith("float"):
        with np.errstate(over="ignore"):
            return np.array(values, dtype=np.float64).astype(tensor.dtype, copy=False).reshape(n, -1)
    return _whole(np.array(values), name, tensor.dtype).reshape(n, -1)


def _whole(values: Array, name: str, dtype: str) -> Array:
    """What is no whole number, or too large, is refused: numpy would cut it off without a word."""
    if values.dtype.kind not in "biu" and not (values.dtype.kind == "f" and (np.trunc(values) == values).all()):
        raise ValueError(f"{name}: expected whole numbers")
    if dtype == "bool":
        return values.astype(np.bool_)
    limits = np.iinfo(dtype)
    if values.size and (values.min() < limits.min or values.max() >= limits.max + 1):
        raise ValueError(f"{name}: a number too large for {dtype}")
    return values.astype(dtype)


def _places(tensor: Tensor, name: str, values: Sequence[Any]) -> list[Any]:
    table = {level: place for place, level in enumerate(tensor.levels or ())}
    found: list[Any] = []
    for value in values:
        place = None if value is None else table.get(value, tensor.unknown)
        if place is None and value is not None:
            raise ValueError(f"{name}: an unknown level")
        found.append(place)
    return found
