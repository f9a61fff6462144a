"""
JSON Schema 2020-12 of a row and of a request body, as OpenAPI 3.1 embeds it.

Valid by the schema means accepted by the slow pass; what JSON Schema cannot say (the instant of a date-time in its
zone, repeated keys) stays with the pass.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from typing import Any

from cloche.contract.integer_text import integers_between
from cloche.contract.model import Contract, Field
from cloche.contract.patterns import is_portable
from cloche.contract.rules import INT64_MAX, INT64_MIN, NUMERIC, TEMPORAL, Rule, make_rules, takes_wrapper
from cloche.contract.values import MAX_SAFE_INTEGER

Schema = dict[str, Any]

_MAX_FLOAT = sys.float_info.max
_YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_TO_28 = "(?:0[1-9]|1[0-9]|2[0-8])"
_DAY = f"(?:(?:0[1-9]|1[0-2])-{_TO_28}|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
_DATE = f"(?:{_YEAR}-{_DAY}|{_LEAP_YEAR}-02-29)"
_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?"
#: In the first and the last year the move to the field's zone may leave the calendar.
_INNER_YEAR = "(?:[1-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8]|0[1-9][0-9]{2}|00[1-9][0-9]|000[2-9])"


def row_schema(rules: Sequence[Rule], ignored: Sequence[str]) -> Schema:
    """The schema of one row; ignored columns are allowed to hold anything."""
    properties = {rule.name: field_schema(rule) for rule in rules} | {name: {} for name in ignored}
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [rule.name for rule in rules if rule.field.required]
    return schema | ({"required": required} if required else {})


def json_schema_body(contract: Contract, *, row: Schema | None = None, strict: bool = False) -> Schema:
    """
    The schema of a request body: a row, an array of rows, or `{"rows": […]}`.

    `{"columns": {…}}` is not in it: that all columns are of one length is beyond JSON Schema, and valid by this schema
    means accepted. *row* may be a `$ref`.
    """
    one = row_schema(make_rules(contract, strict=strict), contract.ignored) if row is None else row
    many: Schema = {"type": "array", "items": one}
    choices: list[Schema] = [one, many]
    if takes_wrapper(contract, "rows"):
        wrapper: Schema = {"type": "object", "properties": {"rows": many}}
        choices.append(wrapper | {"required": ["rows"], "additionalProperties": False})
    return {"anyOf": choices}


def field_schema(rule: Rule) -> Schema:
    """The schema of one field: what is accepted, then what is good to know."""
    choices = _CHOICES[rule.field.type](rule)
    if rule.field.nullable:
        choices = [_or_null(choices[0])] if len(choices) == 1 else [*choices, {"type": "null"}]
    accepted = choices[0] if len(choices) == 1 else {"anyOf": choices}
    return accepted | _notes(rule)


def _or_null(schema: Schema) -> Schema:
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return schema | {"type": [*types, "null"]} | enum


def _boolean(_: Rule) -> list[Schema]:
    return [{"type": "boolean"}, {"type": "integer", "minimum": 0, "maximum": 1}]


def _integer(rule: Rule) -> list[Schema]:
    low, high = _effective(rule)
    schema = {"type": "integer", "minimum": low, "maximum": high}
    texts = integers_between(int(low), int(high), beyond=MAX_SAFE_INTEGER)
    also: list[Schema] = [{"type": "string", "pattern": f"^(?:{texts})$"}] if texts else []
    return [schema, *also, *_as_boolean(rule)]


def _number(rule: Rule) -> list[Schema]:
    low, high = _effective(rule)
    schema: Schema = {
        "type": "number",
        "minimum": -_MAX_FLOAT if low is None else low,
        "maximum": _MAX_FLOAT if high is None else high,
    }
    if rule.whole and rule.on_range == "reject":
        schema["multipleOf"] = 1
    return [schema, *_as_boolean(rule)]


def _as_boolean(rule: Rule) -> list[Schema]:
    """`true` and `false` where they stand for 1 and 0, and these are not refused."""
    if not rule.field.accepts_boolean:
        return []
    allowed = [value for value in (True, False) if not rule.refuses(int(value))]
    return [{"type": "boolean", "enum": allowed}] if len(allowed) == 1 else [{"type": "boolean"}] if allowed else []


def _effective(rule: Rule) -> tuple[Any, Any]:
    """The hard bounds, narrowed by the training range where leaving it is a refusal."""
    low, high = rule.low, rule.high
    if rule.on_range == "reject":
        low = max((end for end in (low, rule.soft_low) if end is not None), default=None)
        high = min((end for end in (high, rule.soft_high) if end is not None), default=None)
    return low, high


def _text(rule: Rule) -> list[Schema]:
    schema: Schema = {"type": "string"}
    if rule.max_length is not None:
        schema["maxLength"] = rule.max_length
    if rule.pattern is not None:
        pattern = rule.pattern.pattern
        schema |= {"pattern": f"^(?:{pattern})$"} if is_portable(pattern) else {"x-pattern": pattern}
    return [schema]


def _category(rule: Rule) -> list[Schema]:
    hard = rule.levels is not None and rule.on_level == "reject"
    if rule.integer_levels:
        known: Schema = {"type": "integer", "enum": list(rule.field.levels or ())}
        free = {"type": "integer", "minimum": INT64_MIN, "maximum": INT64_MAX}
        return [known if hard else free, *_as_boolean(rule)]
    text = _text(rule)[0]
    return [text | {"enum": list(rule.field.levels or ())}] if hard else [text]


def _date(_: Rule) -> list[Schema]:
    return [{"type": "string", "format": "date", "pattern": f"^{_DATE}$"}]


def _datetime(rule: Rule) -> list[Schema]:
    if rule.zone is None:
        return [{"type": "string", "pattern": f"^{_DATE}[Tt ]{_TIME}$"}]
    return [{"type": "string", "format": "date-time", "pattern": f"^{_INNER_YEAR}-"}]


def _vector(rule: Rule) -> list[Schema]:
    schema: Schema = {"type": "array", "items": _number(rule)[0]}
    if rule.field.length is not None:
        schema |= {"minItems": rule.field.length, "maxItems": rule.field.length}
    return [schema]


_CHOICES = {
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


def _notes(rule: Rule) -> Schema:
    """Annotations: they refuse nothing."""
    field = rule.field
    notes: Schema = {
        "description": field.description,
        "x-role": None if field.role == "input" else field.role,
        "x-units": field.units,
        "x-timezone": field.timezone,
        "x-private": True if field.private else None,
        "x-training-range": _training_range(field),
        "x-known-levels": list(rule.field.levels or ()) if rule.levels and rule.on_level != "reject" else None,
    }
    return {key: value for key, value in notes.items() if value is not None}


def _training_range(field: Field) -> list[Any] | None:
    if field.training_range is None or field.type not in NUMERIC | TEMPORAL:
        return None
    return [end.isoformat() if isinstance(end, (dt.date, dt.datetime)) else end for end in field.training_range]
