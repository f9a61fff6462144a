"""The rows of the tables of roll-ups."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ROLLUPS: Final = pa.schema(
    [
        ("date", pa.string()),
        ("start", pa.int64()),
        ("seconds", pa.int32()),
        ("version", pa.int32()),
        ("contract", pa.int32()),
        ("route", pa.string()),
        ("tally", pa.binary()),
    ]
)


def rollups_table(those: Sequence[Any]) -> Any:
    """Roll-ups (`start`, `seconds`, `version`, `contract`, `route`, `tally`) as a table."""
    dates = [dt.datetime.fromtimestamp(one.start, dt.UTC).date().isoformat() for one in those]
    rows = [
        (date, one.start, one.seconds, one.version, one.contract, one.route, one.tally.to_bytes())
        for date, one in zip(dates, those, strict=True)
    ]
    columns = zip(*rows, strict=True) if rows else [[] for _ in ROLLUPS]
    return pa.table([pa.array(values, type_) for values, type_ in zip(columns, ROLLUPS.types, strict=True)], ROLLUPS)


def days(first: str, last: str) -> Any:
    """Rows of the days from *first* to *last*."""
    return (pc.field("date") >= first) & (pc.field("date") <= last)


def mask(wanted: np.ndarray[Any, np.dtype[np.bool_]]) -> Any:
    """A numpy mask as Arrow's."""
    return pa.array(wanted)


def last(rows: Any, columns: Sequence[str], n: int) -> Any:
    """The last *n* of *rows*, of *columns*."""
    return rows.select(list(columns)).slice(max(0, rows.num_rows - n))
