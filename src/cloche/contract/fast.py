"""
The fast pass: a msgspec decoder generated from the contract. It accepts or it declines; it never refuses.

What it accepts the slow pass would accept with the same values (`tests/unit/contract/test_law.py`). It declines
whatever it is not sure of: msgspec keeps the last of two equal keys, so the quotes of the body are counted, and a
body that holds more of them than its keys and texts explain goes to the slow pass.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec.structs import astuple

from cloche.contract.rules import INT64_MAX, INT64_MIN, NUMERIC, TEMPORAL, TEXTUAL, Rule
from cloche.contract.soft import is_outside

Row = tuple[Any, ...]

#: msgspec cannot rename a field to these; such a contract, or such an ignored column, is read by the slow pass.
_UNNAMEABLE = re.compile(r'[\\"\x00-\x1f]')
_ARRAY, _WRAPPER, _OBJECT, _COLUMNS = range(4)
_SCALAR = Union[None, bool, int, float, str]  # noqa: UP007  (a runtime value for msgspec)
_DECLINED = (msgspec.MsgspecError, ValueError, RecursionError)


#: Rows that keep every hard rule; whether the body was one object; whether a soft rule may be broken.
Accepted = tuple[list[Row], bool, bool]
#: A decoder, the layout it reads, and whether what it accepts may be unusual.
Attempt = tuple[msgspec.json.Decoder[Any], int, bool]


class FastPass:
    """One object, an array, `{"rows": […]}` or `{"columns": {…}}` straight from bytes to the model's values."""

    def __init__(self, rules: Sequence[Rule], ignored: Sequence[str], *, wrappers: Sequence[str]) -> None:
        self._rules = tuple(rules)
        self._ignored = tuple(name for name in ignored if not _UNNAMEABLE.search(name))
        self._attempts = self._ways_to_read(wrappers)
        self._finish = [(place, step) for place, rule in enumerate(rules) if (step := _finish(rule)) is not None]
        self._optional = [place for place, rule in enumerate(rules) if not rule.field.required]
        self._as_decoded = not (self._finish or self._optional or self._ignored)
        texts = [place for place, rule in enumerate(rules) if _is_quoted(rule)]
        self._quotes = 2 * len(self._rules) + 2 * len(texts)
        #: Where a null stands in the place of a text, and how many quotes an absent field saves.
        self._nulls = [place for place in texts if rules[place].field.nullable]
        self._unset = [(place, 4 if place in texts else 2) for place in self._optional]
        self._same_quotes = not (self._nulls or self._unset or self._ignored)

    def decode(self, body: bytes) -> Accepted | None:
        """The rows of *body*, or None where the slow pass has to look."""
        first = body[:1]
        if first not in self._attempts:
            first = body.lstrip(b" \t\r\n")[:1]
        return self._first_that_reads(self._attempts.get(first, ()), body)

    def decode_columns(self, body: bytes) -> Accepted | None:
        """The same for the columns alone: an object that holds an array for each field."""
        return self._first_that_reads(self._tables, body)

    def decode_lines(self, lines: Sequence[bytes]) -> Accepted | None:
        """The same for rows that stand apart: one object a line."""
        for decoder, layout, unusual in self._attempts[b"{"]:
            if layout != _OBJECT:
                break
            try:
                decoded = [astuple(decoder.decode(line)) for line in lines]
            except _DECLINED:
                continue
            rows = self._checked(decoded, sum(line.count(b'"') for line in lines))
            return None if rows is None else (rows, False, unusual)
        return None

    def _first_that_reads(self, attempts: Sequence[Attempt], body: bytes) -> Accepted | None:
        for decoder, layout, unusual in attempts:
            try:
                found = decoder.decode(body)
            except _DECLINED:
                continue
            return self._accepted(found, layout, body, unusual)
        return None

    def _accepted(self, found: Any, layout: int, body: bytes, unusual: bool) -> Accepted | None:
        quotes = body.count(b'"')
        if layout == _COLUMNS:
            rows = self._of_columns(found, quotes)
            return None if rows is None else (rows, False, unusual)
        if layout == _OBJECT:
            decoded = [astuple(found)]
        else:
            decoded = list(map(astuple, found if layout == _ARRAY else found.rows))
        rows = self._checked(decoded, quotes - 2 if layout == _WRAPPER else quotes)
        return None if rows is None else (rows, layout == _OBJECT, unusual)

    def _checked(self, decoded: list[Row], quotes: int) -> list[Row] | None:
        """Rows of model values, if a body of these rows holds just so many quotes."""
        expected = self._quotes * len(decoded) if self._same_quotes else self._expected_quotes(decoded)
        if quotes != expected:
            return None
        return decoded if self._as_decoded else self._finished(decoded)

    def _of_columns(self, found: Any, quotes: int) -> list[Row] | None:
        """Rows from one list a field; None where the lists are of different lengths."""
        columns = found.columns if hasattr(found, "columns") else found
        quotes -= 2 * (columns is not found)
        lists = astuple(columns)
        given = [one for one in lists if one is not msgspec.UNSET]
        lengths = set(map(len, given))
        if len(lengths) > 1:
            return None
        n = lengths.pop() if lengths else 0
        decoded = list(zip(*([msgspec.UNSET] * n if one is msgspec.UNSET else one for one in lists), strict=True))
        once = 2 * len(given) * (1 - n)  # a name stands once, not in every row
        return self._checked(decoded, quotes - once)

    def _expected_quotes(self, rows: list[Row]) -> int:
        """The quotes of a body without repeated keys or escaped quotes; no body of these rows has fewer."""
        expected = self._quotes * len(rows)
        if len(rows) == 1 and not self._unset and not self._ignored:
            row = rows[0]
            return expected - 2 * sum([row[place] is None for place in self._nulls])
        columns = list(zip(*rows, strict=True)) or [()] * (len(self._rules) + len(self._ignored))
        for place in self._nulls:
            expected -= 2 * columns[place].count(None)
        for place, saved in self._unset:
            expected -= saved * columns[place].count(msgspec.UNSET)
        for column in columns[len(self._rules) :]:  # what is ignored
            for value in column:
                expected += 0 if value is msgspec.UNSET else 4 if isinstance(value, str) else 2
        return expected

    def _finished(self, rows: list[Row]) -> list[Row] | None:
        """Rows of model values; None where a step meets what it cannot take."""
        width = len(self._rules)
        finished = []
        try:
            for row in rows:
                values = list(row[:width])
                for place in self._optional:
                    if values[place] is msgspec.UNSET:
                        values[place] = None
                for place, step in self._finish:
                    if values[place] is not None:
                        values[place] = step(values[place])
                finished.append(tuple(values))
        except (ValueError, OverflowError):
            return None
        return finished

    def _ways_to_read(self, wrappers: Sequence[str]) -> dict[bytes, list[Attempt]]:
        """By first byte the decoders to try; those that know the usual values come before those that take all."""
        variants = [(True, any(rule.may_warn and rule.field.type in TEMPORAL for rule in self._rules))]
        if any(rule.may_warn and rule.field.type not in TEMPORAL for rule in self._rules):
            variants.append((False, True))
        objects: list[Attempt] = []
        arrays: list[Attempt] = []
        wrapped: list[Attempt] = []
        self._tables: list[Attempt] = []
        for soft, unusual in variants:
            row = _struct(self._rules, self._ignored, soft=soft)
            array = list.__class_getitem__(row)
            columns = _struct(self._rules, self._ignored, soft=soft, each=list.__class_getitem__)
            objects.append((msgspec.json.Decoder(row), _OBJECT, unusual))
            arrays.append((msgspec.json.Decoder(array), _ARRAY, unusual))
            self._tables.append((msgspec.json.Decoder(columns), _COLUMNS, unusual))
            for key, content, layout in (("rows", array, _WRAPPER), ("columns", columns, _COLUMNS)):
                if key in wrappers:
                    body = msgspec.defstruct("Body", [(key, content)], forbid_unknown_fields=True)
                    wrapped.append((msgspec.json.Decoder(body), layout, unusual))
        return {b"{": objects + wrapped, b"[": arrays}


def fast_pass(rules: Sequence[Rule], ignored: Sequence[str], *, wrappers: Sequence[str]) -> FastPass | None:
    """The fast pass of a contract, or None where msgspec cannot express a field's name."""
    if any(_UNNAMEABLE.search(rule.name) for rule in rules):
        return None
    return FastPass(rules, ignored, wrappers=wrappers)


def _is_quoted(rule: Rule) -> bool:
    """Whether values of this rule are JSON text."""
    return rule.field.type in TEXTUAL | TEMPORAL and not rule.integer_levels


def _struct(
    rules: Sequence[Rule], ignored: Sequence[str], *, soft: bool, each: Callable[[Any], Any] = lambda value: value
) -> type[Any]:
    """A row as a struct; with *each* = `list[…]` the columns of a table."""
    fields: list[Any] = []
    names: dict[str, str] = {}
    for place, rule in enumerate(rules):
        type_ = each(_nullable(rule, _type(rule, soft=soft)))
        names[f"f{place}"] = rule.name
        fields.append((f"f{place}", type_) if rule.field.required else _optional(f"f{place}", type_))
    for place, name in enumerate(ignored):
        names[f"g{place}"] = name
        fields.append(_optional(f"g{place}", each(_SCALAR)))
    return msgspec.defstruct("Row", fields, rename=names, forbid_unknown_fields=True, gc=False, kw_only=True)


def _optional(name: str, type_: Any) -> tuple[str, Any, Any]:
    return name, Union[type_, msgspec.UnsetType], msgspec.field(default=msgspec.UNSET)  # noqa: UP007


def _nullable(rule: Rule, type_: Any) -> Any:
    return Union[type_, None] if rule.field.nullable else type_  # noqa: UP007


def _type(rule: Rule, *, soft: bool) -> Any:
    """The msgspec type of a rule; with *soft* the training range and the known levels are as hard as the rest."""
    kind = rule.field.type
    if kind in NUMERIC:
        return _numeric(rule, soft=soft)
    if kind == "boolean":
        return Union[bool, Literal[0, 1]]  # noqa: UP007
    if kind == "date":
        return dt.date
    if kind == "datetime":
        return Annotated[dt.datetime, msgspec.Meta(tz=rule.zone is not None)]
    if kind == "vector":
        element, length = _bounded(float, rule.low, rule.high), rule.field.length
        array: Any = list.__class_getitem__(element)
        return array if length is None else Annotated[array, msgspec.Meta(min_length=length, max_length=length)]
    return _level(rule, soft=soft)


def _level(rule: Rule, *, soft: bool) -> Any:
    hard = rule.on_level == "reject" or (soft and rule.on_level == "warn")
    if rule.integer_levels:
        type_: Any = Literal[tuple(sorted(rule.levels or ()))] if hard else _bounded(int, INT64_MIN, INT64_MAX)
        return Union[type_, bool] if rule.field.accepts_boolean else type_  # noqa: UP007
    if hard and rule.levels and rule.pattern is None and rule.max_length is None:
        return Literal[tuple(sorted(rule.levels))]
    return str if rule.max_length is None else Annotated[str, msgspec.Meta(max_length=rule.max_length)]


def _numeric(rule: Rule, *, soft: bool) -> Any:
    low, high, step = rule.low, rule.high, None
    if rule.on_range == "reject" or (soft and rule.on_range == "warn"):
        step = 1 if rule.whole else None
        low = max((end for end in (low, rule.soft_low) if end is not None), default=None)
        high = min((end for end in (high, rule.soft_high) if end is not None), default=None)
    type_ = _bounded(int if rule.field.type == "integer" else float, low, high, step)
    return Union[type_, bool] if rule.field.accepts_boolean else type_  # noqa: UP007


def _bounded(base: type, low: float | int | None, high: float | int | None, step: int | None = None) -> Any:
    if low is None and high is None:
        return base
    return Annotated[base, msgspec.Meta(ge=low, le=high, multiple_of=step)]


def _finish(rule: Rule) -> Callable[[Any], Any] | None:
    """What is left to do with a decoded value that is not null; raising ValueError sends the body to the slow pass."""
    kind = rule.field.type
    if kind == "boolean":
        return bool
    if kind in TEMPORAL:
        return _moments(rule) if rule.zone is not None or rule.refuses_range else None
    if kind in NUMERIC or rule.integer_levels:
        return _numbers(rule) if rule.field.accepts_boolean else None
    return _texts(rule) if kind in TEXTUAL and (rule.pattern is not None or _checks_level(rule)) else None


def _checks_level(rule: Rule) -> bool:
    """Whether the known levels are hard and msgspec was not given them."""
    return rule.on_level == "reject" and rule.levels is not None and (not rule.levels or rule.max_length is not None)


def _moments(rule: Rule) -> Callable[[Any], Any]:
    zone, refuses = rule.zone, rule.refuses_range

    def finish(value: Any) -> Any:
        moment = value if zone is None else value.astimezone(zone)
        if refuses and is_outside(moment, rule):
            raise ValueError
        return moment

    return finish


def _texts(rule: Rule) -> Callable[[str], str]:
    pattern, levels = rule.pattern, rule.levels if rule.on_level == "reject" else None

    def finish(value: str) -> str:
        if (pattern is not None and not pattern.fullmatch(value)) or (levels is not None and value not in levels):
            raise ValueError
        return value

    return finish


def _numbers(rule: Rule) -> Callable[[Any], Any]:
    """`true` and `false` are 1 and 0; where these could break a rule, the slow pass says so."""
    base = float if rule.field.type == "number" else int
    plain = not any(rule.refuses(number) or rule.warns_of(number) for number in (0, 1))

    def finish(value: Any) -> Any:
        if value is True or value is False:
            if not plain:
                raise ValueError
            return base(value)
        return value

    return finish
