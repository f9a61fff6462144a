"""
The slow pass: the authority on what a row may be. It reads every row to the end and lists what is wrong.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from cloche.contract.messages import RefusalError, clean, named_type, nearest, short_value
from cloche.contract.problems import MAX_PROBLEMS, MAX_SUGGESTIONS, Problem
from cloche.contract.rules import Rule
from cloche.contract.soft import is_unusual, soft_problem
from cloche.contract.strict_json import RepeatedKeys, Unreadable
from cloche.contract.values import checker_of
from cloche.errors import InvalidInputError

_JSON_TYPES = frozenset({dict, list, str, int, float, bool, RepeatedKeys, Unreadable})
_CAUSES = '(JavaScript drops keys that are undefined; R\'s jsonlite needs na = "null", auto_unbox = TRUE)'

Row = tuple[Any, ...]


class SlowPass:
    """Validates parsed rows against the rules of one contract."""

    def __init__(self, rules: Sequence[Rule], ignored: Sequence[str]) -> None:
        self._rules = tuple(rules)
        self._known = frozenset(rule.name for rule in rules) | frozenset(ignored)
        # Looked up once: a body of 10,000 wrong rows is read on the event loop.
        self._plan = [(rule.name, rule, checker_of(rule), rule.may_warn or rule.refuses_range) for rule in rules]

    def rows(self, data: Sequence[Any], *, single: bool) -> tuple[list[Row], list[Problem]]:
        """
        The model values of every row, and the warnings.

        Raises:
            InvalidInputError: with the problems of all rows.
        """
        found = _Found()
        rows = [self._row(row, None if single else number, found) for number, row in enumerate(data)]
        if found.total:
            raise InvalidInputError(found.problems, found.total)
        return rows, found.warnings

    def names(self, names: Collection[str]) -> None:
        """
        Judge the columns of a table that holds no row.

        Raises:
            InvalidInputError: a required one is absent, or one is unknown.
        """
        found = _Found()
        for name, rule, _, _ in self._plan:
            if name not in names:
                found.missing(_ABSENT, rule, None)
        self._unknown(dict.fromkeys(names), None, found)
        if found.total:
            raise InvalidInputError(found.problems, found.total)

    def _row(self, data: Any, number: int | None, found: _Found) -> Row:
        if not isinstance(data, dict):
            found.no_object(data, number)
            return ()
        repeated = data.repeated if isinstance(data, RepeatedKeys) else ()
        for name in repeated:
            found.add_named("the same key stands twice", "duplicate_field", _field(name), number, None)
        values: list[Any] = []
        for name, rule, checker, is_soft in self._plan:
            value = data.get(name, _ABSENT)
            if value is None or value is _ABSENT:
                found.missing(value, rule, number)
                values.append(None)
                continue
            if type(value) not in _JSON_TYPES:
                value = _plain(value)
            try:
                accepted = checker(value, rule)
            except RefusalError as refusal:
                found.refuse(refusal, rule, number, value)
                continue
            if is_soft and is_unusual(accepted, rule):
                found.soft(accepted, rule, number)
            values.append(accepted)
        if not data.keys() <= self._known:
            self._unknown(data, number, found)
        return tuple(values)

    def _unknown(self, data: dict[Any, Any], number: int | None, found: _Found) -> None:
        free = [rule.name for rule in self._rules if rule.name not in data] if found.suggesting else []
        for name in data:
            if name in self._known:
                continue
            if found.is_full:
                found.total += 1
                continue
            suggestion = nearest(name, free) if found.suggesting else None
            found.add_named("unknown field", "unknown_field", _field(name), number, suggestion)


_ABSENT = object()
_ABSENT_FIELD = RefusalError("missing_field", f"required and absent {_CAUSES}")
_ABSENT_NULLABLE = RefusalError("missing_field", f"required and absent; send null for a missing value {_CAUSES}")
_NULL = RefusalError("null_not_allowed", "null is not allowed: the model cannot take a missing value")


class _Found:
    """What has been found so far: the first problems in full, the rest as a number."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.total = 0

    @property
    def suggesting(self) -> bool:
        return self.total < MAX_SUGGESTIONS

    @property
    def is_full(self) -> bool:
        """Whether further problems are only counted."""
        return self.total >= MAX_PROBLEMS

    def add(self, problem: Problem) -> None:
        self.total += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)

    def add_named(self, message: str, code: str, field: str, number: int | None, suggestion: str | None) -> None:
        if suggestion is None:
            self.add(Problem(row=number, field=field, code=code, message=message))
            return
        message = f"{message}; did you mean '{suggestion}'?"
        self.add(Problem(row=number, field=field, code=code, message=message, suggestion=suggestion))

    def no_object(self, data: Any, number: int | None) -> None:
        if self.is_full:
            self.total += 1
            return
        message = f"expected an object of named fields, got {named_type(data)}"
        self.add(Problem(row=number, field=None, code="not_an_object", message=message, expected="an object"))

    def missing(self, value: Any, rule: Rule, number: int | None) -> None:
        """`null`, or no key at all: a problem unless the rule allows it."""
        if value is None:
            if not rule.field.nullable:
                self.refuse(_NULL, rule, number, value)
        elif rule.field.required:
            self.refuse(_ABSENT_NULLABLE if rule.field.nullable else _ABSENT_FIELD, rule, number, value)

    def refuse(self, refusal: RefusalError, rule: Rule, number: int | None, value: Any) -> None:
        if self.is_full:
            self.total += 1
            return
        facts: dict[str, Any] = {} if refusal.expected is None else {"expected": refusal.expected}
        message = refusal.message
        if not rule.field.private and value is not _ABSENT:
            facts["value"] = short_value(value)
            unknown = refusal.code == "unknown_level" and self.suggesting
            suggestion = nearest(value, rule.field.levels or ()) if unknown else None
            if suggestion is not None:
                facts["suggestion"] = suggestion
                message = f"{message}; did you mean '{suggestion}'?"
        self.add(Problem(row=number, field=rule.name, code=refusal.code, message=message, **facts))

    def soft(self, value: Any, rule: Rule, number: int | None) -> None:
        """An unusual value: a warning, or a problem where the policy says so."""
        refused = rule.refuses_range
        if not refused and len(self.warnings) >= MAX_PROBLEMS:
            return
        problem = soft_problem(value, rule, number, suggest=len(self.warnings) < MAX_SUGGESTIONS)
        if problem is None:
            return
        if refused:
            self.add(problem)
        else:
            self.warnings.append(problem)


def _field(name: Any) -> str:
    return clean(str(name))


def _plain(value: Any) -> Any:
    """What Python callers hand over in place of JSON: numpy scalars and arrays, dates and times."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    return value
