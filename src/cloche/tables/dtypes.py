"""Arrays of a named numpy dtype from plain values, widened as pandas would where a value does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cloche.records import Column
from cloche.tables.values import object_array

_INTEGERS = frozenset(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
NUMPY_NUMBERS = _INTEGERS | {"float16", "float32", "float64"}


def numbers(items: Sequence[Any], dtype: str) -> np.ndarray[Any, Any]:
    """
    An array of *dtype*; `None` is NaN.

    An integer dtype becomes float64 where a value is missing or has a fraction, and int64 where one
    is too large for it: what pandas does with the same values.
    """
    with np.errstate(all="ignore"):
        if dtype not in _INTEGERS:
            return np.array(items, dtype=np.float64).astype(dtype)
        return _integers(items, dtype)


def _integers(items: Sequence[Any], dtype: str) -> np.ndarray[Any, Any]:
    if all(type(item) is int for item in items):
        try:
            return _fitting(np.array(items, dtype=np.int64), dtype)
        except OverflowError:
            pass
    floats = np.array(items, dtype=np.float64)
    whole = np.isfinite(floats) & (np.trunc(floats) == floats) & (np.abs(floats) < 2.0**63)
    return _fitting(floats.astype(np.int64), dtype) if whole.all() else floats


def _fitting(array: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    limits = np.iinfo(dtype)
    fits = array.size == 0 or (array.min() >= limits.min and int(array.max()) <= int(limits.max))
    return array.astype(dtype) if fits else array


def booleans(items: Sequence[Any], marker: str) -> np.ndarray[Any, Any]:
    """A bool array; an object one where a value is missing, as pandas keeps it."""
    if any(item is None for item in items):
        return object_array([_gone(marker) if item is None else bool(item) for item in items])
    return np.array([bool(item) for item in items], dtype=np.bool_)


def _gone(marker: str) -> float | None:
    return None if marker == "none" else np.nan


def objects(items: Sequence[Any], dtype: str, missing: Any) -> np.ndarray[Any, Any]:
    """An object array with *missing* for `None`; `object[ndarray]` and `object[list]` hold vectors."""
    if dtype == "object[ndarray]":
        return object_array([missing if v is None else np.asarray(v, dtype=np.float64) for v in items])
    if dtype == "object[list]":
        return object_array([missing if v is None else list(v) for v in items])
    return object_array([missing if v is None else v for v in items])


def natural(column: Column) -> str:
    """The dtype that pandas gives these values when it meets them in a file or in a list of dicts."""
    if column.kind == "integer":
        return "float64" if column.missing.any() else "int64"
    if column.kind == "boolean":
        return "object" if column.missing.any() else "bool"
    if column.kind == "datetime":
        return "datetime64[us]" if column.timezone is None else f"datetime64[us, {column.timezone}]"
    return {"number": "float64", "string": "str", "date": "datetime64[us]"}.get(column.kind, column.dtype)
