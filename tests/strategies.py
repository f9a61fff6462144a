"""
Hypothesis strategies for contracts and for the rows they allow.

    contracts()            any contract that compiles
    wire_values(field)     values a field takes: ends of its bounds, every level, null where allowed, extremes
    wire_rows(contract)    rows of them; optional fields come and go, ignored columns too
    wrong_values()         JSON values of every kind, for rows that should be refused somewhere
    json_bodies(contract)  bytes: valid, mutated and wild bodies
"""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from cloche.contract.model import Contract, Field, Output, Policy

INT64 = (-(2**63), 2**63 - 1)
ZONES = ("Europe/Paris", "America/New_York", "UTC", "Asia/Kolkata")
PATTERNS = (r"[A-Z]{2}-\d{3}", r"\w+@\w+\.org", r"(?:red|green)(?: light)?", "a*")
OUTPUT = Output(task="classification", type="string", classes=("no", "yes"), probabilities=True)

names = st.sampled_from("age island mass_g sex id when Länge x/y f0 g1 count rows columns type".split())
plain_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
floats = st.floats(allow_nan=False, allow_infinity=False)
policies = st.builds(
    Policy,
    unknown_level=st.sampled_from(["reject", "warn", "ignore"]),
    out_of_range=st.sampled_from(["reject", "warn", "ignore"]),
)
days = st.dates(min_value=dt.date(1, 1, 1))
naive = st.datetimes(min_value=dt.datetime(1, 1, 1))
#: The first and the last year are left out: there the move to another zone may leave the calendar.
inner = st.datetimes(min_value=dt.datetime(2, 1, 1), max_value=dt.datetime(9998, 12, 31))
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))


def contracts(*, max_fields: int = 5, roles: bool = True) -> st.SearchStrategy[Contract]:
    """Contracts of every field type, with and without bounds, levels, nulls, policies and ignored columns."""
    every = st.lists(names, min_size=0, max_size=max_fields + 2, unique=True)
    return every.flatmap(lambda chosen: _contract(chosen, max_fields, roles))


def _contract(chosen: list[str], max_fields: int, roles: bool) -> st.SearchStrategy[Contract]:
    fields = st.tuples(*(fields_named(name, roles=roles) for name in chosen[:max_fields]))
    return st.builds(Contract, fields=fields, output=st.just(OUTPUT), ignored=st.just(tuple(chosen[max_fields:])))


@st.composite
def fields_named(draw: st.DrawFn, name: str, *, roles: bool = True) -> Field:
    """A field of that name, of any type."""
    kind = draw(st.sampled_from(sorted(_RULES)))
    return Field(
        name=name,
        type=kind,
        role=draw(st.sampled_from(["input", "input", "key", "context"])) if roles else "input",
        nullable=draw(st.booleans()),
        required=draw(st.sampled_from([True, True, False])),
        private=draw(st.booleans()),
        policy=draw(policies),
        **draw(_RULES[kind]),
    )


def _interval(ends: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    return st.tuples(ends, ends).map(lambda pair: (min(pair), max(pair)))


@st.composite
def _numeric_rules(draw: st.DrawFn, ends: st.SearchStrategy[Any]) -> dict[str, Any]:
    low, high = draw(_interval(ends))
    return {
        "minimum": draw(st.sampled_from([None, low])),
        "maximum": draw(st.sampled_from([None, high])),
        "training_range": draw(st.sampled_from([None, _inside(low, high)])),
        "accepts_boolean": draw(st.booleans()),
    }


def _inside(low: Any, high: Any) -> tuple[Any, Any]:
    """A training range within the bounds."""
    quarter = high / 4 - low / 4
    return (low, high) if isinstance(low, int) else (low + quarter, max(low + quarter, high - quarter))


_TEXT_RULES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({}),
    st.fixed_dictionaries({"max_length": st.integers(1, 8)}),
    st.fixed_dictionaries({"pattern": st.sampled_from(PATTERNS)}),
)
_TEXT_LEVELS = st.lists(plain_text, min_size=1, max_size=5, unique=True).map(tuple)
_INTEGER_LEVELS = st.lists(st.integers(-3, 3) | st.integers(*INT64), min_size=1, max_size=5, unique=True).map(tuple)
_RULES: dict[Any, st.SearchStrategy[dict[str, Any]]] = {
    "boolean": st.fixed_dictionaries({}),
    "integer": _numeric_rules(st.integers(-5, 5) | st.integers(*INT64)),
    "number": _numeric_rules(floats) | _numeric_rules(st.integers(-5, 300)),
    "string": _TEXT_RULES,
    "text": _TEXT_RULES,
    "category": st.one_of(
        st.fixed_dictionaries({"levels": _TEXT_LEVELS}),
        st.fixed_dictionaries({"levels": _INTEGER_LEVELS, "accepts_boolean": st.booleans()}),
    ),
    "date": st.fixed_dictionaries({"training_range": st.none() | _interval(days.map(dt.date.isoformat))}),
    "datetime": st.one_of(
        st.fixed_dictionaries({"training_range": st.none() | _interval(naive.map(dt.datetime.isoformat))}),
        st.fixed_dictionaries({"timezone": st.sampled_from(ZONES)}),
    ),
    "vector": st.fixed_dictionaries({"length": st.integers(0, 3)}),
}


# -- values that are taken ------------------------------------------------------------------------


def wire_values(field: Field, *, usual: bool = False) -> st.SearchStrategy[Any]:
    """JSON values that *field* takes; with *usual* also within the training range and the known levels."""
    usual_or_hard = field
    if usual or field.policy.out_of_range == "reject":
        usual_or_hard = _narrowed(field)
    values = _VALUES[field.type](usual_or_hard, usual or field.policy.unknown_level == "reject")
    return st.none() | values if field.nullable else values


def wire_rows(contract: Contract, *, usual: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    """Rows that *contract* takes."""
    required = {one.name: wire_values(one, usual=usual) for one in contract.fields if one.required}
    optional = {one.name: wire_values(one, usual=usual) for one in contract.fields if not one.required}
    ignored = dict.fromkeys(contract.ignored, _json_values)
    return st.fixed_dictionaries(required, optional=optional | ignored)


def _narrowed(field: Field) -> Field:
    if field.training_range is None or field.type not in ("integer", "number"):
        return field
    lows = [end for end in (field.minimum, field.training_range[0]) if end is not None]
    highs = [end for end in (field.maximum, field.training_range[1]) if end is not None]
    values = {name: getattr(field, name) for name in field.__struct_fields__}
    return Field(**{**values, "minimum": max(lows), "maximum": min(highs)})


def _booleans(field: Field, known: bool) -> st.SearchStrategy[Any]:
    return st.sampled_from([True, False, 1, 0])


def _integers(field: Field, known: bool) -> st.SearchStrategy[Any]:
    low = INT64[0] if field.minimum is None else int(field.minimum)
    high = INT64[1] if field.maximum is None else int(field.maximum)
    whole = st.integers(low, high) | st.sampled_from([low, high])
    return whole | whole.map(_as_text) | _flags(field, low, high)


def _as_text(value: int) -> Any:
    return str(value) if abs(value) > 2**53 else float(value)


def _flags(field: Field, low: Any, high: Any) -> st.SearchStrategy[Any]:
    allowed = [flag for flag in (True, False) if field.accepts_boolean and low <= flag <= high]
    return st.sampled_from(allowed) if allowed else st.nothing()


def _numbers(field: Field, known: bool) -> st.SearchStrategy[Any]:
    ends = field.training_range
    if ends and all(type(end) is int for end in ends) and (known or field.policy.out_of_range == "reject"):
        return st.integers(*ends) | _flags(field, *ends)
    low = -1.7976931348623157e308 if field.minimum is None else float(field.minimum)
    high = 1.7976931348623157e308 if field.maximum is None else float(field.maximum)
    return st.floats(low, high) | st.sampled_from([low, high]) | _flags(field, low, high)


def _texts(field: Field, known: bool) -> st.SearchStrategy[Any]:
    if field.pattern is not None:
        return st.from_regex(re.compile(field.pattern, re.ASCII), fullmatch=True).filter(lambda text: len(text) <= 20)
    return plain_text.map(lambda text: text[: field.max_length])


def _levels(field: Field, known: bool) -> st.SearchStrategy[Any]:
    assert field.levels is not None
    levels = st.sampled_from(field.levels)
    if isinstance(field.levels[0], str):
        return levels if known else levels | plain_text
    flags = [flag for flag in (True, False) if field.accepts_boolean and (not known or int(flag) in field.levels)]
    free = st.nothing() if known else st.integers(*INT64)
    return levels | free | (st.sampled_from(flags) if flags else st.nothing())


def _dates(field: Field, known: bool) -> st.SearchStrategy[Any]:
    low, high = (dt.date.fromisoformat(end) for end in field.training_range or ("0001-01-01", "9999-12-31"))
    keeps = known or field.policy.out_of_range == "reject"
    return (st.dates(low, high) if keeps else days).map(dt.date.isoformat)


def _datetimes(field: Field, known: bool) -> st.SearchStrategy[Any]:
    if field.timezone is not None:
        zones = offsets | st.just(ZoneInfo(field.timezone))
        # Zones of long ago have offsets of seconds, which RFC 3339 cannot write.
        recent = st.datetimes(dt.datetime(1975, 1, 1), dt.datetime(9998, 12, 31), timezones=zones)
        return recent.map(dt.datetime.isoformat)
    ends = field.training_range or ("0001-01-01T00:00:00", "9999-12-31T23:59:59")
    low, high = (dt.datetime.fromisoformat(end) for end in ends)
    keeps = known or field.policy.out_of_range == "reject"
    return (st.datetimes(low, high) if keeps else naive).map(dt.datetime.isoformat)


def _vectors(field: Field, known: bool) -> st.SearchStrategy[Any]:
    return st.lists(_numbers(field, known), min_size=field.length or 0, max_size=field.length)


_VALUES: dict[str, Any] = {
    "boolean": _booleans,
    "integer": _integers,
    "number": _numbers,
    "string": _texts,
    "text": _texts,
    "category": _levels,
    "date": _dates,
    "datetime": _datetimes,
    "vector": _vectors,
}


# -- values and bodies of any kind ----------------------------------------------------------------

_scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | floats | plain_text
_json_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(plain_text, inner, max_size=2)
)


def wrong_values() -> st.SearchStrategy[Any]:
    """JSON values of every kind, near misses among them."""
    near = [
        "",
        "1",
        "3.5",
        "NaN",
        "true",
        "2024-02-30",
        "2024-05-17T09:30:00",
        "2024-05-17T09:30:00+02:00",
        "2024-05-17",
    ]
    return _json_values | st.sampled_from([*near, 1.5, 1.0, 2**53 + 1, str(2**60), -0.0, 1e300, [3.5], [1.0, None]])


@st.composite
def json_bodies(draw: st.DrawFn, contract: Contract) -> bytes:
    """A body near what *contract* takes: valid, with a wrong value, a missing or doubled key, a changed byte."""
    row = draw(wire_rows(contract))
    if row and draw(st.booleans()):
        row = {**row, draw(st.sampled_from(sorted(row))): draw(wrong_values())}
    if row and draw(st.integers(0, 5)) == 0:
        row.pop(draw(st.sampled_from(sorted(row))))
    if draw(st.integers(0, 5)) == 0:
        row = {**row, draw(names): draw(wrong_values())}
    text = json.dumps(
        draw(st.sampled_from([row, [row], [row, row], {"rows": [row]}])), ensure_ascii=draw(st.booleans())
    )
    if row and draw(st.integers(0, 3)) == 0:
        name = json.dumps(draw(st.sampled_from(sorted(row))))
        text = text.replace("{" + name, "{" + name + ": " + json.dumps(draw(wrong_values())) + ", " + name, 1)
    if draw(st.integers(0, 5)) == 0:
        place = draw(st.integers(0, len(text)))
        text = (
            text[:place]
            + draw(st.sampled_from([*list('"\\{}[],:0919eE.+-nNat \n\x00\ufeff'), "\\u0000", "\\ud800", "1e400"]))
            + text[place + draw(st.integers(0, 2)) :]
        )
    return text.encode("utf-8", "surrogatepass")
