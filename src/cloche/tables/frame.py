"""The frame a model was fitted on: described once when saving, built again from every request."""

from __future__ import annotations

from typing import Any

from cloche.records import Columns, FrameColumn, FrameSpec, Table
from cloche.tables import dtypes, numpy_home
from cloche.tables.read import home

_NEUTRAL: dict[str, Any] = {"str": "", "string": "", "String": "", "Categorical": ""}


def frame_spec(table: Table) -> FrameSpec:
    """The frame the model was fitted on, taken from the table it was fitted on."""
    columns = (FrameColumn(one.name, one.dtype, one.levels, one.ordered, one.marker, one.label) for one in table)
    return FrameSpec(table.container, tuple(columns))


def to_frame(columns: Columns, spec: FrameSpec, rows: int | None = None) -> Any:
    """
    Build the container of *spec* from plain values, with its dtypes.

    A column that *columns* lacks (one that no fitted step reads) is filled with a neutral value. *rows*
    is needed only where *columns* is empty.
    """
    count = rows if rows is not None else len(next(iter(columns.values()), ()))
    complete = {one.name: columns[one.name] if one.name in columns else _neutral(one, count) for one in spec.columns}
    if spec.container == "columns":
        return {name: list(values) for name, values in complete.items()}
    if spec.container in ("numpy", "list"):
        return numpy_home.build(complete, spec)
    if spec.container != "series":
        return home(spec.container).build(complete, spec)
    return _series_home(spec.columns[0]).build(complete, spec)


def _series_home(column: FrameColumn) -> Any:
    if column.dtype.startswith(("numpy:", "list")):
        return numpy_home
    return home("polars" if column.dtype[0].isupper() and column.dtype not in _PANDAS_CAPITALS else "pandas")


_PANDAS_CAPITALS = frozenset(
    {"Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64"}
)


def _neutral(column: FrameColumn, count: int) -> list[Any]:
    if column.levels:
        return [column.levels[0]] * count
    if column.dtype in dtypes.NUMPY_NUMBERS or column.dtype.lower() in dtypes.NUMPY_NUMBERS:
        return [0] * count
    if column.dtype in ("bool", "boolean", "Boolean"):
        return [False] * count
    return [_NEUTRAL.get(column.dtype.partition("[")[0])] * count
