"""Which rows of a table are wanted, as Arrow expressions that Parquet readers prune files by."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cloche.prediction_log.arrow_home.columns import MOMENT

_AHEAD = 4


def between(column: str, since: datetime | None, until: datetime | None) -> Any:
    """Rows whose moment in *column* is in [since, until), with what that says of `date`; None where all are."""
    parts = []
    if since is not None:
        moment = pa.scalar(since, MOMENT)
        parts += [pc.field("date") >= _date(moment), pc.field(column) >= moment]
    if until is not None:
        moment = pa.scalar(until, MOMENT)
        parts += [pc.field("date") <= _date(moment), pc.field(column) < moment]
    return _all(parts)


def of_ids(ids: Collection[str], *, dates: Collection[str] | None = None, but: Collection[str] = ()) -> Any:
    """Rows of requests with one of *ids*, ours or their client's own; of *dates*, none with an id of *but*."""
    wanted = pa.array(sorted(ids), pa.string())
    found = pc.field("request_id").isin(wanted) | pc.field("client_request_id").isin(wanted)
    if dates is not None:
        found = pc.field("date").isin(pa.array(sorted(dates), pa.string())) & found
    return found & ~pc.field("request_id").isin(pa.array(sorted(but), pa.string())) if but else found


def about(ids: Collection[str]) -> Any:
    """Labels of answers with one of *ids*, and labels by key."""
    return pc.field("id").is_null() | pc.field("id").isin(pa.array(sorted(ids), pa.string()))


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables with the same columns as one."""
    return pa.concat_tables(tables)


def on_day(date: str) -> Any:
    """Rows of one day."""
    return pc.field("date") == date


def reader(schema: Any, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatchReader:
    """
    *batches* as what Delta writes from, without holding them all; *schema* is the table's.

    They are read in a thread of their own: where Delta writes it may not be asked to read.
    """
    wanted = pa.schema([(one.name, _storable(one.type)) for one in pa.schema(schema)])
    read = _ahead(batch.select(wanted.names).cast(wanted) for batch in batches if batch.num_rows)
    return pa.RecordBatchReader.from_batches(wanted, read)


def _ahead(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """*batches*, a few of them read before they are asked for."""
    waiting: queue.Queue[Any] = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def put(one: Any) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                waiting.put(one, timeout=0.1)
                return

    def read() -> None:
        try:
            for batch in batches:
                put(batch)
                if stopped.is_set():
                    return
            put(None)
        except BaseException as exc:  # noqa: BLE001  raised where the batches are taken
            put(exc)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        while (one := waiting.get()) is not None:
            if isinstance(one, BaseException):
                raise one
            yield one
    finally:
        stopped.set()


def _storable(type: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(type) or pa.types.is_large_string(type):
        return pa.string()
    if pa.types.is_list(type) or pa.types.is_large_list(type):
        return pa.list_(_storable(type.value_type))
    return type


def chosen(table: pa.Table, *filters: Any) -> pa.Table:
    """The rows of *table* that all of *filters* want (None wants every row)."""
    wanted = _all([one for one in filters if one is not None])
    return table if wanted is None else table.filter(wanted)


def both(*filters: Any) -> Any:
    """One expression for all of *filters*; None where none is given."""
    return _all([one for one in filters if one is not None])


def table_of(batch: pa.RecordBatch) -> pa.Table:
    """One batch as a table."""
    return pa.Table.from_batches([batch])


def picked(table: pa.Table, numbers: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of those numbers as plain values."""
    return table.select(columns).take(pa.array(numbers, pa.int64())).to_pylist() if numbers else []


def without(table: pa.Table, gone: Sequence[int]) -> pa.Table:
    """*table* without the rows of those numbers."""
    if not gone:
        return table
    left = set(range(table.num_rows)).difference(gone)
    return table.take(pa.array(sorted(left), pa.int64()))


def early(table: pa.Table, moment: str, before: datetime) -> list[bool]:
    """For each row, whether it is from before *before*; False where it says no time."""
    found: list[bool] = pc.fill_null(pc.less(table.column(moment), pa.scalar(before, MOMENT)), False).to_pylist()
    return found


def numbers_where(
    table: pa.Table, columns: Collection[str], matches: Callable[[Any], bool], *, before: datetime, moment: str
) -> list[int]:
    """The numbers of the rows from before *before* of which one of *columns* holds a value that *matches*."""
    in_time = pc.fill_null(pc.less(table.column(moment), pa.scalar(before, MOMENT)), False)
    if not pc.any(in_time).as_py():
        return []
    found = pa.chunked_array([pa.repeat(pa.scalar(False), table.num_rows)])
    for name in table.column_names:
        if name.partition(":")[0] in columns:
            found = pc.or_(found, _matching(table.column(name), matches))
    return pc.indices_nonzero(pc.and_(found, in_time)).to_pylist()  # type: ignore[no-any-return]


def _matching(column: pa.ChunkedArray, matches: Callable[[Any], bool]) -> Any:
    """Each distinct value is judged once."""
    if pa.types.is_nested(column.type):
        return pa.array([value is not None and matches(value) for value in column.to_pylist()], pa.bool_())
    wanted = [value for value in pc.unique(column).to_pylist() if value is not None and matches(value)]
    return pc.is_in(column, pa.array(wanted, column.type))


def _date(moment: Any) -> Any:
    return pc.strftime(moment, "%Y-%m-%d")


def _all(parts: Sequence[Any]) -> Any:
    return reduce(lambda a, b: a & b, parts) if parts else None


def dates(table: pa.Table) -> list[str]:
    """The days that *table* holds rows of."""
    return pc.unique(table.column("date")).to_pylist()  # type: ignore[no-any-return]
