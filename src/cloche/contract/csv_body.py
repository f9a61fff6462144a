"""
A CSV body as the JSON columns that it stands for: RFC 4180 in, so that both passes read it like any other body.

- UTF-8, with or without a byte order mark; cells apart by `,`, rows by CRLF or LF; quotes are `"`, doubled inside.
- The first row names the columns, each once. Blank lines are skipped.
- A cell is read by its field's type. An empty cell is missing; in a text field that takes no null it is empty
  text, and so is `""` in any text field.

A number becomes the JSON number of the same digits, so nothing is rounded here; what is no number stays text,
which the slow pass refuses with row and field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from cloche.contract.layouts import refuse
from cloche.contract.messages import clean
from cloche.contract.problems import MAX_PROBLEMS, Problem
from cloche.contract.rules import NUMERIC, TEXTUAL, Rule
from cloche.contract.strict_json import decode_utf8
from cloche.errors import MalformedBodyError, TooLargeError

_CELL = re.compile(r'(?:"([^"]*+(?:""[^"]*+)*+)"|([^",\r\n]*+))(,|\r?\n|\Z)')
_BLANK_LINES = re.compile(r"(?:\r?\n)*+")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+")
#: How other writers spell numbers: `+1`, `.5`, `1.`
_LOOSE = re.compile(r"([+-]?)(0|[1-9][0-9]*+)?(?:\.([0-9]*+))?+([eE][+-]?[0-9]++)?+")
_ARRAY = re.compile(rf"\[\s*+(?:{_NUMBER.pattern}\s*+(?:,\s*+{_NUMBER.pattern}\s*+)*+)?\]")
_FLAGS = {"true": "true", "True": "true", "TRUE": "true", "false": "false", "False": "false", "FALSE": "false"}

Spell = Callable[[str], str]


def columns_json(body: bytes, rules: Mapping[str, Rule], max_rows: int | None) -> bytes:
    """
    The JSON object of one array a column that *body* stands for.

    Raises:
        MalformedBodyError: it is no CSV with a header.
        TooLargeError: more than *max_rows* rows; the rest was not looked at.
        InvalidInputError: a row has more or fewer cells than the header.
    """
    rows = _rows(decode_utf8(body.removeprefix(b"\xef\xbb\xbf")))
    names = _header(next(rows, None))
    columns: list[list[str]] = [[] for _ in names]
    fill = [(column.append, _speller(rules.get(name))) for name, column in zip(names, columns, strict=True)]
    ragged: list[Problem] = []
    total = 0
    for number, cells in enumerate(rows):
        if max_rows is not None and number >= max_rows:
            raise TooLargeError(f"rows: at most {max_rows} a request; send them in parts")
        if len(cells) != len(names):
            total += 1
            ragged += [_uneven(number, len(cells), len(names))] if total <= MAX_PROBLEMS else []
        elif not total:
            for (append, spell), cell in zip(fill, cells, strict=True):
                append(spell(cell))
    refuse(ragged, total)
    parts = [f"{_json(name)}:[{','.join(column)}]" for name, column in zip(names, columns, strict=True)]
    return ("{" + ",".join(parts) + "}").encode()


# -- cells of text ------------------------------------------------------------------------------


class _Quoted(str):
    """A cell that stood in quotes: `""` is empty text, and nothing at all is missing."""

    __slots__ = ()


def _rows(text: str) -> Iterator[list[str]]:
    """The cells of every row that is not blank."""
    position, line, cells = 0, 1, list[str]()
    match = _CELL.match
    while position < len(text) or cells:
        found = match(text, position)
        if found is None:
            raise MalformedBodyError(f"the body is not CSV: {_trouble(text, position)} on line {line}")
        quoted, plain, end = found.groups()
        cells.append(plain if quoted is None else _Quoted(quoted.replace('""', '"')))
        position = found.end()
        if end == ",":
            continue
        line += 1 if quoted is None else 1 + quoted.count("\n")
        if cells != [""] or quoted is not None:
            yield cells
        elif blank := _BLANK_LINES.match(text, position):  # a million of them cost one match
            position, line = blank.end(), line + blank.group().count("\n")
        cells = []


def _trouble(text: str, position: int) -> str:
    if text[position] != '"':
        return "a quote or a lone CR inside a cell without quotes"
    closed = re.compile(r'"[^"]*+(?:""[^"]*+)*+"').match(text, position)
    return "a quoted cell that does not end" if closed is None else "text after the closing quote of a cell"


def _header(names: list[str] | None) -> list[str]:
    if names is None:
        raise MalformedBodyError("the body is empty; expected a CSV header that names the fields")
    seen: set[str] = set()
    for place, name in enumerate(names, start=1):
        if not name:
            raise MalformedBodyError(f"the CSV header: column {place} has no name")
        if name in seen:
            raise MalformedBodyError(f"the CSV header: the column '{clean(name)}' stands twice")
        seen.add(name)
    return [str(name) for name in names]


def _uneven(row: int, got: int, expected: int) -> Problem:
    message = f"{got} cells, and the header names {expected} columns"
    return Problem(row=row, field=None, code="ragged", message=message, expected=f"{expected} cells")


# -- cells as JSON ------------------------------------------------------------------------------


def _speller(rule: Rule | None) -> Spell:
    """How the cells of a column are spelled in JSON; a column that is no field holds text."""
    if rule is None:
        return _text_or_null
    kind = rule.field.type
    if kind in NUMERIC or kind == "boolean" or rule.integer_levels:
        return _number
    if kind in TEXTUAL:
        return _text_or_null if rule.field.nullable else _json
    return _vector if kind == "vector" else _moment


def _json(text: str) -> str:
    return msgspec.json.encode(str(text)).decode()


def _text_or_null(cell: str) -> str:
    return _json(cell) if cell or isinstance(cell, _Quoted) else "null"


def _number(cell: str) -> str:
    if _NUMBER.fullmatch(cell):
        return cell
    text = cell.strip()
    if not text:
        return "null"
    return _FLAGS.get(text) or _spelled(text) or _json(cell)


def _spelled(text: str) -> str | None:
    """`+1`, `.5` and `1.` as JSON spells them; None for what is no number."""
    found = _LOOSE.fullmatch(text)
    if found is None or not (found[2] or found[3]):
        return None
    sign, whole, fraction, exponent = found.groups()
    return f"{sign.replace('+', '')}{whole or 0}{f'.{fraction}' if fraction else ''}{exponent or ''}"


def _moment(cell: str) -> str:
    text = cell.strip()
    return _json(text) if text else "null"


def _vector(cell: str) -> str:
    text = cell.strip()
    return (text if _ARRAY.fullmatch(text) else _json(cell)) if text else "null"


_HINT = "; send it without quotes"


def in_csv_words(problems: Sequence[Problem]) -> list[Problem]:
    """The problems of a CSV body without advice that is about JSON."""
    return [
        msgspec.structs.replace(one, message=one.message.replace(_HINT, _advice(one))) if _HINT in one.message else one
        for one in problems
    ]


def _advice(problem: Problem) -> str:
    value = problem.value if isinstance(problem.value, str) else ""
    gone = value.strip().lower() in ("nan", "inf", "-inf", "infinity", "-infinity")
    return "; leave the cell empty where the value is missing" if gone else ""
