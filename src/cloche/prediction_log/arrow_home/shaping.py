"""
Columns that grow: one name, several types.

A contract's revision may widen a field (integer to number), and Delta tells no two columns apart by case. A column
that cannot go under its own name goes under `NAME:TYPE` (`:` stands in no name of ours, see `layout.column`);
who reads sees one column again, of a type that holds both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import count
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cloche.prediction_log.arrow_home.columns import LOCAL_MOMENT, MOMENT, TYPE_NAMES, text_of

_ORDER = ("in", "key", "ctx", "hash", "bin")
_FIRST = (
    *("date", "request_id", "client_request_id", "row", "rows", "time", "model", "version", "contract", "route"),
    *("engine", "key", "status", "error", "latency_ms", "problems", "prediction", "probabilities", "score"),
)


def types_of(schema: Any) -> dict[str, pa.DataType]:
    """The columns of a table's schema, from any library's."""
    return {one.name: one.type for one in pa.schema(schema)}


def placed(tables: Iterable[pa.Table], existing: Mapping[str, pa.DataType]) -> pa.Table:
    """*tables* as one, under the names that their columns have, or get, in a table with the columns *existing*."""
    known = dict(existing)
    renamed = []
    for table in tables:
        names = [_place(one.name, one.type, known) for one in table.schema]
        renamed.append(table.rename_columns(names))
    return pa.concat_tables(renamed, promote_options="default").combine_chunks()


def _place(name: str, type: pa.DataType, known: dict[str, pa.DataType]) -> str:
    for candidate in physical(known, (name,)):
        if _plain(known[candidate]) == type:
            return candidate
    taken = {other.lower() for other in known}
    free = next(one for one in _names(name, type) if one.lower() not in taken)
    known[free] = type
    return free


def _names(name: str, type: pa.DataType) -> Iterator[str]:
    tag = TYPE_NAMES.get(type, "other")
    yield name
    yield f"{name}:{tag}"
    yield from (f"{name}:{tag}{number}" for number in count(2))


def physical(known: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """The columns of *known* that hold values of the columns *wanted*."""
    names = set(wanted)
    return [one for one in known if one.partition(":")[0] in names]


def logical(table: pa.Table) -> pa.Table:
    """*table* with one column a name."""
    groups: dict[str, list[pa.ChunkedArray]] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        groups.setdefault(name.partition(":")[0], []).append(column)
    return in_order(pa.table({name: _merged(columns) for name, columns in groups.items()}))


def _merged(columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    wanted = reduce(common, (_plain(one.type) for one in columns))
    return reduce(pc.coalesce, (cast(one, wanted) for one in columns)) if len(columns) > 1 else cast(columns[0], wanted)


def common_types(schemas: Iterable[Any]) -> dict[str, pa.DataType]:
    """For each name in *schemas* a type that holds the values of all of its columns, in the order of `in_order`."""
    types: dict[str, pa.DataType] = {}
    for schema in schemas:
        for one in pa.schema(schema):
            name, type = one.name.partition(":")[0], _plain(one.type)
            types[name] = common(types.get(name, type), type)
    return {name: types[name] for name in sorted(types, key=_rank)}


def unified(tables: Sequence[pa.Table]) -> pa.Table:
    """*tables*, each with one column a name, as one; a column is of a type that holds all of its values."""
    types = common_types(table.schema for table in tables)
    cast_tables = [pa.table({name: cast(table[name], types[name]) for name in table.column_names}) for table in tables]
    return in_order(pa.concat_tables(cast_tables, promote_options="default"))


def common(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    """A type that holds the values of both."""
    if a == b:
        return a
    numbers = {pa.int32(), pa.int64(), pa.float64()}
    if {a, b} <= numbers:
        return pa.float64() if pa.float64() in (a, b) else pa.int64()
    if {a, b} == {MOMENT, LOCAL_MOMENT}:
        return MOMENT
    return pa.string()


def cast(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """*column* as *wanted*; integers that a float64 does not hold exactly are rounded."""
    if column.type == wanted:
        return column
    if wanted == pa.string() and (pa.types.is_nested(column.type) or pa.types.is_boolean(column.type)):
        return pa.chunked_array([pa.array([text_of(value) for value in column.to_pylist()], pa.string())])
    if wanted == MOMENT and column.type == LOCAL_MOMENT:
        return pc.assume_timezone(column, "UTC")
    return pc.cast(column, wanted, safe=False)


def in_order(table: pa.Table) -> pa.Table:
    """The log's own columns first, then inputs, keys, contexts, hashes and bins as they came."""
    return table.select(sorted(table.column_names, key=_rank))


def _rank(name: str) -> tuple[int, int]:
    if name in _FIRST:
        return 0, _FIRST.index(name)
    prefix = name.partition("_")[0]
    return (1 + _ORDER.index(prefix), 0) if prefix in _ORDER else (9, 0)


def _plain(type: pa.DataType) -> pa.DataType:
    """Types that differ in how they are stored alone, as one."""
    if pa.types.is_large_string(type) or pa.types.is_string_view(type):
        return pa.string()
    if pa.types.is_list(type) or pa.types.is_large_list(type):
        return pa.list_(_plain(type.value_type))
    return type


def decoded(text: str | None) -> Any:
    """What `text_of` was given."""
    return None if text is None else msgspec.json.decode(text)
