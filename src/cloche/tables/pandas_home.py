"""The home of pandas: frames and series to columns, and columns back to the exact frame a model was fitted on."""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from cloche.errors import UsageError
from cloche.records import Column, Columns, FrameColumn, FrameSpec, Table
from cloche.tables import dtypes, values

_DATETIME = re.compile(r"datetime64\[(s|ms|us|ns)(?:, (.+))?\]")
_SPARSE = re.compile(r"Sparse\[(\w+), (.+)\]")
_MARKERS = {"nan": np.nan, "none": None, "na": pd.NA}


# -- reading ------------------------------------------------------------------------------------


def read(data: Any, names: Sequence[str] | None) -> Table:
    """A DataFrame or a Series as a table."""
    if isinstance(data, pd.Series):
        column = _column(names[0] if names else _series_name(data), data)
        return Table({column.name: column}, len(data), "series")
    labels = list(data.columns)
    if data.columns.nlevels > 1:
        raise UsageError("expected one row of column names, got a MultiIndex; flatten it before fitting")
    unnamed = all(isinstance(label, int) for label in labels)
    names = names if names is not None and unnamed and len(names) == len(labels) else None
    columns = {}
    for position, label in enumerate(labels):
        name = names[position] if names else str(label)
        if name in columns:
            raise UsageError(f"column {name!r} appears twice")
        column = _column(name, data.iloc[:, position])
        columns[name] = replace(column, label=label) if isinstance(label, int) and not names else column
    return Table(columns, len(data), "pandas")


def _series_name(series: pd.Series[Any]) -> str:
    if series.name is not None:
        return str(series.name)
    return "text" if pd.api.types.is_string_dtype(series.dtype) else "x0"


def _column(name: str, series: pd.Series[Any]) -> Column:
    dtype = series.dtype
    missing = series.isna().to_numpy(np.bool_)
    if isinstance(dtype, pd.CategoricalDtype):
        return _categorical(name, series, dtype)
    if isinstance(dtype, pd.SparseDtype):
        return replace(_column(name, series.sparse.to_dense()), dtype=str(dtype))
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return _datetimes(name, series, missing)
    if pd.api.types.is_bool_dtype(dtype) and str(dtype) != "object":
        return Column(name, "boolean", series.to_numpy(np.bool_, na_value=False), missing, str(dtype))
    if pd.api.types.is_integer_dtype(dtype):
        return _integers(name, series, missing)
    if pd.api.types.is_float_dtype(dtype):
        return Column(name, "number", series.to_numpy(np.float64, na_value=np.nan), missing, str(dtype))
    if isinstance(dtype, pd.StringDtype):
        text = values.object_array([*series.astype(object).where(~missing, "")])
        spelled = str(dtype) if str(dtype) == "str" else f"string[{dtype.storage}]"
        return Column(name, "string", text, missing, spelled)
    if pd.api.types.is_timedelta64_dtype(dtype) or isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype):
        return Column(name, "object", values.object_array(series.tolist()), missing, str(dtype))
    return values.from_objects(name, series.tolist(), str(dtype))


def _integers(name: str, series: pd.Series[Any], missing: np.ndarray[Any, Any]) -> Column:
    if len(series) and series.max(skipna=True) is not pd.NA and series.max(skipna=True) > values.INT64.max:
        return Column(name, "number", series.to_numpy(np.float64, na_value=np.nan), missing, str(series.dtype))
    if not missing.any():
        return Column(name, "integer", series.to_numpy(np.int64), missing, str(series.dtype))
    return Column(name, "integer", series.to_numpy(np.int64, na_value=0), missing, str(series.dtype))


def _datetimes(name: str, series: pd.Series[Any], missing: np.ndarray[Any, Any]) -> Column:
    dtype = str(series.dtype)
    zone = getattr(series.dt, "tz", None)
    naive = series if zone is None else series.dt.tz_convert("UTC").dt.tz_localize(None)
    epoch = naive.to_numpy("datetime64[us]").astype(np.int64)
    return values.from_microseconds(name, epoch, missing, dtype, None if zone is None else values.zone_name(str(zone)))


def _categorical(name: str, series: pd.Series[Any], dtype: pd.CategoricalDtype) -> Column:
    levels = tuple(dtype.categories.tolist())
    if values.kind_of(levels) not in ("string", "integer", "number", "boolean"):
        kind = type(levels[0]).__name__
        raise UsageError(
            f"column {name!r}: categories of {kind} cannot be sent as JSON; "
            f"convert with X[{name!r}].astype(str).astype('category') before fitting"
        )
    inferred = pd.Index(list(levels)).dtype
    spelled = "category" if inferred == dtype.categories.dtype else f"category[{dtype.categories.dtype}]"
    codes = series.cat.codes.to_numpy()
    lookup = values.object_array([*levels, None])
    column = values.from_objects(name, lookup[codes], spelled, levels=levels)
    return replace(column, ordered=bool(dtype.ordered), marker="nan")


# -- building -----------------------------------------------------------------------------------


def build(columns: Columns, spec: FrameSpec) -> Any:
    """The DataFrame of *spec*, or its Series if it is one."""
    if spec.container == "series":
        column = spec.columns[0]
        return pd.Series(_array(columns[column.name], column), name=column.name)
    labels = [column.name if column.label is None else column.label for column in spec.columns]
    arrays = dict(enumerate(_array(columns[column.name], column) for column in spec.columns))
    frame = pd.DataFrame(arrays, copy=False)
    frame.columns = pd.Index(labels)
    return frame


def _array(items: Sequence[Any], column: FrameColumn) -> Any:
    dtype = column.dtype
    if dtype in dtypes.NUMPY_NUMBERS:
        return dtypes.numbers(items, dtype)
    if dtype == "bool":
        return _as_objects(dtypes.booleans(items, column.marker))
    if dtype.startswith("category"):
        return _build_categorical(items, column)
    if dtype.startswith("object"):
        return _as_objects(dtypes.objects(items, dtype, _MARKERS[column.marker]))
    if match := _DATETIME.fullmatch(dtype):
        return _build_datetimes(items, match[1], match[2])
    return _extension(items, dtype)


def _as_objects(array: np.ndarray[Any, Any]) -> Any:
    """The array as a frame keeps it: pandas would make text of objects that are all text."""
    return pd.Series(array, dtype=object) if array.dtype == object else array


def _extension(items: Sequence[Any], dtype: str) -> Any:
    if match := _SPARSE.fullmatch(dtype):
        return pd.arrays.SparseArray(dtypes.numbers(items, match[1]), fill_value=float(match[2]))
    try:
        return pd.array(list(items), dtype=dtype)
    except (TypeError, ValueError, OverflowError):
        # A fraction where the training column held whole numbers: what pandas itself would widen to.
        return pd.array(dtypes.numbers(items, "float64"), dtype="Float64")


def _build_categorical(items: Sequence[Any], column: FrameColumn) -> Any:
    levels = list(column.levels or ())
    inner = column.dtype.removeprefix("category").strip("[]")
    index = pd.Index(levels, dtype=inner) if inner else pd.Index(levels)
    codes = {level: code for code, level in enumerate(levels)}
    array = np.fromiter((codes.get(item, -1) for item in items), np.int64, len(items))
    return pd.Categorical.from_codes(array, dtype=pd.CategoricalDtype(index, ordered=column.ordered))


def _build_datetimes(items: Sequence[Any], unit: str, zone: str | None) -> Any:
    naive = np.array([_utc(item) for item in items], dtype="datetime64[us]")
    index = pd.DatetimeIndex(naive)
    # Nanoseconds end in 2262; microseconds hold every date that JSON can carry.
    with contextlib.suppress(pd.errors.OutOfBoundsDatetime):
        index = index.as_unit(unit)
    return index.array if zone is None else index.tz_localize("UTC").tz_convert(_zone(zone)).array


def _zone(zone: str) -> Any:
    return pd.DatetimeTZDtype("ns", zone).tz


def _utc(item: Any) -> Any:
    if isinstance(item, datetime.datetime) and item.tzinfo is not None:
        return item.astimezone(datetime.UTC).replace(tzinfo=None)
    return item


# -- parts of fitted models ---------------------------------------------------------------------


def to_data(part: Any, mark: str) -> dict[str, Any]:
    """
    A DataFrame, a Series or an Index as a dict of plain values, its kind under the key *mark*.

    Raises:
        UsageError: its dtype is not one of numbers, booleans, text or objects.
    """
    if isinstance(part, pd.DataFrame):
        columns = [to_data(part.iloc[:, place], mark) for place in range(part.shape[1])]
        labels, index = to_data(part.columns, mark), to_data(part.index, mark)
        return {mark: "frame", "columns": columns, "labels": labels, "index": index}
    dtype = str(part.dtype)
    if part.dtype.kind not in "biufO" and dtype not in ("str", "string"):
        raise UsageError(f"a table of dtype {dtype} inside a fitted step cannot be stored as data")
    plain: Any = part.to_numpy() if part.dtype.kind in "biuf" else part.astype(object).tolist()
    found = {mark: "index", "values": plain, "dtype": dtype, "name": part.name}
    return found if isinstance(part, pd.Index) else {**found, mark: "series", "index": to_data(part.index, mark)}


def from_data(data: dict[str, Any], mark: str) -> Any:
    """What `to_data` was given."""
    if data[mark] == "index":
        return pd.Index(data["values"], dtype=data["dtype"], name=data["name"])
    index = from_data(data["index"], mark)
    if data[mark] == "series":
        return pd.Series(data["values"], dtype=data["dtype"], name=data["name"], index=index)
    columns = {place: from_data(one, mark) for place, one in enumerate(data["columns"])}
    frame = pd.DataFrame(columns, index=index)
    frame.columns = from_data(data["labels"], mark)
    return frame
