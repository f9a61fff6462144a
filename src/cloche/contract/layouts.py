"""
How the rows of a body lie: one object a line, or one array a column. The slow pass's side; it judges no value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cloche.contract.messages import clean, named_type
from cloche.contract.problems import MAX_PROBLEMS, Problem
from cloche.contract.strict_json import Parsed, RepeatedKeys, parse
from cloche.errors import InvalidInputError, MalformedBodyError


def lines_of(body: bytes) -> list[tuple[int, bytes]]:
    """
    The lines of NDJSON that hold something, with their numbers from 1.

    A line ends with LF or CRLF: no other byte of a JSON text in UTF-8 is one.
    """
    return [(number, line) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip(b" \t\r")]


def parse_lines(lines: Sequence[tuple[int, bytes]]) -> Parsed:
    """
    The values of the lines, parsed one by one.

    Raises:
        MalformedBodyError: a line is no JSON; the message names its row.
    """
    values: list[Any] = []
    not_json: str | None = None
    for row, (number, line) in enumerate(lines):
        parsed = parse(line.rstrip(b"\r"), f"row {row} (line {number})")
        values.append(parsed.value)
        not_json = not_json or parsed.not_json
    return Parsed(values, not_json)


def length_of(columns: Any) -> int:
    """How many rows the columns hold, as far as can be said before they are checked."""
    if not isinstance(columns, dict):
        return 0
    return max((len(one) for one in columns.values() if isinstance(one, list)), default=0)


def rows_of(columns: Any) -> list[dict[str, Any]]:
    """
    One dict a row from one array a field.

    Raises:
        MalformedBodyError: they are no object of arrays.
        InvalidInputError: a name stands twice, or the arrays are of different lengths.
    """
    if not isinstance(columns, dict):
        raise MalformedBodyError(f"'columns' has to hold an object of arrays, got {named_type(columns)}")
    for name, values in columns.items():
        if not isinstance(values, list):
            raise MalformedBodyError(f"'columns': '{clean(name)}' has to hold an array, got {named_type(values)}")
    if isinstance(columns, RepeatedKeys):
        refuse([_column(name, "duplicate_field", "the same column stands twice") for name in columns.repeated])
    _refuse_ragged(columns)
    names = list(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _refuse_ragged(columns: dict[str, list[Any]]) -> None:
    """The first column says how many rows there are."""
    first = next(iter(columns), "")
    n = len(columns[first]) if columns else 0
    shown = clean(first)
    refuse(
        [
            _column(name, "ragged", f"{len(values)} values, and '{shown}' holds {n}")
            for name, values in columns.items()
            if len(values) != n
        ]
    )


def _column(name: str, code: str, message: str) -> Problem:
    return Problem(row=None, field=clean(name), code=code, message=message)


def refuse(problems: Sequence[Problem], total: int | None = None) -> None:
    """
    Raises:
        InvalidInputError: there are problems.
    """
    if problems:
        raise InvalidInputError(problems[:MAX_PROBLEMS], len(problems) if total is None else total)
