"""pandas, polars, numpy, CSV dtypes → contract → JSON → the frame the model was fitted on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal as assert_polars_equal
from tests.unit.tables.test_round_trip import NUMPY, PANDAS, POLARS

from cloche import tables
from cloche.contract.compiled import compile_contract
from cloche.contract.infer import infer
from cloche.records import ModelFacts, Outputs, Table


def through_json(table: Table) -> Any:
    """What a model gets when every row of its own table is sent to it."""
    spec = tables.frame_spec(table)
    names = None if table.container == "numpy" else tuple(table.columns)
    facts = ModelFacts("regression", names, len(table.columns))
    contract = infer(table, facts, answers=lambda columns, n: Outputs([0.0] * n)).contract
    again = type(contract).from_json(contract.to_json())
    body = json.dumps(tables.to_wire(table, again), allow_nan=False).encode()
    return tables.to_frame(compile_contract(again).decode_json(body).columns(), spec)


@pytest.mark.parametrize("series", PANDAS)
def test_pandas(series: pd.Series[Any]) -> None:
    frame = pd.DataFrame({"x": series, "other": [1.0, 2.0, 3.0]})
    pd.testing.assert_frame_equal(through_json(tables.read(frame)), frame)


@pytest.mark.parametrize("series", POLARS)
def test_polars(series: pl.Series) -> None:
    frame = pl.DataFrame([series, pl.Series("other", [1.0, 2.0, 3.0])])
    assert_polars_equal(through_json(tables.read(frame)), frame)


@pytest.mark.parametrize("array", NUMPY)
def test_numpy(array: np.ndarray[Any, Any]) -> None:
    back = through_json(tables.read(array))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


CSV = [
    pytest.param("1\n-2\n3", "int64", [1, -2, 3], id="integers"),
    pytest.param("1\n\n3", "float64", [1.0, None, 3.0], id="integers-and-missing"),
    pytest.param("1.5\nNA\n1e3", "float64", [1.5, None, 1000.0], id="numbers"),
    pytest.param("true\nFalse\nTRUE", "bool", [True, False, True], id="booleans"),
    pytest.param("true\nnull\nfalse", "object", [True, None, False], id="booleans-and-missing"),
    pytest.param("007\n1\n2", "str", ["007", "1", "2"], id="leading-zeros-are-text"),
    pytest.param("1_000\n2\n3", "str", ["1_000", "2", "3"], id="underscores-are-text"),
    pytest.param("1\nx\n3", "str", ["1", "x", "3"], id="one-word-makes-text"),
    pytest.param("a\nNaN\nß", "str", ["a", None, "ß"], id="text-and-missing"),
    pytest.param("2024-02-29\n1999-12-31\n2000-01-01", "datetime64[us]", None, id="dates"),
    pytest.param("2024-02-29\n2023-02-29\n2000-01-01", "str", None, id="no-such-date-makes-text"),
    pytest.param("2024-02-29T01:02:03\n1999-12-31 00:00\nNA", "datetime64[us]", None, id="datetimes"),
    pytest.param(
        "2024-02-29T01:02:03Z\n1999-12-31T00:00:00+02:00\nNA", "datetime64[us, UTC]", None, id="aware-datetimes"
    ),
]


@pytest.mark.parametrize(("cells", "dtype", "values"), CSV)
def test_csv(cells: str, dtype: str, values: list[Any] | None, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    lines = [f"{number},{cell}" for number, cell in enumerate(cells.split("\n"))]
    path.write_text("\n".join(["n,x", *lines]) + "\n", encoding="utf-8")
    table = tables.read(path)
    frame = through_json(table)
    assert str(frame["x"].dtype) == dtype
    assert values is None or frame["x"].astype(object).where(frame["x"].notna(), None).tolist() == values
    pd.testing.assert_frame_equal(frame, tables.to_frame(table.to_columns(), tables.frame_spec(table)))


def test_a_list_of_dicts() -> None:
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert through_json(tables.read(rows)) == [{"a": 1.0, "b": "x"}, {"a": 2.0}]
