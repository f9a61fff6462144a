"""
From Python values to one `Column`: what kind they are, which are missing, which marker stands for missing.

The homes call it for whatever their library keeps as objects. No library but numpy is met here.
"""

from __future__ import annotations

import datetime
import decimal
import math
import numbers
from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from cloche.errors import UsageError
from cloche.records import Column, Kind, Marker

INT64 = np.iinfo(np.int64)
_FILLERS: dict[str, Any] = {"boolean": False, "integer": 0, "number": math.nan, "string": ""}
_ARRAYS: dict[str, Any] = {"boolean": np.bool_, "integer": np.int64, "number": np.float64}


def is_missing(value: Any) -> bool:
    """None, NaN, NaT and pandas' NA are missing; an empty string is not."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating | decimal.Decimal) and bool(value != value)


def marker_of(values: Iterable[Any]) -> Marker:
    """What the column writes where a value is missing: `None` only if it writes nothing else."""
    seen = {"none" if v is None else "na" if type(v).__name__ == "NAType" else "nan" for v in values}
    return "none" if seen == {"none"} else "na" if seen == {"na"} else "nan"


def from_objects(
    name: str, values: Sequence[Any] | np.ndarray[Any, Any], dtype: str, *, levels: tuple[Any, ...] | None = None
) -> Column:
    """The column that these Python values are; values of several kinds make an `object` column."""
    items = list(values)
    missing = np.fromiter((is_missing(v) for v in items), dtype=np.bool_, count=len(items))
    present = [v for v, gone in zip(items, missing, strict=True) if not gone]
    kind = kind_of(present)
    if kind == "integer" and not all(INT64.min <= v <= INT64.max for v in present):
        kind = "number"
    marker: Marker = marker_of(v for v, gone in zip(items, missing, strict=True) if gone)
    if kind == "datetime":
        return datetimes(name, items, missing, dtype, marker=marker)
    if kind == "vector":
        dtype = f"{dtype}[list]" if isinstance(present[0], list | tuple) else f"{dtype}[ndarray]"
        items = [np.zeros(0) if gone else np.asarray(v, np.float64) for v, gone in zip(items, missing, strict=True)]
    array = _array(kind, items, missing)
    return Column(name, kind, array, missing, dtype, levels=levels, marker=marker)


def kind_of(present: Sequence[Any]) -> Kind:
    """The one kind that all of these values are; `object` where they are of several, `string` where there are none."""
    types = set(map(type, present))
    for kind, test in _TESTS:
        if all(test(one) for one in types):
            return kind
    if all(issubclass(one, list | tuple | np.ndarray) for one in types) and all(map(_is_vector, present)):
        return "vector"
    return "object"


def _is_bool(one: type) -> bool:
    return issubclass(one, bool | np.bool_)


def _is_number(one: type) -> bool:
    return issubclass(one, numbers.Real | decimal.Decimal | np.bool_)


_TESTS: tuple[tuple[Kind, Any], ...] = (
    ("string", lambda one: issubclass(one, str)),
    ("boolean", _is_bool),
    ("integer", lambda one: issubclass(one, numbers.Integral) and not _is_bool(one)),
    ("number", _is_number),
    ("datetime", lambda one: issubclass(one, datetime.datetime)),
    ("date", lambda one: issubclass(one, datetime.date) and not issubclass(one, datetime.datetime)),
)


def _is_vector(value: Any) -> bool:
    array = np.asarray(value) if isinstance(value, np.ndarray) else None
    if array is not None:
        return array.ndim == 1 and array.dtype.kind in "biuf"
    return all(isinstance(item, numbers.Real) for item in value)


def _array(kind: Kind, items: list[Any], missing: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    filler = _FILLERS.get(kind)
    if missing.any():
        items = [filler if gone and kind != "vector" else v for v, gone in zip(items, missing, strict=True)]
    if kind in _ARRAYS:
        return np.array(items, dtype=_ARRAYS[kind])
    return object_array([str(v) for v in items] if kind == "string" else items)


def object_array(items: Sequence[Any]) -> np.ndarray[Any, Any]:
    """A 1-D object array of exactly these items; `np.array` would unpack lists of one length."""
    array = np.empty(len(items), dtype=object)
    array[:] = items if not any(isinstance(v, np.ndarray | list | tuple) for v in items[:1]) else _boxed(items)
    return array


def _boxed(items: Sequence[Any]) -> np.ndarray[Any, Any]:
    boxed = np.empty(len(items), dtype=object)
    for position, item in enumerate(items):
        boxed[position] = item
    return boxed


# -- dates and times ----------------------------------------------------------------------------


def datetimes(
    name: str, items: Sequence[Any], missing: np.ndarray[Any, Any], dtype: str, *, marker: Marker = "nan"
) -> Column:
    """A datetime column: naive, or aware with one zone; naive and aware mixed make an `object` column."""
    present = [v for v, gone in zip(items, missing, strict=True) if not gone]
    aware = {v.utcoffset() is not None for v in present}
    if len(aware) > 1:
        return Column(name, "object", object_array(list(items)), missing, dtype, marker=marker)
    zone = _common_zone(present) if aware == {True} else None
    plain = [_FILL if gone else plain_datetime(v, zone) for v, gone in zip(items, missing, strict=True)]
    return Column(name, "datetime", object_array(plain), missing, dtype, timezone=zone, marker=marker)


_FILL = datetime.datetime(1970, 1, 1)


def plain_datetime(value: datetime.datetime, zone: str | None) -> datetime.datetime:
    """*value* as a `datetime.datetime` (not a subclass of it), in *zone* if it is aware."""
    if zone is not None:
        value = value.astimezone(ZoneInfo(zone))
    return datetime.datetime(
        value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond,
        tzinfo=value.tzinfo, fold=value.fold,
    )  # fmt: skip


def _common_zone(present: Sequence[datetime.datetime]) -> str:
    zones = {zone_name(str(v.tzinfo)) for v in present}
    return zones.pop() if len(zones) == 1 else "UTC"


def zone_name(text: str) -> str:
    """The IANA name if *text* is one, else `UTC` (a fixed offset has no name)."""
    try:
        return ZoneInfo(text).key
    except (KeyError, ValueError, OSError):
        return "UTC"


def from_microseconds(
    name: str, epoch_us: np.ndarray[Any, Any], missing: np.ndarray[Any, Any], dtype: str, zone: str | None
) -> Column:
    """A datetime column from microseconds since 1970 (in UTC where *zone* is given)."""
    stamps = np.where(missing, 0, epoch_us).astype("datetime64[us]").astype(object)
    if not all(isinstance(v, datetime.datetime) for v in stamps):
        raise UsageError(f"column {name!r}: expected dates of the years 1 to 9999, got others")
    if zone is not None:
        target = ZoneInfo(zone)
        stamps = object_array([v.replace(tzinfo=datetime.UTC).astimezone(target) for v in stamps])
    return Column(name, "datetime", stamps, missing, dtype, timezone=zone)
