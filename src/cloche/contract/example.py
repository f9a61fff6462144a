"""A row to show: synthetic, the same at every call, and valid. It is never a row of the training table."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from cloche.contract.model import Contract
from cloche.contract.patterns import example_of
from cloche.contract.rules import INT64_MAX, INT64_MIN, Rule, make_rules
from cloche.errors import UsageError

_DAY = dt.date(2024, 5, 17)
_MOMENT = dt.datetime(2024, 5, 17, 9, 30)


def example_row(contract: Contract) -> dict[str, Any]:
    """
    A wire row that the contract accepts, also in strict mode: the middle of each range, the first level.

    Raises:
        UsageError: a field's `pattern` is too intricate to make an example of.
    """
    return {rule.name: _EXAMPLES[rule.field.type](rule) for rule in make_rules(contract, strict=True)}


def _integer(rule: Rule) -> int:
    low, high = _ends(rule)
    if low == INT64_MIN or high == INT64_MAX:
        return int(_inside(0, low, high))
    return (int(low) + int(high)) // 2


def _number(rule: Rule) -> float:
    low, high = _ends(rule)
    if low is None or high is None:
        return float(_inside(0.0, low, high))
    middle = low / 2 + high / 2
    if rule.whole:
        return float(math.floor(middle)) if math.floor(middle) >= low else middle
    return next((short for digits in (3, 4, 6, 9) if low <= (short := float(f"{middle:.{digits}g}")) <= high), middle)


def _ends(rule: Rule) -> tuple[Any, Any]:
    """The narrowest interval: hard bounds and training range together, or the hard ones where these do not meet."""
    low = max((end for end in (rule.low, rule.soft_low) if end is not None), default=None)
    high = min((end for end in (rule.high, rule.soft_high) if end is not None), default=None)
    return (rule.low, rule.high) if low is not None and high is not None and low > high else (low, high)


def _inside(value: Any, low: Any, high: Any) -> Any:
    if low is not None and value < low:
        return low
    return high if high is not None and value > high else value


def _text(rule: Rule) -> str:
    if rule.pattern is None:
        return "text"[: rule.max_length]
    example = example_of(rule.pattern, rule.max_length)
    if example is None:
        raise UsageError(f"{rule.name}: no example matches the pattern {rule.pattern.pattern!r}; write a simpler one")
    return example


def _level(rule: Rule) -> Any:
    return rule.field.levels[0] if rule.levels and rule.field.levels else _text(rule)


def _date(rule: Rule) -> str:
    return str(_moment(rule, _DAY).isoformat())


def _datetime(rule: Rule) -> str:
    middle = _moment(rule, _MOMENT if rule.zone is None else _MOMENT.replace(tzinfo=rule.zone))
    whole = middle.replace(microsecond=0)
    return str((middle if rule.soft_low is not None and whole < rule.soft_low else whole).isoformat())


def _moment(rule: Rule, usual: Any) -> Any:
    if rule.soft_low is None or rule.soft_high is None:
        return _inside(usual, rule.soft_low, rule.soft_high)
    return rule.soft_low + (rule.soft_high - rule.soft_low) / 2


def _vector(rule: Rule) -> list[float]:
    return [_number(rule)] * (3 if rule.field.length is None else rule.field.length)


_EXAMPLES = {
    "boolean": lambda _: True,
    "category": _level,
    "date": _date,
    "datetime": _datetime,
    "integer": _integer,
    "number": _number,
    "string": _level,
    "text": _text,
    "vector": _vector,
}
