"""What a layout tells of a model that another tool wrote, as plain data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cloche.records import Column, Kind, Table

_VALUES: Mapping[str, tuple[Any, str]] = {
    "string": (object, "object"),
    "boolean": (np.bool_, "bool"),
    "datetime": (object, "datetime64[ns]"),
}


@dataclass(frozen=True, slots=True)
class FoundField:
    """An input that a signature, a prototype or an example names; `kind` None where it does not tell the type."""

    name: str
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """
    A model of another tool: `kind` names the tool, `file` is what holds the model.

    `fields` are its inputs in order, as far as the layout tells them; `saved_with` the versions of libraries by
    distribution; `notes` what its owner should know.
    """

    kind: str
    file: Path
    fields: tuple[FoundField, ...] = ()
    saved_with: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None
    notes: tuple[str, ...] = ()


def table_of(fields: Sequence[FoundField], *, named: bool) -> Table | None:
    """
    A table of no rows that tells the names and types of *fields*; None where they say nothing.

    *named* tells whether the model itself knows its inputs by name.
    """
    if not fields:
        return None
    columns = {one.name: _column(one) for one in fields}
    text = any(one.kind not in ("number", "integer") for one in columns.values())
    return Table(columns, 0, "pandas" if named or text else "numpy")


def _column(told: FoundField) -> Column:
    kind = told.kind or "number"
    values, dtype = _VALUES.get(kind, (np.float64, "float64"))
    return Column(told.name, kind, np.empty(0, dtype=values), np.empty(0, dtype=np.bool_), dtype)


def kind_of_value(value: Any) -> Kind | None:
    """The type that one example value shows; a whole number may be any number."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "datetime" if isinstance(value, dt.datetime) else None
