"""
The home of pyarrow for Arrow IPC streams, without pandas: bytes of a caller to plain columns, and answers to bytes.

Only types that JSON has a form for are read, and only those whose values take no more room than the bytes that were
sent: views, runs, dictionaries and what is nested are refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from cloche.errors import MalformedBodyError, TooLargeError
from cloche.tables import arrow_framing

_SHOWN: Final = 64
#: What a column of an answer holds, as `protocols/arrow.py` names it.
TYPES: Final = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "string": pa.string(),
}


def columns_of(body: bytes, *, max_rows: int | None, max_columns: int) -> dict[str, list[Any]]:
    """
    The columns of a stream as JSON has them: dates and times as ISO 8601, `None` where missing.

    A column of nothing but nulls takes no bytes, hence *max_columns*.

    Raises:
        MalformedBodyError: it is no stream, or a column is of a type that is not taken.
        TooLargeError: more than *max_rows* rows.
    """
    arrow_framing.check(body, max_rows)
    try:
        with pa.ipc.open_stream(body, options=pa.ipc.IpcReadOptions(use_threads=False)) as reader:
            _check_schema(reader.schema, max_columns)
            batches = []
            for batch in reader:
                batch.validate(full=True)
                batches.append(batch)
            table = pa.Table.from_batches(batches, reader.schema)
    except (pa.ArrowException, OSError, ValueError, MemoryError, UnicodeDecodeError) as exc:
        raise MalformedBodyError("the body is not an Arrow IPC stream that can be read") from exc
    if max_rows is not None and table.num_rows > max_rows:  # `check` has read the same bytes
        raise TooLargeError(f"rows: at most {max_rows} a request, got {table.num_rows}; send them in parts")
    return {name: _values(name, table.column(place)) for place, name in enumerate(table.column_names)}


def _check_schema(schema: pa.Schema, max_columns: int) -> None:
    if len(schema) > max_columns:
        raise MalformedBodyError(f"Arrow: the stream has {len(schema)} columns, at most {max_columns} are taken")
    seen: set[str] = set()
    if not schema.names:
        raise MalformedBodyError("Arrow: the stream has no columns")
    for field in schema:
        name = field.name[:_SHOWN]
        if field.name in seen:
            raise MalformedBodyError(f"Arrow: the column '{name}' stands twice")
        seen.add(field.name)
        if not _is_taken(field.type):
            raise MalformedBodyError(f"Arrow: the column '{name}' is of type {str(field.type)[:_SHOWN]}; {_INSTEAD}")


_INSTEAD = "taken are booleans, integers, floats, strings, dates, timestamps and lists of numbers"


def _is_taken(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _is_number(kind.value_type)
    plain = (types.is_null, types.is_boolean, types.is_string, types.is_large_string, types.is_date, types.is_timestamp)
    return _is_number(kind) or any(of(kind) for of in plain)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _values(name: str, column: pa.ChunkedArray) -> list[Any]:
    kind, types = column.type, pa.types
    try:
        if types.is_date(kind):
            return [None if one is None else one.isoformat() for one in column.cast(pa.date32()).to_pylist()]
        if types.is_timestamp(kind):  # Python's moments have no more than microseconds; with a zone they count in UTC
            moments = column.cast(pa.timestamp("us", None if kind.tz is None else "UTC")).to_pylist()
            return [None if one is None else one.isoformat() for one in moments]
        if types.is_float16(kind):
            column = column.cast(pa.float32())
        found: list[Any] = column.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError) as exc:
        shown = f"Arrow: the column '{name[:_SHOWN]}'"
        raise MalformedBodyError(f"{shown}: a value of type {str(kind)[:_SHOWN]} has no form in ISO 8601") from exc
    return found


def stream_of(columns: Mapping[str, tuple[str, list[Any]]]) -> bytes:
    """A stream of one batch: by name what a column holds (a key of `TYPES`, `[…]` for lists of it) and its values."""
    arrays = [pa.array(values, _type(kind)) for kind, values in columns.values()]
    batch = pa.RecordBatch.from_arrays(arrays, names=list(columns))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _type(kind: str) -> pa.DataType:
    return pa.list_(TYPES[kind[1:-1]]) if kind.startswith("[") else TYPES[kind]
