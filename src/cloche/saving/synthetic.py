"""
Golden rows drawn field by field from the contract and the profile: no real row, the same ones every time.

Each field is drawn on its own, so that no combination of values is anybody's record. Every level, null and
bound occurs, as do the quantiles of numbers.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from cloche.contract.model import Contract, Field

MAX_ROWS = 200
MIN_ROWS = 40
#: Hard bounds beyond this are limits of a number type; a model's arithmetic overflows there.
_SANE = 1e12
_NULL_SHARE = 0.05
_WORDS = ("a", "short", "example", "of", "the", "synthetic", "text", "and", "some", "more", "words")


def draw(
    contract: Contract, profile: Mapping[str, Any], seed: str, words: Mapping[str, Sequence[str]] | None = None
) -> list[dict[str, Any]]:
    """
    At most 200 wire rows; *profile* is the `inputs` of `reference.json`, *seed* anything that names the data.

    *words* are those that the model knows, by field, for texts to be made of; a private field gets none of them.
    """
    fields = [field for field in contract.fields if field.required or field.role == "input"]
    special = {field.name: list(_specials(field, profile.get(field.name) or {})) for field in fields}
    n = min(MAX_ROWS, max(MIN_ROWS, max((len(values) for values in special.values()), default=0) + 10))
    known = {field.name: () if field.private else (words or {}).get(field.name, ()) for field in fields}
    drawn = {
        field.name: _column(field, special[field.name], n, f"{seed}/{field.name}", known[field.name] or _WORDS)
        for field in fields
    }
    return [{name: values[row] for name, values in drawn.items()} for row in range(n)]


def _column(field: Field, special: list[Any], n: int, seed: str, words: Sequence[str]) -> list[Any]:
    """The special values at shuffled places, ordinary ones between them; the first row is ordinary."""
    rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
    ordinary = [_ordinary(field, special, rng, words) for _ in range(n)]
    if field.nullable:
        ordinary[1:] = [None if rng.random() < _NULL_SHARE else value for value in ordinary[1:]]
        special = [*special, None]
    for place, value in zip(rng.sample(range(1, n), k=min(n - 1, len(special))), special, strict=False):
        ordinary[place] = value
    return ordinary


def _specials(field: Field, profile: Mapping[str, Any]) -> Iterator[Any]:
    """Values that must occur: levels, bounds, the ends of the training range, quantiles."""
    if field.type == "boolean":
        yield from (True, False)
    elif field.levels is not None:
        yield from field.levels
    elif field.type in ("number", "integer"):
        seen = [*(field.training_range or ()), *_edges(profile), field.minimum, field.maximum]
        usable = [float(value) for value in seen if _is_number(value) and abs(value) <= _SANE]
        yield from dict.fromkeys(_number(field, value) for value in usable)
    elif field.type in ("date", "datetime"):
        yield from dict.fromkeys(_moment(field, moment) for moment in _range_of_time(field))
    elif field.type == "vector":
        yield from ([0.0] * (field.length or 1), [1.0] * (field.length or 1))
    else:
        yield from ([_fit(field, "example")] if field.pattern is None else [])


def _ordinary(field: Field, special: list[Any], rng: random.Random, words: Sequence[str]) -> Any:
    if field.type in ("number", "integer") and field.levels is None:
        low, high = (min(special), max(special)) if special else (0.0, 1.0)
        if field.training_range is not None:
            low, high = (float(end) for end in field.training_range)
        return _number(field, rng.uniform(float(low), float(high)))
    if field.type in ("date", "datetime"):
        first, last = _range_of_time(field)
        return _moment(field, first + timedelta(seconds=rng.uniform(0.0, (last - first).total_seconds())))
    if field.type == "vector":
        return [round(rng.gauss(0.0, 1.0), 6) for _ in range(field.length or 1)]
    if field.type in ("string", "text") and field.levels is None:
        return _fit(field, " ".join(rng.choice(words) for _ in range(rng.randint(1, 8 if field.type == "text" else 1))))
    return rng.choice(special) if special else None


def _edges(profile: Mapping[str, Any]) -> list[Any]:
    """The edges of the quantile bins, wherever the profile keeps them."""
    bins = profile.get("bins") or {}
    return list(bins.get("edges") or profile.get("edges") or []) if isinstance(bins, Mapping) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(field: Field, value: float) -> int | float:
    """*value* inside the hard bounds, whole where the field is; six digits, so that nobody's exact value is kept."""
    low = -_SANE if field.minimum is None else field.minimum
    high = _SANE if field.maximum is None else field.maximum
    rounded = float(f"{value:.6g}")
    if field.type == "integer":
        rounded = round(rounded)
    return min(max(rounded, low), high)


def _range_of_time(field: Field) -> tuple[datetime, datetime]:
    if field.training_range is None:
        return datetime(2020, 1, 1), datetime(2024, 12, 31)
    first, last = (_parsed(end) for end in field.training_range)
    return first, last


def _parsed(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    return datetime.fromisoformat(str(value).replace("Z", "+00:00"))


def _moment(field: Field, moment: datetime) -> str:
    if field.type == "date":
        return moment.date().isoformat()
    whole = moment.replace(microsecond=0)
    if field.timezone is None:
        return whole.replace(tzinfo=None).isoformat()
    return whole.isoformat() if whole.tzinfo is not None else f"{whole.isoformat()}+00:00"


def _fit(field: Field, text: str) -> str:
    return text if field.max_length is None else text[: field.max_length]
