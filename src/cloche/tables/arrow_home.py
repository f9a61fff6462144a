"""The home of pyarrow: Parquet files and Arrow tables, read by way of the pandas frame they make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cloche.errors import UsageError
from cloche.records import Table
from cloche.tables import pandas_home


def read(data: Any, names: Sequence[str] | None) -> Table:
    """An Arrow table (or record batch) as a table; a model meets it as the pandas frame it makes."""
    table = pa.Table.from_batches([data]) if isinstance(data, pa.RecordBatch) else data
    return pandas_home.read(table.to_pandas(date_as_object=True), names)


def read_parquet(path: Path) -> Table:
    """The table of a Parquet file."""
    try:
        return read(pq.read_table(path), None)
    except pa.lib.ArrowInvalid as exc:
        raise UsageError(f"{path}: not a Parquet file: {exc}") from exc
