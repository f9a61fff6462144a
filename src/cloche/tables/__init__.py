"""Tables in, columns out, and back: the only layer that meets pandas, polars and Arrow."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from cloche.errors import UsageError
from cloche.records import Column, Table
from cloche.tables.csv_home import read_csv
from cloche.tables.fingerprint import fingerprint
from cloche.tables.frame import frame_spec, to_frame
from cloche.tables.read import read, read_target
from cloche.tables.wire import to_wire

__all__ = [
    "fingerprint",
    "frame_spec",
    "read",
    "read_csv",
    "read_target",
    "select",
    "split",
    "to_frame",
    "to_wire",
]


def select(table: Table, names: Sequence[str]) -> Table:
    """
    The table of only these columns, in this order.

    Raises:
        UsageError: a name is no column.
    """
    return Table({name: _column(table, name) for name in names}, table.rows, table.container)


def split(table: Table, target: str) -> tuple[Table, Column]:
    """
    The table without the column *target*, and that column.

    Raises:
        UsageError: *target* is no column.
    """
    column = _column(table, target)
    return select(table, [name for name in table.columns if name != target]), column


def _column(table: Table, name: str) -> Column:
    if name in table.columns:
        return table.columns[name]
    near = difflib.get_close_matches(name, table.columns, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else f"; the columns are {', '.join(table.columns)}"
    raise UsageError(f"no column '{name}'{hint}")
