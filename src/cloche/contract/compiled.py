"""
The contract at the door: `ValidRows`, and the compiled contract that alone can make them.

Protocols hand bytes or parsed rows in; what comes out has kept every rule, and the data plane takes nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

import msgspec

from cloche.contract import csv_body, layouts
from cloche.contract.example import example_row
from cloche.contract.fast import Accepted, FastPass, fast_pass
from cloche.contract.json_schema import json_schema_body, row_schema
from cloche.contract.model import Contract, Role
from cloche.contract.problems import Problem
from cloche.contract.rules import WRAPPERS, Rule, make_rules, takes_wrapper
from cloche.contract.slow import SlowPass
from cloche.contract.soft import warnings_of
from cloche.contract.strict_json import Parsed, RepeatedKeys, parse
from cloche.errors import InvalidInputError, MalformedBodyError, TooLargeError

__all__ = ["CompiledContract", "ValidRows", "compile_contract", "example_row", "json_schema_body", "takes_wrapper"]

_MAKER: Final = object()
#: A wrapper around rows or columns of vectors: the fast pass knows no deeper layout, and takes no unknown key.
PLAIN_DEPTH: Final = 4


class ValidRows:
    """
    Rows that keep the contract, as model values; only a `CompiledContract` makes them.

    `rows` holds a tuple each, in the order of `contract.fields`, `None` where missing. `single` says that
    the body was one object, so the answer is one too.
    """

    __slots__ = ("_places", "contract", "rows", "single", "warnings")

    def __init__(
        self,
        contract: Contract,
        rows: list[tuple[Any, ...]],
        single: bool,
        warnings: list[Problem],
        places: Mapping[str, Sequence[tuple[str, int]]],
        maker: object,
    ) -> None:
        if maker is not _MAKER:
            raise TypeError("ValidRows are made by the decoders of a CompiledContract and its validate() only")
        self.contract = contract
        self.rows = rows
        self.single = single
        self.warnings = warnings
        self._places = places

    def __len__(self) -> int:
        return len(self.rows)

    def columns(self, role: Role = "input") -> dict[str, list[Any]]:
        """The values of every field of a *role* by name, one list a field."""
        rows = self.rows
        if len(rows) == 1:
            row = rows[0]
            return {name: [row[place]] for name, place in self._places[role]}
        columns = list(zip(*rows, strict=True))
        return {name: list(columns[place]) if columns else [] for name, place in self._places[role]}


class CompiledContract:
    """A contract ready to read rows; `strict` turns every warning into a refusal."""

    def __init__(self, contract: Contract, rules: Sequence[Rule], *, strict: bool) -> None:
        self.contract = contract
        self.strict = strict
        self._rules = tuple(rules)
        self._places = {role: _places(contract, role) for role in get_args(Role)}
        self._wrappers = frozenset(key for key in WRAPPERS if takes_wrapper(contract, key))
        self._by_name = {rule.name: rule for rule in rules}
        self._fast: FastPass | None = fast_pass(rules, contract.ignored, wrappers=tuple(self._wrappers))
        self._slow = SlowPass(rules, contract.ignored)
        self._soft = [(place, rule) for place, rule in enumerate(rules) if rule.may_warn]

    def decode_json(self, body: bytes, *, max_rows: int | None = None) -> ValidRows:
        """
        Read a JSON body: one object, an array of objects, `{"rows": […]}` or `{"columns": {…}}`.

        Raises:
            MalformedBodyError: it is no JSON, or none of these layouts.
            TooLargeError: it holds more than *max_rows* rows; they were not looked at.
            InvalidInputError: rows break the contract; every problem is listed.
        """
        rows = self.decode_plain_json(body, max_rows=max_rows)
        return self._decode_slowly(body, max_rows) if rows is None else rows

    def decode_plain_json(self, body: bytes, *, max_rows: int | None = None) -> ValidRows | None:
        """
        `decode_json` where the fast pass accepts *body*, else None. No body that it accepts is nested deeper than
        `PLAIN_DEPTH`.

        Raises:
            TooLargeError: as `decode_json`.
        """
        accepted = None if self._fast is None else self._fast.decode(body)
        return None if accepted is None else self._accepted(accepted, max_rows)

    def decode_ndjson(self, body: bytes, *, max_rows: int | None = None) -> ValidRows:
        """
        Read NDJSON: one object a line; blank lines are skipped.

        Raises:
            MalformedBodyError: a line is no JSON; the message names its row.
            TooLargeError, InvalidInputError: as `decode_json`.
        """
        lines = layouts.lines_of(body)
        _check_count(len(lines), max_rows)
        accepted = None if self._fast is None else self._fast.decode_lines([line for _, line in lines])
        return self._decode_lines_slowly(lines) if accepted is None else self._accepted(accepted, max_rows)

    def decode_csv(self, body: bytes, *, max_rows: int | None = None) -> ValidRows:
        """
        Read CSV with a header, by the rules at the head of `csv_body.py`.

        Raises:
            MalformedBodyError: it is no CSV.
            TooLargeError, InvalidInputError: as `decode_json`.
        """
        columns = csv_body.columns_json(body, self._by_name, max_rows)
        accepted = None if self._fast is None else self._fast.decode_columns(columns)
        if accepted is not None:
            return self._accepted(accepted, max_rows)
        try:
            return self._decode_columns_slowly(columns)
        except InvalidInputError as exc:
            raise InvalidInputError(csv_body.in_csv_words(exc.problems), exc.total) from exc

    def decode_table(self, columns: Mapping[str, list[Any]], *, max_rows: int | None = None) -> ValidRows:
        """
        Read columns of JSON-like values (dates and times as ISO 8601), one list a field, all of one length.

        Raises:
            TooLargeError, InvalidInputError: as `decode_json`.
        """
        _check_count(layouts.length_of(columns), max_rows)
        if self._fast is not None and not any(_holds_no_json(values) for values in columns.values()):
            accepted = self._fast.decode_columns(msgspec.json.encode(columns))
            if accepted is not None:
                return self._accepted(accepted, max_rows)
        return self.validate(self._rows_of(columns), single=False)

    def validate(self, rows: Sequence[Any], *, single: bool) -> ValidRows:
        """
        The slow pass over parsed rows: dicts of JSON-like values.

        Raises:
            InvalidInputError: rows break the contract; every problem is listed.
        """
        values, warnings = self._slow.rows(rows, single=single)
        return ValidRows(self.contract, values, single, warnings, self._places, _MAKER)

    def json_schema_row(self) -> dict[str, Any]:
        """JSON Schema 2020-12 of one row, as an OpenAPI 3.1 document holds it."""
        return row_schema(self._rules, self.contract.ignored)

    def _accepted(self, accepted: Accepted, max_rows: int | None) -> ValidRows:
        rows, single, unusual = accepted
        _check_count(len(rows), max_rows)
        warnings = warnings_of(rows, self._soft, single=single) if unusual and self._soft else []
        return ValidRows(self.contract, rows, single, warnings, self._places, _MAKER)

    def _decode_slowly(self, body: bytes, max_rows: int | None = None) -> ValidRows:
        parsed = parse(body)
        rows, single = self._unwrap(parsed.value, max_rows)
        return self._validated(rows, parsed, single=single)

    def _decode_lines_slowly(self, lines: Sequence[tuple[int, bytes]]) -> ValidRows:
        parsed = layouts.parse_lines(lines)
        return self._validated(parsed.value, parsed, single=False)

    def _decode_columns_slowly(self, body: bytes) -> ValidRows:
        parsed = parse(body)
        return self._validated(self._rows_of(parsed.value), parsed, single=False)

    def _rows_of(self, columns: Any) -> list[dict[str, Any]]:
        """The rows that columns stand for; where there are none their names are still judged."""
        rows = layouts.rows_of(columns)
        if columns and not rows:
            self._slow.names(columns)
        return rows

    def _validated(self, rows: Sequence[Any], parsed: Parsed, *, single: bool) -> ValidRows:
        valid = self.validate(rows, single=single)
        if parsed.not_json is not None:
            raise MalformedBodyError(f"{parsed.not_json} is not JSON; send null for a missing value")
        return valid

    def _unwrap(self, value: Any, max_rows: int | None) -> tuple[list[Any], bool]:
        if isinstance(value, list):
            _check_count(len(value), max_rows)
            return value, False
        if not isinstance(value, dict):
            raise MalformedBodyError("expected a JSON object or an array of objects")
        key = next(iter(value)) if len(value) == 1 else None
        if key not in self._wrappers:
            return [value], True
        if isinstance(value, RepeatedKeys):
            raise MalformedBodyError(f"the key '{key}' stands twice")
        if key == "columns":
            _check_count(layouts.length_of(value["columns"]), max_rows)
            return self._rows_of(value["columns"]), False
        rows = value["rows"]
        if not isinstance(rows, list):
            raise MalformedBodyError("'rows' has to hold an array of objects")
        _check_count(len(rows), max_rows)
        return rows, False


def _places(contract: Contract, role: Role) -> list[tuple[str, int]]:
    return [(field.name, place) for place, field in enumerate(contract.fields) if field.role == role]


def _holds_no_json(values: Sequence[Any]) -> bool:
    """Whether there is a NaN or an infinity, which would be written as null."""
    return any(
        one - one != 0 if isinstance(one, float) else isinstance(one, list) and _holds_no_json(one) for one in values
    )


def _check_count(n: int, max_rows: int | None) -> None:
    if max_rows is not None and n > max_rows:
        raise TooLargeError(f"rows: at most {max_rows} a request, got {n}; send them in parts")


def compile_contract(contract: Contract, *, strict: bool = False) -> CompiledContract:
    """
    Make a contract ready to read rows.

    Raises:
        UsageError: a field's own attributes make no sense (two of one name, an unknown zone, a dangerous pattern).
    """
    return CompiledContract(contract, make_rules(contract, strict=strict), strict=strict)
