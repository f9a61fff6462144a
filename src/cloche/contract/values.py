"""
One value against one rule: what the slow pass decides. The wire table of the docs is this file in words.

A checker takes any JSON value but null and returns the model's value, or raises `RefusalError`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

from cloche.contract.datetimes import DATE_SHAPE, parse_date, parse_datetime
from cloche.contract.messages import RefusalError, listed, quoted, wrong_type
from cloche.contract.rules import INT64_MAX, INT64_MIN, Rule

#: Integers that a float64 may not hold exactly may also be sent as text.
MAX_SAFE_INTEGER = 2**53
_BIG_INTEGER = re.compile(r"-?[1-9][0-9]{15,18}")

Checker = Callable[[Any, Rule], Any]


def checker_of(rule: Rule) -> Checker:
    """The checker of a rule's type, for values that are not null."""
    return _CHECKERS[rule.field.type]


def _boolean(value: Any, rule: Rule) -> bool:
    if isinstance(value, (bool, int, float)) and (value == 0 or value == 1):
        return bool(value)
    raise wrong_type("true or false", value, rule.field.private)


def _integer(value: Any, rule: Rule) -> int:
    whole = _whole(value, rule, boolean=rule.field.accepts_boolean)
    return int(_in_bounds(whole, rule))


def _whole(value: Any, rule: Rule, *, boolean: bool) -> int:
    """*value* as an int64; `1.0` is 1, and text is taken beyond 2^53 only."""
    if isinstance(value, bool) and not boolean:
        raise wrong_type("an integer number", value, rule.field.private)
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        whole = int(value)
    elif isinstance(value, float) and value - value == 0:
        raise RefusalError("not_an_integer", f"{rule.shown(value)} is not a whole number", "an integer number")
    elif isinstance(value, str) and _BIG_INTEGER.fullmatch(value) and abs(int(value)) > MAX_SAFE_INTEGER:
        whole = int(value)
    else:
        raise wrong_type("an integer number", value, rule.field.private)
    if INT64_MIN <= whole <= INT64_MAX:
        return whole
    raise RefusalError(
        "not_representable", f"{rule.shown(whole)} is beyond 64-bit integers", "an integer within 64 bits"
    )


def _number(value: Any, rule: Rule) -> float:
    if isinstance(value, bool) and not rule.field.accepts_boolean:
        raise wrong_type("a number", value, rule.field.private)
    if isinstance(value, (int, float)) and (isinstance(value, int) or value - value == 0):
        return float(_in_bounds(_float(value, rule), rule))
    raise wrong_type("a number", value, rule.field.private)


def _float(value: int | float, rule: Rule) -> float:
    try:
        return float(value)
    except OverflowError:
        shown = rule.shown(value)
        raise RefusalError("not_representable", f"{shown} is beyond float64", "a number within float64") from None


def _in_bounds(value: Any, rule: Rule) -> Any:
    if rule.low is not None and value < rule.low:
        raise RefusalError(
            "out_of_range", f"{rule.shown(value)} is below the minimum {quoted(rule.low)}", _bounds(rule)
        )
    if rule.high is not None and value > rule.high:
        raise RefusalError(
            "out_of_range", f"{rule.shown(value)} is above the maximum {quoted(rule.high)}", _bounds(rule)
        )
    return value


def _bounds(rule: Rule) -> str:
    if rule.low is None or rule.high is None:
        return f"at most {quoted(rule.high)}" if rule.low is None else f"at least {quoted(rule.low)}"
    return f"{quoted(rule.low)} to {quoted(rule.high)}"


def _text(value: Any, rule: Rule) -> str:
    if not isinstance(value, str):
        raise wrong_type("text", value, rule.field.private)
    text = str(value)
    if not text.isascii() and not _is_unicode(text):
        raise RefusalError("bad_text", "the text is not valid Unicode: it holds a lone surrogate", "valid Unicode")
    if rule.max_length is not None and len(text) > rule.max_length:
        limit = f"at most {rule.max_length} characters"
        raise RefusalError("too_long", f"{len(text)} characters, expected {limit}", limit)
    if rule.pattern is not None and not rule.pattern.fullmatch(text):
        pattern = rule.pattern.pattern
        raise RefusalError("pattern_mismatch", f"{rule.shown(text)} does not match {pattern}", pattern)
    return text


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _category(value: Any, rule: Rule) -> str | int:
    boolean = rule.field.accepts_boolean
    level = _whole(value, rule, boolean=boolean) if rule.integer_levels else _text(value, rule)
    if rule.on_level == "reject" and rule.levels is not None and level not in rule.levels:
        raise unknown_level(level, rule)
    return level


def unknown_level(level: Any, rule: Rule) -> RefusalError:
    """The refusal, or the words of the warning, of a level that is not among the rule's."""
    levels = rule.field.levels or ()
    expected = "one of the known levels" if rule.field.private else listed(levels, len(levels))
    return RefusalError("unknown_level", f"unknown level {_level(level, rule)}", expected)


def _level(level: Any, rule: Rule) -> str:
    return "(not shown)" if rule.field.private else rule.shown(level)


def _date(value: Any, rule: Rule) -> dt.date:
    if not isinstance(value, str):
        raise wrong_type(f"{DATE_SHAPE} as text", value, rule.field.private)
    return parse_date(value, rule.field.private)


def _datetime(value: Any, rule: Rule) -> dt.datetime:
    if not isinstance(value, str):
        raise wrong_type("a date and time as text", value, rule.field.private)
    return parse_datetime(value, rule.zone, rule.field.private)


def _vector(value: Any, rule: Rule) -> list[float]:
    length = rule.field.length
    shape = "an array of numbers" if length is None else f"an array of {length} numbers"
    if not isinstance(value, (list, tuple)):
        raise wrong_type(shape, value, rule.field.private)
    if length is not None and len(value) != length:
        raise RefusalError("wrong_length", f"expected {shape}, got {len(value)}", shape)
    return [_element(position, element, rule) for position, element in enumerate(value)]


def _element(position: int, element: Any, rule: Rule) -> float:
    try:
        if isinstance(element, bool):
            raise wrong_type("a number", element, rule.field.private)
        return _number(element, rule)
    except RefusalError as refusal:
        raise RefusalError(refusal.code, f"element {position}: {refusal.message}", refusal.expected) from None


_CHECKERS: dict[str, Checker] = {
    "boolean": _boolean,
    "category": _category,
    "date": _date,
    "datetime": _datetime,
    "integer": _integer,
    "number": _number,
    "string": _category,
    "text": _text,
    "vector": _vector,
}
