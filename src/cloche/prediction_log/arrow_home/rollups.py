"""The rows of the tables of roll-ups."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

#: Rows as features, of some fields: what is taken away when somebody is erased, and after some days.
SAMPLES: Final = "samples"
ROLLUPS: Final = pa.schema(
    [
        ("date", pa.string()),
        ("start", pa.int64()),
        ("seconds", pa.int32()),
        ("version", pa.int32()),
        ("contract", pa.int32()),
        ("route", pa.string()),
        ("tally", pa.binary()),
        (SAMPLES, pa.binary()),
    ]
)

QUALITY: Final = pa.schema(
    [
        ("date", pa.string()),
        ("start", pa.int64()),
        ("seconds", pa.int32()),
        ("version", pa.int32()),
        ("field", pa.string()),
        ("value", pa.string()),
        ("tally", pa.binary()),
    ]
)


def quality_table(those: Sequence[Any]) -> Any:
    """Measured stretches (`start`, `seconds`, `version`, `field`, `value`, `tally`) as a table."""
    rows = [
        (_date(one.start), one.start, one.seconds, one.version, one.field, one.value, one.tally.to_bytes())
        for one in those
    ]
    columns = zip(*rows, strict=True) if rows else [[] for _ in QUALITY]
    return pa.table([pa.array(values, type_) for values, type_ in zip(columns, QUALITY.types, strict=True)], QUALITY)


def _date(start: int) -> str:
    return dt.datetime.fromtimestamp(start, dt.UTC).date().isoformat()


def rollups_table(those: Sequence[Any], samples: Sequence[bytes | None]) -> Any:
    """Roll-ups (`start`, `seconds`, `version`, `contract`, `route`, `tally`) as a table; *samples* are theirs."""
    rows = [
        (_date(one.start), one.start, one.seconds, one.version, one.contract, one.route, one.tally.to_bytes(), held)
        for one, held in zip(those, samples, strict=True)
    ]
    columns = zip(*rows, strict=True) if rows else [[] for _ in ROLLUPS]
    return pa.table([pa.array(values, type_) for values, type_ in zip(columns, ROLLUPS.types, strict=True)], ROLLUPS)


def days(first: str, last: str) -> Any:
    """Rows of the days from *first* to *last*."""
    return (pc.field("date") >= first) & (pc.field("date") <= last)


def measured(first: str, last: str, version: int, whole: bool) -> Any:
    """Measured rows of a version in the days from *first* to *last*: of all rows, or of segments."""
    of = pc.field("field") == "" if whole else pc.field("field") != ""
    return days(first, last) & (pc.field("version") == version) & of


def with_values(rows: Any, column: str, others: Sequence[Any]) -> Any:
    """Those of *rows* whose value in *column* stands in one of *others*; all where their types differ."""
    known = [pc.unique(one) for one in others if one.type == rows.column(column).type]
    if len(known) != len(others):
        return rows
    return rows.filter(pc.is_in(rows.column(column), pa.chunked_array(known)))


def without_samples(batch: Any) -> Any:
    """Rows of a table of roll-ups, and no samples in them."""
    place = batch.schema.get_field_index(SAMPLES)
    return batch if place < 0 else batch.set_column(place, SAMPLES, pa.nulls(batch.num_rows, pa.binary()))


def mask(wanted: np.ndarray[Any, np.dtype[np.bool_]]) -> Any:
    """A numpy mask as Arrow's."""
    return pa.array(wanted)


def last(rows: Any, columns: Sequence[str], n: int) -> Any:
    """The last *n* of *rows*, of *columns*."""
    return rows.select(list(columns)).slice(max(0, rows.num_rows - n))
