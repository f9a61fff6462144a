"""A contract in words: one line a field, for `save`'s printout, `cloche contract`, the card and `inspect`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cloche.contract.model import Contract, Field, Role

MAX_LEVELS = 6
#: Bounds beyond this are limits of a number type, of no interest to a reader.
_LIMIT_OF_TYPE = 1e15


@dataclass(frozen=True, slots=True)
class FieldRule:
    """A field's rule in words, such as `number, seen 13.1…59.6, null allowed`: what was seen is no limit."""

    name: str
    role: Role
    rule: str


def describe(contract: Contract) -> list[FieldRule]:
    """The rule of every field, in the contract's order."""
    return [FieldRule(field.name, field.role, rule_in_words(field)) for field in contract.fields]


def rule_in_words(field: Field) -> str:
    """What a value of *field* has to be."""
    words = [_type(field), *_bounds(field)]
    if field.max_length is not None:
        words.append(f"at most {field.max_length} characters")
    if field.pattern is not None:
        words.append(f"matching {field.pattern}")
    if field.role == "input":
        words.append("null allowed" if field.nullable else "never null")
    if not field.required:
        words.append("optional")
    if field.role != "input":
        words.append("not shown to the model")
    if field.private:
        words.append("private")
    return ", ".join(words)


def _type(field: Field) -> str:
    if field.levels is not None and field.type != "boolean":
        return _levels(field)
    name = f"{field.type} of {field.length} numbers" if field.length is not None else str(field.type)
    if field.units is not None:
        name += f" in {field.units}"
    if field.timezone is not None:
        name += f" with offset, read as {field.timezone}"
    if field.training_range is None or field.private:
        return name
    low, high = field.training_range
    return f"{name}, seen {short(low)}…{short(high)}"


def _levels(field: Field) -> str:
    levels = field.levels or ()
    others = {"reject": "", "warn": " (others: warning)", "ignore": " (or any other)"}[field.policy.unknown_level]
    if field.private:
        return f"one of {len(levels)} levels{others}"
    shown = ", ".join(f"'{one}'" if isinstance(one, str) else str(one) for one in levels[:MAX_LEVELS])
    more = f" … ({len(levels)} levels)" if len(levels) > MAX_LEVELS else ""
    return f"one of {shown}{more}{others}"


def _bounds(field: Field) -> list[str]:
    words = []
    if field.private and (field.minimum is not None or field.maximum is not None):
        return ["within bounds"]
    if field.minimum is not None and abs(field.minimum) < _LIMIT_OF_TYPE:
        words.append(f"at least {short(field.minimum)}")
    if field.maximum is not None and abs(field.maximum) < _LIMIT_OF_TYPE:
        words.append(f"at most {short(field.maximum)}")
    if field.policy.out_of_range == "reject" and field.training_range is not None:
        words.append("nothing outside")
    return words


def short(value: Any) -> str:
    """A bound in at most 6 significant digits; dates as they are."""
    return f"{value:.6g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
