"""The rows of the tables of roll-ups."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloche.prediction_log.arrow_home.columns import MOMENT

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


def stretches(start: int, end: int, version: int | None = None) -> Any:
    """Rows of stretches that begin from *start* up to *end* (seconds since 1970), of one *version* or of all."""
    found = (pc.field("date") >= _date(start)) & (pc.field("date") <= _date(end))
    found &= (pc.field("start") >= start) & (pc.field("start") < end)
    return found if version is None else found & (pc.field("version") == version)


def measured(start: int, end: int, version: int, whole: bool) -> Any:
    """Measured rows of a version that begin from *start* up to *end*: of all rows, or of segments."""
    of = pc.field("field") == "" if whole else pc.field("field") != ""
    return stretches(start, end, version) & of


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


def answered_since(since: Any) -> Any:
    """Rows with an answer that came at *since* or later."""
    later = pc.field("time") >= pa.scalar(since, MOMENT)
    return later & (pc.field("date") >= since.date().isoformat()) & (pc.field("status") == 200) & (pc.field("row") >= 0)


def newest(tables: Sequence[Any], n: int) -> Any:
    """The *n* newest rows of tables with the same columns, the oldest first."""
    rows = pa.concat_tables(tables)
    kept = rows.take(pc.select_k_unstable(rows, k=n, sort_keys=[("time", "descending")]))
    order = [(name, "ascending") for name in ("time", "request_id", "row") if name in kept.column_names]
    return kept.sort_by(order)
