"""
A field as both passes read it: the contract's `Field` with every bound, level and zone worked out once.

What is soft and what is hard is decided here, so that strict mode and a field's policy are looked at in one place.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass
from typing import Any, Literal

from cloche.contract.datetimes import bound, zone_of
from cloche.contract.messages import RefusalError, quoted
from cloche.contract.model import Contract, Field
from cloche.contract.patterns import compile_pattern
from cloche.errors import UsageError

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1
NUMERIC = frozenset({"integer", "number"})
TEMPORAL = frozenset({"date", "datetime"})
TEXTUAL = frozenset({"string", "text", "category"})
#: Keys that wrap a whole JSON body, as its only key.
WRAPPERS = ("rows", "columns")

Verdict = Literal["reject", "warn", "ignore"]


@dataclass(frozen=True, slots=True)
class Rule:
    """
    What one field's values have to keep.

    `low` and `high` are hard, for integers always set (int64). `soft_low` and `soft_high` are the ends of the
    training range as model values; `whole` says that it was seen with whole numbers only. `levels` is None where
    any text goes; what an unknown one does is `on_level`.
    """

    field: Field
    low: float | int | None
    high: float | int | None
    soft_low: Any
    soft_high: Any
    whole: bool
    levels: frozenset[Any] | None
    integer_levels: bool
    on_level: Verdict
    on_range: Verdict
    pattern: re.Pattern[str] | None
    max_length: int | None
    zone: dt.tzinfo | None

    @property
    def name(self) -> str:
        """The field's name on the wire."""
        return self.field.name

    @property
    def has_range(self) -> bool:
        """Whether values are compared with the training range."""
        return self.on_range != "ignore" and (self.soft_low is not None or self.soft_high is not None)

    @property
    def refuses_range(self) -> bool:
        """Whether leaving the training range is a refusal."""
        return self.on_range == "reject" and self.has_range

    @property
    def may_warn(self) -> bool:
        """Whether an accepted value can be unusual."""
        return self.on_level == "warn" if self.levels is not None else self.has_range and self.on_range == "warn"

    def refuses(self, number: int) -> bool:
        """Whether an integer breaks a hard rule, or a soft one that the policy made hard."""
        if self.levels is not None:
            return self.on_level == "reject" and number not in self.levels
        return _beyond(number, self.low, self.high) or (
            self.on_range == "reject" and _beyond(number, self.soft_low, self.soft_high)
        )

    def warns_of(self, number: int) -> bool:
        """Whether an integer that is not refused is unusual."""
        if self.levels is not None:
            return self.on_level == "warn" and number not in self.levels
        return self.on_range == "warn" and _beyond(number, self.soft_low, self.soft_high)

    def shown(self, value: Any) -> str:
        """The value in a message; a private one is never shown."""
        return "this value" if self.field.private else quoted(value)


def make_rules(contract: Contract, *, strict: bool) -> tuple[Rule, ...]:
    """
    The rules of a contract, in the order of its fields.

    Raises:
        UsageError: two fields share a name, or a field's own attributes make no sense.
    """
    names = [field.name for field in contract.fields]
    twice = sorted({name for name in names if names.count(name) > 1} | (set(names) & set(contract.ignored)))
    if twice:
        raise UsageError(f"the contract names {', '.join(map(repr, twice))} twice")
    return tuple(_rule(field, strict) for field in contract.fields)


def takes_wrapper(contract: Contract, key: str) -> bool:
    """Whether `{key: …}` is a wrapper under this contract: not where a field or an ignored column is called so."""
    return contract.field(key) is None and key not in contract.ignored


def _rule(field: Field, strict: bool) -> Rule:
    low, high = _hard_bounds(field)
    zone = zone_of(field.timezone) if field.type == "datetime" else None
    soft_low, soft_high = _soft_bounds(field, zone)
    pattern, max_length = None, field.max_length
    if field.pattern is not None:
        pattern, max_length = compile_pattern(field.pattern, field.name, field.max_length)
    levels = _levels(field)
    return Rule(
        field=field,
        low=low,
        high=high,
        soft_low=soft_low,
        soft_high=soft_high,
        whole=field.type == "number" and field.training_range is not None and _whole(field.training_range),
        levels=levels,
        integer_levels=bool(levels) and not any(isinstance(level, str) for level in levels or ()),
        on_level=_verdict(field.policy.unknown_level, strict),
        on_range=_verdict(field.policy.out_of_range, strict),
        pattern=pattern,
        max_length=max_length,
        zone=zone,
    )


def _verdict(policy: Verdict, strict: bool) -> Verdict:
    return "reject" if strict and policy == "warn" else policy


def _levels(field: Field) -> frozenset[Any] | None:
    if field.levels is None or field.type not in TEXTUAL:
        return None
    levels = frozenset(field.levels)
    if all(isinstance(level, str) for level in levels):
        return levels
    if all(type(level) is int and INT64_MIN <= level <= INT64_MAX for level in levels):
        return levels
    raise UsageError(f"{field.name}: levels have to be all text or all 64-bit integers")


def _hard_bounds(field: Field) -> tuple[float | int | None, float | int | None]:
    low, high = _bounds(field, field.minimum, field.maximum)
    if low is not None and high is not None and low > high:
        raise UsageError(f"{field.name}: minimum {field.minimum} is above maximum {field.maximum}")
    if field.type != "integer":
        return low, high
    return INT64_MIN if low is None else low, INT64_MAX if high is None else high


def _soft_bounds(field: Field, zone: dt.tzinfo | None) -> tuple[Any, Any]:
    if field.training_range is None or field.type not in NUMERIC | TEMPORAL:
        return None, None
    low, high = field.training_range
    if field.type in NUMERIC:
        return _bounds(field, low, high)
    try:
        return (
            None if low is None else bound(low, field.type, zone),
            None if high is None else bound(high, field.type, zone),
        )
    except (ValueError, RefusalError) as exc:
        raise UsageError(f"{field.name}: training_range {field.training_range!r} holds no {field.type}s") from exc


def _whole(ends: tuple[Any, Any]) -> bool:
    """A number column of whole numbers keeps its range as integers."""
    return all(type(end) is int for end in ends)


def _bounds(field: Field, low: Any, high: Any) -> tuple[float | int | None, float | int | None]:
    """The two ends in the field's own number type: both passes then compare the same numbers."""
    if field.type != "integer":
        return _finite(low), _finite(high)
    return (
        None if _finite(low) is None else min(max(math.ceil(low), INT64_MIN), INT64_MAX),
        None if _finite(high) is None else min(max(math.floor(high), INT64_MIN), INT64_MAX),
    )


def _finite(value: float | int | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _beyond(number: int, low: float | int | None, high: float | int | None) -> bool:
    return (low is not None and number < low) or (high is not None and number > high)
