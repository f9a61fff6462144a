"""
Soft rules: values the model can take and has not seen. They are answered with a warning unless a policy says otherwise.

Both passes end here, so that a warning does not depend on which of them read the row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from cloche.contract.messages import nearest, quoted, short_value
from cloche.contract.problems import MAX_PROBLEMS, MAX_SUGGESTIONS, Problem
from cloche.contract.rules import Rule
from cloche.contract.values import unknown_level


def soft_problem(value: Any, rule: Rule, row: int | None, *, suggest: bool) -> Problem | None:
    """What is unusual about a model *value* of a rule that has a soft side, or None; a missing value never is."""
    if value is None or not is_unusual(value, rule):
        return None
    return _outside(value, rule, row) if rule.levels is None else _unknown_level(value, rule, row, suggest=suggest)


def is_unusual(value: Any, rule: Rule) -> bool:
    """Whether a model value of a rule with a soft side lies on it."""
    return is_outside(value, rule) if rule.levels is None else value not in rule.levels


def is_outside(value: Any, rule: Rule) -> bool:
    """Whether a model value lies outside the training range, or between its whole numbers."""
    below = rule.soft_low is not None and value < rule.soft_low
    return bool(below or (rule.soft_high is not None and value > rule.soft_high) or (rule.whole and value % 1))


def warnings_of(rows: Sequence[tuple[Any, ...]], rules: Sequence[tuple[int, Rule]], *, single: bool) -> list[Problem]:
    """The warnings of accepted rows, at most `MAX_PROBLEMS`, by row and then by field."""
    found: list[Problem] = []
    for number, row in enumerate(rows):
        for position, rule in rules:
            at = None if single else number
            problem = soft_problem(row[position], rule, at, suggest=len(found) < MAX_SUGGESTIONS)
            if problem is not None:
                found.append(problem)
                if len(found) == MAX_PROBLEMS:
                    return found
    return found


def _unknown_level(value: Any, rule: Rule, row: int | None, *, suggest: bool) -> Problem:
    refusal = unknown_level(value, rule)
    private = rule.field.private
    suggestion = nearest(value, rule.field.levels or ()) if suggest and not private else None
    message = refusal.message if suggestion is None else f"{refusal.message}; did you mean '{suggestion}'?"
    facts = _facts(value, private) if suggestion is None else {**_facts(value, private), "suggestion": suggestion}
    facts["expected"] = refusal.expected
    return Problem(row=row, field=rule.name, code=refusal.code, message=message, **facts)


def _outside(value: Any, rule: Rule, row: int | None) -> Problem:
    wire = value.isoformat() if isinstance(value, (dt.date, dt.datetime)) else value
    shown = "this value" if rule.field.private else str(wire) if isinstance(wire, str) else quoted(wire)
    if rule.whole and value % 1 and rule.soft_low <= value <= rule.soft_high:
        code, expected = "fraction", "a whole number"
        message = f"{shown} has a fraction; training saw only whole numbers"
    else:
        code, expected = "outside_training_range", _range(rule)
        message = f"{shown} is outside the training range {expected}"
    facts = _facts(wire, rule.field.private)
    return Problem(row=row, field=rule.name, code=code, message=message, expected=expected, **facts)


def _range(rule: Rule) -> str:
    low, high = (
        end.isoformat() if isinstance(end, (dt.date, dt.datetime)) else quoted(end)
        for end in (rule.soft_low, rule.soft_high)
    )
    if rule.soft_low is None or rule.soft_high is None:
        return f"up to {high}" if rule.soft_low is None else f"from {low}"
    return f"{low} to {high}"


def _facts(value: Any, private: bool) -> dict[str, Any]:
    return {} if private else {"value": short_value(value)}
