"""pandas, polars, numpy, CSV → columns → the frame the model was fitted on, dtype by dtype."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal as assert_polars_equal

from cloche import tables

NAIVE = [dt.datetime(2024, 1, 2, 3, 4, 5, 600), dt.datetime(1969, 12, 31), dt.datetime(2100, 1, 1)]
STAMPS = pd.to_datetime(NAIVE)


def again(data: Any) -> Any:
    table = tables.read(data)
    return tables.to_frame(table.to_columns(), tables.frame_spec(table))


PANDAS = [
    pytest.param(pd.Series([1, -2, 3]), id="int64"),
    pytest.param(pd.Series([1, 2, 3], dtype="int8"), id="int8"),
    pytest.param(pd.Series([1, 2, 3], dtype="uint8"), id="uint8"),
    pytest.param(pd.Series([1, 2, 2**60], dtype="uint64"), id="uint64"),
    pytest.param(pd.Series([1, 2, 2**60]), id="int64-beyond-2^53"),
    pytest.param(pd.Series([1.5, np.nan, 3]), id="float64-missing"),
    pytest.param(pd.Series([1.5, np.nan, 3], dtype="float32"), id="float32"),
    pytest.param(pd.Series([1, None, 3], dtype="Int64"), id="nullable-Int64"),
    pytest.param(pd.Series([1.5, None, 3], dtype="Float64"), id="nullable-Float64"),
    pytest.param(pd.Series([True, False, True]), id="bool"),
    pytest.param(pd.Series([True, None, False], dtype="boolean"), id="nullable-boolean"),
    pytest.param(pd.Series([True, None, False], dtype=object), id="bool-and-None"),
    pytest.param(pd.Series(["a", None, "ß"]), id="str"),
    pytest.param(pd.Series(["a", "", "ß"], dtype=object), id="object-str"),
    pytest.param(pd.Series(["a", None, "ß"], dtype=object), id="object-None"),
    pytest.param(pd.Series(["a", np.nan, "ß"], dtype=object), id="object-NaN"),
    pytest.param(pd.Series(["a", None, "b"], dtype="string"), id="nullable-string"),
    pytest.param(pd.Series(["a", None, "b"], dtype=pd.StringDtype("python")), id="nullable-string-python"),
    pytest.param(pd.Series(["b", None, "a"], dtype="category"), id="category"),
    pytest.param(
        pd.Series(pd.Categorical(["lo", "hi", "lo"], ["lo", "mid", "hi"], ordered=True)),
        id="category-ordered-unused-level",
    ),
    pytest.param(pd.Series([3, 1, 3], dtype="category"), id="category-of-int"),
    pytest.param(pd.Series([3.0, None, 1.0], dtype="category"), id="category-of-whole-float"),
    pytest.param(pd.Series([True, False, True], dtype="category"), id="category-of-bool"),
    pytest.param(
        pd.Series(pd.Categorical(["x", "y", None], pd.Index(["y", "x"], dtype=object))), id="category-of-object"
    ),
    pytest.param(pd.Series(STAMPS.as_unit("us")), id="datetime-us"),
    pytest.param(pd.Series(STAMPS.as_unit("ns")), id="datetime-ns"),
    pytest.param(pd.Series([NAIVE[0], pd.NaT, NAIVE[1]], dtype="datetime64[us]"), id="datetime-NaT"),
    pytest.param(pd.Series(STAMPS.as_unit("ns").tz_localize("UTC")), id="datetime-utc"),
    pytest.param(pd.Series(STAMPS.as_unit("us").tz_localize("Europe/Paris")), id="datetime-Paris"),
    pytest.param(pd.Series(STAMPS.as_unit("us").tz_localize("+01:00")), id="datetime-fixed-offset"),
    pytest.param(pd.Series([dt.date(2024, 1, 1), None, dt.date(1900, 1, 1)]), id="date-objects"),
    pytest.param(pd.Series([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), id="lists"),
    pytest.param(pd.Series([np.array([1.0, 2.0]), np.array([3.0, 4.0]), np.array([3.0, 4.0])]), id="arrays"),
    pytest.param(pd.Series([1, 2, 3], dtype="int64[pyarrow]"), id="pyarrow-int"),
    pytest.param(pd.Series([0.0, 0.0, 1.0], dtype=pd.SparseDtype("float64", 0.0)), id="sparse"),
]


@pytest.mark.parametrize("series", PANDAS)
def test_a_pandas_frame_comes_back_as_it_was(series: pd.Series[Any]) -> None:
    frame = pd.DataFrame({"x": series, "other": [1.0, 2.0, 3.0]})
    pd.testing.assert_frame_equal(again(frame), frame)


def test_a_fortnight_of_columns_at_once_and_integer_labels() -> None:
    frame = pd.DataFrame(np.arange(6.0).reshape(2, 3))
    back = again(frame)
    assert list(back.columns) == [0, 1, 2]
    pd.testing.assert_frame_equal(back, frame, check_column_type=False)


POLARS = [
    pytest.param(pl.Series("x", [1, None, 3]), id="Int64-null"),
    pytest.param(pl.Series("x", [1, 2, 3], dtype=pl.UInt8), id="UInt8"),
    pytest.param(pl.Series("x", [1, 2, 2**60], dtype=pl.UInt64), id="UInt64"),
    pytest.param(pl.Series("x", [1.5, None, 2.5]), id="Float64-null"),
    pytest.param(pl.Series("x", [1.5, 1.0, 2.5], dtype=pl.Float32), id="Float32"),
    pytest.param(pl.Series("x", ["a", None, "b"]), id="String"),
    pytest.param(pl.Series("x", ["a", None, "b"], dtype=pl.Categorical), id="Categorical"),
    pytest.param(pl.Series("x", ["a", None, "b"], dtype=pl.Enum(["b", "c", "a"])), id="Enum"),
    pytest.param(pl.Series("x", [True, None, False]), id="Boolean"),
    pytest.param(pl.Series("x", [dt.date(2024, 1, 1), None, dt.date(1900, 1, 1)]), id="Date"),
    pytest.param(pl.Series("x", NAIVE), id="Datetime-us"),
    pytest.param(pl.Series("x", NAIVE, dtype=pl.Datetime("ns")), id="Datetime-ns"),
    pytest.param(pl.Series("x", NAIVE, dtype=pl.Datetime("ms", "Europe/Paris")).dt.truncate("1s"), id="Datetime-zone"),
    pytest.param(pl.Series("x", [[1.0], [2.0, 3.0], None]), id="List"),
    pytest.param(pl.Series("x", [[1, 2], [2, 3], [3, 4]], dtype=pl.Array(pl.Float64, 2)), id="Array"),
]


@pytest.mark.parametrize("series", POLARS)
def test_a_polars_frame_comes_back_as_it_was(series: pl.Series) -> None:
    frame = pl.DataFrame([series, pl.Series("other", [1.0, 2.0, 3.0])])
    assert_polars_equal(again(frame), frame)


def test_polars_nan_is_missing() -> None:
    assert tables.read(pl.DataFrame({"x": [1.0, float("nan"), None]})).to_columns() == {"x": [1.0, None, None]}


NUMPY = [
    pytest.param(np.array([[1.5, np.nan], [3, 4]]), id="float64"),
    pytest.param(np.array([[1.5, 2], [3, 4]], dtype=np.float32), id="float32"),
    pytest.param(np.array([[1, 2], [3, 4]]), id="int64"),
    pytest.param(np.array([[True, False], [True, True]]), id="bool"),
    pytest.param(np.array([["a", "bb"], ["c", "d"]]), id="str"),
    pytest.param(np.array([["a", 1.5], [None, 2.0]], dtype=object), id="object-None"),
    pytest.param(np.array(["a text", "another"]), id="series-str"),
    pytest.param(np.array(["a text", None], dtype=object), id="series-object"),
]


@pytest.mark.parametrize("array", NUMPY)
def test_a_numpy_array_comes_back_as_it_was(array: np.ndarray[Any, Any]) -> None:
    back = again(array)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


SERIES = [
    pytest.param(pd.Series(["a b", "c"], name="review"), id="pandas"),
    pytest.param(pl.Series("review", ["a b", None]), id="polars"),
]


@pytest.mark.parametrize("series", SERIES)
def test_a_series_comes_back_as_a_series(series: Any) -> None:
    back = again(series)
    assert type(back) is type(series)
    assert tables.read(series).container == "series"
    assert back.equals(series)


def test_lists_come_back_as_lists() -> None:
    assert again(["a text", "another"]) == ["a text", "another"]
    rows = [{"a": 1, "b": "x"}, {"a": 2}]
    assert again(rows) == rows


@pytest.mark.parametrize(("dtype", "sent", "expected"), [
    pytest.param("int64", [1, None], "float64", id="a-missing-in-an-int-column"),
    pytest.param("int64", [1.0, 41.5], "float64", id="a-fraction-in-an-int-column"),
    pytest.param("int64", [1.0, 2.0], "int64", id="whole-numbers-sent-as-floats"),
    pytest.param("int8", [1.0, 1000.0], "int64", id="too-large-for-int8"),
    pytest.param("int64", [1.0, 1e300], "float64", id="too-large-for-int64"),
    pytest.param("Int64", [1.0, 41.5], "Float64", id="a-fraction-in-a-nullable-column"),
    pytest.param("bool", [True, None], "object", id="a-missing-in-a-bool-column"),
    pytest.param("datetime64[ns]", [dt.datetime(9999, 1, 1)], "datetime64[us]", id="beyond-nanoseconds"),
])  # fmt: skip
def test_a_value_that_does_not_fit_widens_the_column_as_pandas_would(
    dtype: str, sent: list[Any], expected: str
) -> None:
    table = tables.read(pd.DataFrame({"x": pd.Series([], dtype=dtype)}))
    assert str(tables.to_frame({"x": sent}, tables.frame_spec(table))["x"].dtype) == expected


def test_a_column_that_nobody_sends_is_filled_with_a_neutral_value() -> None:
    frame = pd.DataFrame({"x": [1.5], "unread": pd.Series(["a"], dtype="category"), "n": [7]})
    back = tables.to_frame({"x": [2.5]}, tables.frame_spec(tables.read(frame)))
    assert back.to_dict("records") == [{"x": 2.5, "unread": "a", "n": 0}]
    assert list(back.dtypes) == list(frame.dtypes)


def test_an_unknown_level_becomes_missing_in_a_categorical() -> None:
    frame = pd.DataFrame({"x": pd.Series(["a", "b"], dtype="category")})
    assert tables.to_frame({"x": ["zzz"]}, tables.frame_spec(tables.read(frame)))["x"].isna().all()
