"""
CSV by our own stated rules: the same file is always read as the same columns, with no library but the standard one.

- UTF-8, with or without a byte order mark.
- The first line names the columns; every name is there and there once.
- The separator is whichever of `,` `;` tab appears most often in that line outside quotes; `,` wins a tie.
- Quotes are `"`, doubled inside. Every line has as many cells as the header; blank lines are skipped.
- A cell is missing if it is one of `MISSING`, spaces around it aside.
- A column is boolean, integer, number, date or datetime only if *every* cell that is not missing is; else text.
  Numbers use a point and no separators of thousands; a whole number with a leading zero (`007`) is text.
  Dates are `YYYY-MM-DD`; datetimes ISO 8601, all of them with an offset (kept as UTC) or none.
"""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from cloche.errors import UsageError
from cloche.records import Column, Kind, Table
from cloche.tables import dtypes, values

MISSING = frozenset({"", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None"})
SEPARATORS = (",", ";", "\t")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)")
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]+")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?")


def read_csv(path: Path | str) -> Table:
    """
    Read a CSV file by the rules at the head of this module; the columns are those of a pandas frame.

    Raises:
        UsageError: the file breaks a rule; the message names the line and the column.
    """
    where = str(path)
    text = _decode(Path(path), where)
    header, rows = _cells(text, where)
    cells = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    columns = {name: _column(name, cells[position]) for position, name in enumerate(header)}
    return Table(columns, len(rows), "pandas")


def _decode(path: Path, where: str) -> str:
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise UsageError(f"{where}: cannot be read: {exc.strerror or exc}") from exc
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise UsageError(
            f"{where}, line {line}: expected UTF-8, got byte 0x{raw[exc.start]:02x}; save it as UTF-8"
        ) from exc


def _cells(text: str, where: str) -> tuple[list[str], list[list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator(text), strict=True)
    try:
        header = _header(next(reader, []), where)
        rows = []
        for row in reader:
            if len(row) == len(header):
                rows.append(row)
            elif row:
                raise UsageError(_uneven(row, header, f"{where}, line {reader.line_num}"))
    except csv.Error as exc:
        raise UsageError(f"{where}, line {reader.line_num}: {exc}") from exc
    return header, rows


def separator(text: str) -> str:
    """The separator of the first line, quoted parts aside."""
    first = re.sub(r'"[^"]*"', "", text.split("\n", 1)[0])
    return max(SEPARATORS, key=first.count)


def _header(row: Sequence[str], where: str) -> list[str]:
    names = [cell.strip() for cell in row]
    if not names:
        raise UsageError(f"{where}, line 1: expected a header with the column names, got nothing")
    for position, name in enumerate(names, start=1):
        if not name:
            raise UsageError(
                f"{where}, line 1, column {position}: expected a name, got an empty cell; "
                "a pandas index is left out with to_csv(index=False)"
            )
        if name in names[: position - 1]:
            raise UsageError(f"{where}, line 1, column {position}: the name {name!r} appears twice")
    return names


def _uneven(row: Sequence[str], header: Sequence[str], where: str) -> str:
    if len(row) < len(header):
        return f"{where}, column {header[len(row)]!r}: expected {len(header)} cells, got {len(row)}"
    return f"{where}: expected {len(header)} cells, got {len(row)} (after the last column {header[-1]!r})"


# -- one column ---------------------------------------------------------------------------------


def _column(name: str, raw: Sequence[str]) -> Column:
    cells = list(map(str.strip, raw))
    gone = [cell in MISSING for cell in cells]
    missing = np.array(gone, dtype=np.bool_)
    present = [cell for cell, out in zip(cells, gone, strict=True) if not out] if missing.any() else cells
    if not present:
        return Column(name, "number", np.full(len(cells), np.nan), missing, "float64")
    for kind, parse in _PARSERS:
        parsed = parse(present)
        if parsed is not None:
            return _filled(name, kind, parsed, missing)
    text = [cell for cell, out in zip(raw, gone, strict=True) if not out] if missing.any() else raw
    return _filled(name, "string", text, missing)


def _filled(name: str, kind: Kind, present: Sequence[Any], missing: np.ndarray[Any, Any]) -> Column:
    filler, dtype = _FILLERS[kind]
    if kind == "integer" and not all(values.INT64.min <= value <= values.INT64.max for value in present):
        kind, filler, dtype = "number", np.nan, np.float64
    array = np.full(len(missing), filler, dtype=dtype)
    array[~missing] = values.object_array(present) if dtype is object else np.array(present, dtype=dtype)
    zone = "UTC" if kind == "datetime" and present[0].tzinfo is not None else None
    column = Column(name, kind, array, missing, "object", timezone=zone)
    return replace(column, dtype=dtypes.natural(column))


_FILLERS: dict[Kind, tuple[Any, Any]] = {
    "boolean": (False, np.bool_),
    "integer": (0, np.int64),
    "number": (np.nan, np.float64),
    "string": ("", object),
    "date": (datetime.date(1970, 1, 1), object),
    "datetime": (datetime.datetime(1970, 1, 1), object),
}


def _booleans(cells: Sequence[str]) -> list[bool] | None:
    return [_BOOLEANS[cell] for cell in cells] if all(cell in _BOOLEANS for cell in cells) else None


def _integers(cells: Sequence[str]) -> list[int] | None:
    return list(map(int, cells)) if all(map(_INTEGER.fullmatch, cells)) else None


def _numbers(cells: Sequence[str]) -> list[float] | None:
    try:
        parsed = list(map(float, cells))
    except ValueError:
        return None
    # Python's float() takes 1_000, and "007" is a code, not a number.
    return None if "_" in "".join(cells) or any(map(_LEADING_ZERO.fullmatch, cells)) else parsed


def _dates(cells: Sequence[str]) -> list[datetime.date] | None:
    return _parsed(cells, _DATE, datetime.date.fromisoformat)


def _datetimes(cells: Sequence[str]) -> list[datetime.datetime] | None:
    parsed = _parsed(cells, _DATETIME, datetime.datetime.fromisoformat)
    if parsed is None or len({one.tzinfo is None for one in parsed}) > 1:
        return None
    utc = ZoneInfo("UTC")
    return parsed if parsed[0].tzinfo is None else [one.astimezone(utc) for one in parsed]


def _parsed(cells: Sequence[str], pattern: re.Pattern[str], parse: Callable[[str], Any]) -> list[Any] | None:
    if not all(map(pattern.fullmatch, cells)):
        return None
    try:
        return list(map(parse, cells))
    except (ValueError, OverflowError):
        return None


_PARSERS: tuple[tuple[Kind, Callable[[Sequence[str]], Sequence[Any] | None]], ...] = (
    ("boolean", _booleans),
    ("integer", _integers),
    ("number", _numbers),
    ("date", _dates),
    ("datetime", _datetimes),
)
