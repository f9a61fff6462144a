"""A table's fingerprint: the same for the pandas and the polars copy of one table, and per column."""

from __future__ import annotations

import datetime
import hashlib
import json
from typing import Any

import numpy as np

from cloche.records import Column, Table

_EXACT = 2**53


def fingerprint(table: Table) -> tuple[str, dict[str, str]]:
    """
    The sha256 of the table and of each column, as lower-case hex.

    Over values, not over a library's buffers: an int64 column and its float64 copy agree, a date and
    its midnight agree, the filler of a missing value does not count.
    """
    columns = {column.name: _column(column) for column in table}
    whole = hashlib.sha256(json.dumps([table.rows, list(columns.items())]).encode("utf-8", "surrogatepass"))
    return whole.hexdigest(), columns


def _column(column: Column) -> str:
    tag, parts = _buffers(column)
    digest = hashlib.sha256(f"{tag}:{len(column.missing)}:{column.timezone or ''}".encode())
    digest.update(np.packbits(column.missing).tobytes())
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _buffers(column: Column) -> tuple[str, list[bytes]]:
    if column.kind in ("integer", "number"):
        return _numbers(column)
    present = column.present()
    if column.kind == "boolean":
        return "boolean", [np.packbits(present.astype(np.bool_)).tobytes()]
    if column.kind in ("date", "datetime"):
        return "datetime", [np.array([_epoch_us(item) for item in present], dtype="<i8").tobytes()]
    if column.kind == "vector":
        lengths = np.array([len(item) for item in present], dtype="<i8").tobytes()
        return "vector", [lengths, *(np.asarray(item, dtype="<f8").tobytes() for item in present)]
    return "text", _texts(present)


def _numbers(column: Column) -> tuple[str, list[bytes]]:
    present = column.present()
    if column.kind == "integer" and present.size and max(int(present.max()), -int(present.min())) > _EXACT:
        return "integer", [present.astype("<i8").tobytes()]
    return "number", [(present.astype("<f8") + 0.0).tobytes()]  # + 0.0 makes -0.0 the same as 0.0


def _texts(present: np.ndarray[Any, Any]) -> list[bytes]:
    """The lengths in UTF-8, then the text: as one piece where every character is a byte, which is most often."""
    texts = list(map(str, present.tolist()))
    whole = "".join(texts)
    encoded = texts if whole.isascii() else [text.encode("utf-8", "surrogatepass") for text in texts]
    return [np.array(list(map(len, encoded)), dtype="<i8").tobytes(), whole.encode("utf-8", "surrogatepass")]


def _epoch_us(item: datetime.date) -> int:
    if not isinstance(item, datetime.datetime):
        item = datetime.datetime(item.year, item.month, item.day)
    start = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC if item.tzinfo else None)
    return (item - start) // datetime.timedelta(microseconds=1)
