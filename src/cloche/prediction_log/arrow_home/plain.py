"""Columns of Arrow tables as numpy arrays, for whoever counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Values = np.ndarray[Any, np.dtype[np.float64]]
Places = np.ndarray[Any, np.dtype[np.int64]]


def numbers_of(rows: Any, name: str) -> Values:
    """
    A column as float64, NaN where it is null: numbers, truth values, dates and moments (seconds since 1970), the norms
    of vectors. Text is all NaN.
    """
    column = _one(rows, name)
    kind = column.type
    if pa.types.is_list(kind):
        return _norms(column)
    if pa.types.is_date32(kind):
        return np.asarray(_floats(column.cast(pa.int32())) * 86_400.0)
    if pa.types.is_timestamp(kind):
        return np.asarray(_floats(column.cast(pa.timestamp("us", kind.tz)).cast(pa.int64())) / 1e6)
    if pa.types.is_boolean(kind):
        return _floats(column.cast(pa.int8()))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _floats(column)
    return np.full(len(column), np.nan)


def is_floating(rows: Any, name: str) -> bool:
    """Whether a column is there and holds numbers that need not be whole."""
    return name in rows.column_names and pa.types.is_floating(rows.schema.field(name).type)


def whole_of(rows: Any, name: str) -> Places:
    """A column of whole numbers as int64, −1 where it is null; moments as microseconds since 1970."""
    column = _one(rows, name)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    return np.asarray(pc.fill_null(column.cast(pa.int64()), -1).to_numpy(zero_copy_only=False))


def lengths_of(rows: Any, name: str) -> Values:
    """How many characters the texts of a column have, NaN where one is null."""
    column = _one(rows, name)
    return _floats(pc.utf8_length(column)) if pa.types.is_string(column.type) else np.full(len(column), np.nan)


def codes_of(rows: Any, name: str) -> tuple[list[str], Places]:
    """The different values of a column as text, and for every row which of them it holds, −1 where it is null."""
    encoded = _one(rows, name).dictionary_encode()
    places = pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    return [str(value) for value in encoded.dictionary.to_pylist()], np.asarray(places)


def bytes_of(rows: Any, name: str, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The texts of a column in UTF-8 as (n, size) bytes, what is longer cut off, what is shorter filled with zeros."""
    column = _one(rows, name).cast(pa.binary())
    found = np.zeros((len(column), size), dtype=np.uint8)
    ends = pc.min_max(pc.binary_length(column)).as_py()
    width = ends["max"]
    if column.null_count == 0 and width == ends["min"] and width is not None:  # as ids are: no loop over the rows
        first = np.frombuffer(column.buffers()[1], dtype=np.int32)[column.offset] if width else 0
        data = np.frombuffer(column.buffers()[2], dtype=np.uint8) if width else found.ravel()
        found[:, :width] = data[first : first + len(column) * width].reshape(len(column), width)[:, :size]
        return found
    for place, value in enumerate(column.to_pylist()):
        held = np.frombuffer((value or b"")[:size], dtype=np.uint8)
        found[place, : len(held)] = held
    return found


def picked_rows(rows: Any, places: Places) -> Any:
    """The rows at *places*, in this order."""
    return rows.take(pa.array(places, pa.int64()))


def largest_of(rows: Any, name: str) -> Values:
    """Of a column of lists of numbers the largest of each, NaN where there is none."""
    column = _one(rows, name)
    found = np.full(len(column), np.nan)
    if not pa.types.is_list(column.type):
        return found
    flat = np.asarray(pc.list_flatten(column).cast(pa.float64()).to_numpy(zero_copy_only=False))
    sizes = np.asarray(pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False), dtype=np.int64)
    there = sizes > 0
    if there.any():
        starts = np.cumsum(sizes) - sizes
        found[there] = np.fmax.reduceat(flat, starts[there])
    return found


def lists_of(rows: Any, name: str, k: int) -> Values:
    """A column of lists of k numbers as (n, k); NaN where a list is null, of another length, or holds none."""
    column = _one(rows, name)
    found = np.full((len(column), k), np.nan)
    if not k or not pa.types.is_list(column.type):
        return found
    sizes = np.asarray(pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False), dtype=np.int64)
    flat = np.asarray(pc.list_flatten(column).cast(pa.float64()).to_numpy(zero_copy_only=False))
    fits = sizes == k
    found[fits] = flat[np.repeat(fits, sizes)].reshape(-1, k)
    return found


def texts_of(rows: Any, name: str) -> list[tuple[int, str]]:
    """Every text in a column of lists of text, with its row."""
    column = _one(rows, name)
    parents = pc.list_parent_indices(column).to_pylist()
    return list(zip(parents, pc.list_flatten(column).to_pylist(), strict=True))


def _one(rows: Any, name: str) -> Any:
    column = rows.column(name)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _floats(column: Any) -> Values:
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False))


def _norms(column: Any) -> Values:
    found = np.full(len(column), np.nan)
    for place, value in enumerate(column.to_pylist()):
        if value is not None:
            found[place] = float(np.linalg.norm(np.array(value, dtype=np.float64)))
    return found
