"""The log as one file: a row for each answered row, the fields under their own names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cloche.errors import UsageError
from cloche.prediction_log import layout
from cloche.prediction_log.homes import home
from cloche.prediction_log.reading import LogReader

FORMATS: Final = (".csv", ".parquet")
#: The log's own columns that a file begins with; `date` is in `time`.
OWN: Final = (
    *("request_id", "client_request_id", "row", "time", "version", "contract", "route", "engine", "key"),
    *("status", "error", "latency_ms", "prediction"),
)
_PLAIN: Final = ("in", "key", "ctx")
Classes = Callable[[int], Sequence[Any] | None]


@dataclass(frozen=True, slots=True)
class Exported:
    """How many rows the file holds, and its columns."""

    rows: int
    columns: tuple[str, ...]


def export(
    reader: LogReader,
    model: str,
    path: Path,
    *,
    classes: Classes,
    since: datetime | None = None,
    until: datetime | None = None,
    version: int | None = None,
    everything: bool = False,
) -> Exported:
    """
    Write the answered rows of *model* to *path* (.parquet or .csv); with *everything* refused and failed ones too.

    *classes* gives the classes of a contract in the order of the probabilities, if they are known.

    Raises:
        UsageError: *path* ends in something else, or cannot be written.
        StoreError: the log cannot be read.
    """
    if path.suffix not in FORMATS:
        raise UsageError(f"'{path}': expected a file name that ends in {' or '.join(FORMATS)}")
    arrow = home("arrow")
    types, chunks = reader.chunks(model, since=since, until=until)
    names = named([name for name in types if name not in OWN])
    wanted = arrow.answered(version=version, everything=everything)
    known = {one: classes(one) for one in reader.contracts(model)}
    shape = arrow.Shape(OWN, names, types, known)
    beside = path.with_name(f".{path.name}.part")
    try:
        with arrow.writing(beside, path.suffix, shape.schema) as write:
            rows = sum(write(shape.of(arrow.chosen(chunk, wanted))) for chunk in chunks)
        beside.replace(path)
    except OSError as exc:
        raise UsageError(f"'{path}': cannot be written: {exc.strerror or exc}") from exc
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
    return Exported(rows, tuple(shape.schema.names))


def named(columns: Sequence[str]) -> dict[str, str]:
    """
    For each field's column, the name it has in a file: the field's own, or the column's where two would be the same.

    Hashes and bins are not the field's values, and keep the prefix that says so.
    """
    parts = {column: layout.field_of(column) for column in columns if column.startswith(_FIELDS)}
    own = {column: name for column, (prefix, name) in parts.items() if prefix in _PLAIN}
    taken = [*own.values(), *OWN, "score", "probabilities"]
    return {
        column: own[column]
        if column in own and taken.count(own[column]) == 1 and not own[column].startswith("probabilities.")
        else f"{prefix}_{name}"
        for column, (prefix, name) in parts.items()
    }


_FIELDS: Final = ("in_", "key_", "ctx_", "hash_", "bin_")
