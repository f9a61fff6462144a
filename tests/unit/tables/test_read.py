"""What is refused, with where and why; fingerprints; selecting columns."""

from __future__ import annotations

import datetime as dt
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from cloche import tables
from cloche.errors import MissingExtraError, UsageError

BAD_CSV = [
    pytest.param(b"", r"line 1: expected a header", id="empty"),
    pytest.param(b"a,,c\n1,2,3\n", r"line 1, column 2: expected a name.*index=False", id="nameless-column"),
    pytest.param(b"a,b,a\n1,2,3\n", r"line 1, column 3: the name 'a' appears twice", id="name-twice"),
    pytest.param(b"a,b\n1,2\n3\n", r"line 3, column 'b': expected 2 cells, got 1", id="too-few-cells"),
    pytest.param(
        b"a,b\n1,2,9\n", r"line 2: expected 2 cells, got 3 \(after the last column 'b'\)", id="too-many-cells"
    ),
    pytest.param(b"a,b\n1,\xff\n", r"line 2: expected UTF-8, got byte 0xff", id="not-utf-8"),
    pytest.param(b'a,b\n1,"x\n', r"line 2: unexpected end of data", id="open-quote"),
]


@pytest.mark.parametrize(("raw", "message"), BAD_CSV)
def test_a_bad_csv_file_names_line_and_column(raw: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(raw)
    with pytest.raises(UsageError, match=message):
        tables.read_csv(path)


@pytest.mark.parametrize(("raw", "columns"), [
    pytest.param(b"\xef\xbb\xbfa;b\r\n1;x\r\n", {"a": [1], "b": ["x"]}, id="mark-and-semicolon"),
    pytest.param(b"a\tb\n1\t x \n", {"a": [1], "b": [" x "]}, id="tabs-and-spaces-in-text"),
    pytest.param(b'"a,1";b\n1;2\n', {"a,1": [1], "b": [2]}, id="a-comma-inside-quotes-does-not-count"),
    pytest.param(b'a,b\n"x\ny",1\n\n"""hi""",2\n', {"a": ["x\ny", '"hi"'], "b": [1, 2]}, id="quotes-and-blank-line"),
    pytest.param(b"a\nNA\n\n", {"a": [None]}, id="only-missing"),
    pytest.param(b"a,b\n", {"a": [], "b": []}, id="no-rows"),
    pytest.param(b"a\n99999999999999999999\n1\n", {"a": [1e20, 1.0]}, id="beyond-int64"),
])  # fmt: skip
def test_csv_is_read_by_its_stated_rules(raw: bytes, columns: dict[str, list[Any]], tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(raw)
    assert tables.read_csv(path).to_columns() == columns


BAD_DATA = [
    pytest.param({"a": [1]}, r"expected a pandas or polars frame.*got dict", id="a-dict"),
    pytest.param(np.zeros((2, 2, 2)), "got an array of 3 dimensions", id="three-dimensions"),
    pytest.param([[1, 2], [3]], "rows of one length, got lengths 1 to 2", id="ragged-rows"),
    pytest.param("table.xlsx", r"expected a file named .csv or .parquet, got '.xlsx'", id="another-file"),
    pytest.param("absent.csv", "absent.csv: cannot be read", id="no-such-csv"),
    pytest.param("absent.parquet", "absent.parquet: cannot be read", id="no-such-parquet"),
    pytest.param(pd.DataFrame([[1, 2]], columns=["a", "a"]), "'a' appears twice", id="a-column-twice"),
    pytest.param(pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "MultiIndex", id="multiindex"),
    pytest.param(pd.DataFrame({"x": pd.cut([1, 2], 2)}), "categories of Interval", id="interval-categories"),
]


@pytest.mark.parametrize(("data", "message"), BAD_DATA)
def test_what_is_no_table_is_refused(data: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tables.read(data)


def test_parquet_and_arrow_are_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1, 2], "day": [dt.date(2024, 1, 1), None], "c": pd.Categorical(["a", "b"])})
    frame.to_parquet(tmp_path / "table.parquet")
    assert tables.read(tmp_path / "table.parquet").to_columns() == tables.read(frame).to_columns()
    assert tables.read(pa.Table.from_pandas(frame)).columns["c"].levels == ("a", "b")
    (tmp_path / "not.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(UsageError, match="not a Parquet file"):
        tables.read(tmp_path / "not.parquet")


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    homes = importlib.import_module("cloche.tables.read").HOMES
    monkeypatch.setitem(homes, "pyarrow", ("cloche.tables.no_such_home", "score"))
    (tmp_path / "x.parquet").write_bytes(b"")
    with pytest.raises(MissingExtraError, match=r"pip install 'cloche\[score\]'"):
        tables.read(tmp_path / "x.parquet")


TARGETS = [
    pytest.param(pd.Series(["a", None], name="species"), "string", ["a", None], id="series"),
    pytest.param(["a", "b"], "string", ["a", "b"], id="list"),
    pytest.param(np.array([1, 0]), "integer", [1, 0], id="array"),
    pytest.param(pd.DataFrame({"y": [1.5, 2.0]}), "number", [1.5, 2.0], id="one-column"),
    pytest.param(np.array([[1, 0], [0, 1]]), "vector", [[1.0, 0.0], [0.0, 1.0]], id="indicator-matrix"),
    pytest.param(pl.DataFrame({"a": ["x"], "b": [1]}), "object", [["x", 1]], id="several-outputs"),
]


@pytest.mark.parametrize(("data", "kind", "items"), TARGETS)
def test_targets_of_any_shape_are_one_column(data: Any, kind: str, items: list[Any]) -> None:
    column = tables.read_target(data)
    assert (column.kind, column.to_list()) == (kind, items)


# -- fingerprint --------------------------------------------------------------------------------

PANDAS = pd.DataFrame({
    "n": [1, 2, 3],
    "x": [1.5, None, -0.0],
    "gap": [1.0, None, 3.0],
    "s": ["a", None, "ß"],
    "c": pd.Categorical(["u", "v", "u"]),
    "t": pd.to_datetime(["2024-01-01", "2024-01-02", None]).astype("datetime64[ns]").tz_localize("Europe/Paris"),
    "b": [True, False, True],
})  # fmt: skip
POLARS = pl.DataFrame({
    "n": [1, 2, 3],
    "x": [1.5, None, 0.0],
    "gap": [1, None, 3],
    "s": ["a", None, "ß"],
    "c": pl.Series(["u", "v", "u"], dtype=pl.Categorical),
    "t": pl.Series([dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2), None]).dt.replace_time_zone("Europe/Paris"),
    "b": [True, False, True],
})  # fmt: skip


def test_the_pandas_and_the_polars_copy_have_one_fingerprint() -> None:
    assert tables.fingerprint(tables.read(PANDAS)) == tables.fingerprint(tables.read(POLARS))


@pytest.mark.parametrize(("column", "values"), [
    pytest.param("n", [1, 2, 4], id="another-value"),
    pytest.param("s", ["a", "", "ß"], id="empty-is-not-missing"),
    pytest.param("s", ["aß", "", None], id="joined-text"),
    pytest.param("n", ["1", "2", "3"], id="text-is-not-a-number"),
])  # fmt: skip
def test_a_changed_column_changes_its_own_fingerprint_and_the_table_s(column: str, values: list[Any]) -> None:
    whole, each = tables.fingerprint(tables.read(PANDAS))
    changed_whole, changed = tables.fingerprint(tables.read(PANDAS.assign(**{column: values})))
    assert whole != changed_whole
    assert [name for name in each if each[name] != changed[name]] == [column]


def test_select_and_split_name_what_is_not_there() -> None:
    table = tables.read(PANDAS)
    rest, target = tables.split(table, "s")
    assert "s" not in rest.columns
    assert target.name == "s"
    with pytest.raises(UsageError, match="no column 'gapp'; did you mean 'gap'"):
        tables.select(table, ["gapp"])


def test_an_infinity_is_sent_as_null() -> None:
    assert tables.to_wire(tables.read(pd.DataFrame({"x": [np.inf, 1.5]}))) == [{"x": None}, {"x": 1.5}]
