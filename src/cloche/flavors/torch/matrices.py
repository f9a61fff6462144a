"""A table of numbers as the one matrix that a net is shown."""

from __future__ import annotations

from typing import Any

import numpy as np

from cloche import tables
from cloche.flavors.torch.asking import Array
from cloche.records import Column, Table

_NUMBERS = frozenset({"boolean", "integer", "number"})
_LARGEST = {"float64": np.finfo(np.float64).max, "float16": np.finfo(np.float16).max}
_FLOAT32 = np.finfo(np.float32).max


def matrix_of(frame: Any, dtype: str) -> Array:
    """
    *frame* as (n, columns) float64, missing values as NaN.

    Raises:
        ValueError: a column holds no numbers, with the recipe; or a number is too large for *dtype*.
    """
    if isinstance(frame, np.ndarray) and frame.ndim == 2 and frame.dtype.kind in "fiub":
        matrix = frame.astype(np.float64)
    else:
        columns = [_numbers(column) for column in (frame if isinstance(frame, Table) else tables.read(frame))]
        matrix = np.column_stack(columns) if columns else np.empty((0, 0))
    largest = _LARGEST.get(dtype, _FLOAT32)
    if (np.abs(np.nan_to_num(matrix, posinf=0.0, neginf=0.0)) > largest).any():
        raise ValueError(f"a number is larger than {dtype} holds")
    return matrix


def _numbers(column: Column) -> Array:
    if column.kind not in _NUMBERS:
        raise ValueError(
            f"column '{column.name}' holds {column.kind}, and a net is shown one matrix of numbers. Turn it into "
            "numbers before training, and save with the table of numbers; or save steps and net as one function "
            "(package.module:function). Columns that the net is not shown belong in keys=[…] or context=[…]"
        )
    values = column.values.astype(np.float64)
    return np.where(column.missing, np.nan, values) if column.missing.any() else values


def some_rows(table: Table, most: int) -> Table:
    """The first *most* rows."""
    if table.rows <= most:
        return table
    columns = {one.name: Column(one.name, one.kind, one.values[:most], one.missing[:most], one.dtype) for one in table}
    return Table(columns, most, table.container)
