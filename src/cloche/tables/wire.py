"""A table as the rows a client would send: JSON-able values, `None` for missing, ISO 8601 dates."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from typing import Any

from cloche.contract.model import Contract, Field
from cloche.records import Column, Table


def to_wire(table: Table, contract: Contract | None = None) -> list[dict[str, Any]]:
    """
    The rows of *table* as a client would send them.

    With a contract only its fields are sent, in the types it names. An infinity is sent as `None`:
    JSON has no word for it.
    """
    if contract is None:
        lists = {column.name: _plain(column) for column in table}
    else:
        wanted = [one for one in contract.fields if one.name in table.columns]
        lists = {one.name: _typed(table.columns[one.name], one) for one in wanted}
    names = list(lists)
    if not names:
        return [{} for _ in range(table.rows)]
    return [dict(zip(names, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _plain(column: Column) -> list[Any]:
    items = column.to_list()
    if column.kind == "number":
        return [None if item is None or math.isinf(item) else item for item in items]
    if column.kind in ("date", "datetime"):
        return [None if item is None else item.isoformat() for item in items]
    if column.kind == "object":
        return [None if item is None else _text(item) for item in items]
    return items


def _typed(column: Column, field: Field) -> list[Any]:
    convert = _CONVERT.get(field.type)
    if field.type == "category":
        whole = bool(field.levels) and isinstance((field.levels or ("",))[0], int)
        convert = int if whole else _text
    plain = column.to_list() if field.type in ("date", "datetime") else _plain(column)
    return plain if convert is None else [None if item is None else convert(item) for item in plain]


def _text(item: Any) -> str:
    return item if isinstance(item, str) else str(item)


def _date(item: Any) -> str:
    return (
        (item.date() if isinstance(item, datetime.datetime) else item).isoformat()
        if not isinstance(item, str)
        else item
    )


def _datetime(item: Any) -> str:
    if isinstance(item, datetime.date) and not isinstance(item, datetime.datetime):
        return f"{item.isoformat()}T00:00:00"
    return _text(item) if isinstance(item, str) else str(item.isoformat())


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "boolean": bool,
    "string": _text,
    "text": _text,
    "date": _date,
    "datetime": _datetime,
}
