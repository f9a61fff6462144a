"""The home of polars: frames and series to columns, and columns back to the frame a model was fitted on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from cloche.records import Column, Columns, FrameColumn, FrameSpec, Table
from cloche.tables import dtypes, values

_DATETIME = re.compile(r"Datetime\(time_unit='(ms|us|ns)', time_zone=(?:None|'(.+)')\)")
_ARRAY = re.compile(r"Array\((\w+), shape=\((\d+),\)\)")
_LIST = re.compile(r"List\((\w+)\)")
_SIMPLE: dict[str, Any] = {
    str(one): one
    for one in (
        pl.Boolean, pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64,
        pl.Float32, pl.Float64, pl.String, pl.Date,
    )
}  # fmt: skip


# -- reading ------------------------------------------------------------------------------------


def read(data: Any, names: Sequence[str] | None) -> Table:
    """A DataFrame (or LazyFrame, collected) or a Series as a table."""
    if isinstance(data, pl.Series):
        default = "text" if data.dtype == pl.String else "x0"
        column = _column(names[0] if names else data.name or default, data)
        return Table({column.name: column}, len(data), "series")
    frame = data.collect() if isinstance(data, pl.LazyFrame) else data
    labels = frame.columns
    columns = {name: _column(name, frame.to_series(position)) for position, name in enumerate(labels)}
    return Table(columns, frame.height, "polars")


def _column(name: str, series: pl.Series) -> Column:
    dtype = series.dtype
    missing = series.is_null().to_numpy()
    if dtype.is_float():
        array = series.cast(pl.Float64).to_numpy().astype(np.float64)
        return Column(name, "number", array, missing | np.isnan(array), str(dtype))
    if dtype.is_integer() and dtype != pl.UInt64:
        return Column(name, "integer", series.cast(pl.Int64).fill_null(0).to_numpy(), missing, str(dtype))
    if dtype == pl.Boolean:
        return Column(name, "boolean", series.fill_null(False).to_numpy(), missing, str(dtype))
    if isinstance(dtype, pl.Datetime):
        return _datetimes(name, series, missing, dtype)
    if isinstance(dtype, pl.Enum):
        levels = tuple(dtype.categories.to_list())
        column = values.from_objects(name, series.cast(pl.String).to_list(), "Enum", levels=levels)
        return replace(column, ordered=True)
    if isinstance(dtype, pl.List | pl.Array):
        column = values.from_objects(name, series.to_list(), "")
        return replace(column, dtype=str(dtype))
    if isinstance(dtype, pl.Categorical):
        return values.from_objects(name, series.cast(pl.String).to_list(), "Categorical")
    return values.from_objects(name, series.to_list(), str(dtype))


def _datetimes(name: str, series: pl.Series, missing: np.ndarray[Any, Any], dtype: pl.Datetime) -> Column:
    epoch = series.dt.epoch("us").fill_null(0).to_numpy()
    zone = None if dtype.time_zone is None else values.zone_name(dtype.time_zone)
    return values.from_microseconds(name, epoch, missing, str(dtype), zone)


# -- building -----------------------------------------------------------------------------------


def build(columns: Columns, spec: FrameSpec) -> Any:
    """The DataFrame of *spec*, or its Series if it is one."""
    series = [_series(columns[column.name], column) for column in spec.columns]
    return series[0] if spec.container == "series" else pl.DataFrame(series)


def _series(items: Sequence[Any], column: FrameColumn) -> pl.Series:
    dtype, name = column.dtype, column.name
    if dtype == "Enum":
        known = set(column.levels or ())
        return pl.Series(name, [v if v in known else None for v in items], dtype=pl.Enum(list(column.levels or ())))
    if dtype == "Categorical":
        return pl.Series(name, items, dtype=pl.Categorical)
    if dtype == "Boolean":
        return pl.Series(name, [None if v is None else bool(v) for v in items], dtype=pl.Boolean)
    if match := _DATETIME.fullmatch(dtype):
        return pl.Series(name, items, dtype=pl.Datetime("us", match[2])).dt.cast_time_unit(match[1])  # type: ignore[arg-type]
    if match := _LIST.fullmatch(dtype):
        return pl.Series(name, items, dtype=pl.List(_SIMPLE[match[1]]))
    if match := _ARRAY.fullmatch(dtype):
        return pl.Series(name, items, dtype=pl.Array(_SIMPLE[match[1]], int(match[2])))
    return _simple(items, name, dtype)


def _simple(items: Sequence[Any], name: str, dtype: str) -> pl.Series:
    numpy_dtype = dtype.lower()
    if numpy_dtype not in dtypes.NUMPY_NUMBERS:
        return pl.Series(name, items, dtype=_SIMPLE.get(dtype))
    present = dtypes.numbers([0 if v is None else v for v in items], numpy_dtype)
    series = pl.Series(name, present)
    if any(v is None for v in items):
        gone = pl.Series([v is None for v in items])
        series = series.to_frame().select(pl.when(~gone).then(pl.col(name)).alias(name)).to_series()
    return series
