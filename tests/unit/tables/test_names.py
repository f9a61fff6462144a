"""Names that are handed in are for tables without names; a frame's own columns are never renamed by place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from cloche import tables

SWAPPED = {"b": [1.0, 2.0], "a": [3.0, 4.0], "extra": [5.0, 6.0]}


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(pd.DataFrame(SWAPPED), id="pandas"),
        pytest.param(pl.DataFrame(SWAPPED), id="polars"),
        pytest.param(pa.table(SWAPPED), id="arrow"),
    ],
)
def test_a_frame_keeps_its_names(frame: Any) -> None:
    table = tables.read(frame, names=["a", "b"])
    assert {name: column.to_list() for name, column in table.columns.items()} == SWAPPED


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(np.array([[1.0, 2.0]]), id="array"),
        pytest.param(pd.DataFrame([[1.0, 2.0]]), id="frame-without-names"),
        pytest.param([[1.0, 2.0]], id="rows"),
    ],
)
def test_a_table_without_names_takes_them(data: Any) -> None:
    assert list(tables.read(data, names=["a", "b"]).columns) == ["a", "b"]
