"""Numpy arrays, lists of rows and lists of text to columns, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cloche.errors import UsageError
from cloche.records import Column, Columns, FrameColumn, FrameSpec, Table
from cloche.tables import dtypes, values

_MARKERS = {"nan": np.nan, "none": None, "na": np.nan}


# -- reading ------------------------------------------------------------------------------------


def read_array(data: np.ndarray[Any, Any], names: Sequence[str] | None) -> Table:
    """A 2-D array as columns (`x0`, `x1` … unless named); a 1-D one as a single series."""
    if data.ndim == 1:
        dtype = "str" if data.dtype.kind in "UT" else str(data.dtype)
        column = replace(_array_column("x0", data), dtype=f"numpy:{dtype}")
        name = names[0] if names else "text" if column.kind == "string" else "x0"
        return Table({name: replace(column, name=name)}, len(data), "series")
    if data.ndim != 2:
        raise UsageError(f"expected a table of rows and columns, got an array of {data.ndim} dimensions")
    labels = list(names) if names is not None else [f"x{position}" for position in range(data.shape[1])]
    if len(labels) != data.shape[1]:
        raise UsageError(f"expected {data.shape[1]} column names, got {len(labels)}")
    columns = {name: _array_column(name, data[:, position]) for position, name in enumerate(labels)}
    return Table(columns, data.shape[0], "numpy")


def _array_column(name: str, array: np.ndarray[Any, Any]) -> Column:
    none = np.zeros(len(array), dtype=np.bool_)
    if array.dtype.kind == "f":
        floats = array.astype(np.float64)
        return Column(name, "number", floats, np.isnan(floats), str(array.dtype))
    if array.dtype.kind == "b":
        return Column(name, "boolean", array.astype(np.bool_), none, "bool")
    if array.dtype.kind in "iu" and (array.size == 0 or int(array.max()) <= values.INT64.max):
        return Column(name, "integer", array.astype(np.int64), none, str(array.dtype))
    if array.dtype.kind == "M":
        missing = np.isnat(array)
        return values.from_microseconds(
            name, array.astype("datetime64[us]").astype(np.int64), missing, str(array.dtype), None
        )
    return values.from_objects(name, array.tolist(), "str" if array.dtype.kind in "UT" else str(array.dtype))


def read_rows(data: Sequence[Any], names: Sequence[str] | None) -> Table:
    """A list of dicts (by key), of lists (a 2-D array), or of text (a series)."""
    if data and all(isinstance(row, Mapping) for row in data):
        return _read_dicts(data)
    if data and all(isinstance(row, list | tuple) for row in data):
        width = {len(row) for row in data}
        if len(width) > 1:
            raise UsageError(f"expected rows of one length, got lengths {min(width)} to {max(width)}")
        flat = values.kind_of([item for row in data for item in row if not values.is_missing(item)])
        return read_array(np.array(data, dtype=None if flat in ("integer", "number", "boolean") else object), names)
    column = values.from_objects("text", data, "list")
    name = names[0] if names else "text" if column.kind == "string" else "x0"
    return Table({name: replace(column, name=name)}, len(data), "series")


def _read_dicts(rows: Sequence[Mapping[str, Any]]) -> Table:
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(map(str, row)))
    columns = {}
    for name in names:
        column = values.from_objects(name, [row.get(name) for row in rows], "object")
        columns[name] = replace(column, dtype=dtypes.natural(column))
    return Table(columns, len(rows), "list")


# -- building -----------------------------------------------------------------------------------


def build(columns: Columns, spec: FrameSpec) -> Any:
    """The 2-D array of *spec*; the 1-D array or the list where it is a series; dicts where it is a list."""
    if spec.container == "series":
        return _build_series(columns, spec)
    if spec.container == "list":
        return _build_dicts(columns, spec)
    parts = [_coded(columns[column.name], column) for column in spec.columns]
    if not parts:
        return np.empty((0, 0))
    if all(part.dtype == parts[0].dtype for part in parts):
        return np.stack(parts, axis=1)
    return np.stack(parts, axis=1, dtype=np.result_type(*parts), casting="unsafe")


def _coded(items: Sequence[Any], column: FrameColumn) -> np.ndarray[Any, Any]:
    """A column; of dtype `codes` the places of its levels as float64, NaN for every other value."""
    if column.dtype != "codes":
        return _part(items, column.dtype, column.marker)
    codes = {level: float(code) for code, level in enumerate(column.levels or ())}
    return np.array([codes.get(item, np.nan) for item in items])


def _part(items: Sequence[Any], dtype: str, marker: str) -> np.ndarray[Any, Any]:
    if dtype in dtypes.NUMPY_NUMBERS:
        return dtypes.numbers(items, dtype)
    if dtype == "bool":
        return dtypes.booleans(items, marker)
    if dtype.startswith("datetime64"):
        return np.array(items, dtype="datetime64[us]").astype(dtype)
    array = dtypes.objects(items, dtype, _MARKERS[marker])
    return array.astype(np.str_) if dtype == "str" and not any(item is None for item in items) else array


def _build_series(columns: Columns, spec: FrameSpec) -> Any:
    column = spec.columns[0]
    items = columns[column.name]
    if column.dtype.startswith("list"):
        missing = _MARKERS[column.marker]
        return [missing if item is None else item for item in items]
    return _part(items, column.dtype.removeprefix("numpy:"), column.marker)


def _build_dicts(columns: Columns, spec: FrameSpec) -> list[dict[str, Any]]:
    names = [column.name for column in spec.columns]
    rows = zip(*(columns[name] for name in names), strict=True)
    return [{name: item for name, item in zip(names, row, strict=True) if item is not None} for row in rows]
