"""
JSON as the slow pass reads it: every doubtful thing is kept visible, nothing is dropped or rounded in silence.

The standard library's parser takes `NaN`, turns `1e400` into infinity and keeps the last of two equal
keys. Here such things become marks (`Unreadable`, `RepeatedKeys`) that a rule can name with row and field;
what is no JSON text at all is a `MalformedBodyError` that says where.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cloche.errors import MalformedBodyError

#: float64 ends below 1.8e308: a longer run of digits is never representable, and never converted (CVE-2020-10735).
MAX_INTEGER_DIGITS = 310
EXACT_FLOAT = 2.0**53
MAX_INT64_AS_FLOAT = 2.0**63
MAX_SHOWN_CHARS = 64


@dataclass(frozen=True, slots=True)
class Unreadable:
    """
    A literal that stands where a number should and is none.

    `json` is False for `NaN` and the infinities, which are no JSON; True for numbers beyond float64.
    """

    text: str
    json: bool


class RepeatedKeys(dict[str, Any]):
    """An object in which keys stood more than once; `repeated` lists them in order of appearance."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(key for key, _ in pairs)
        self.repeated = tuple(key for key, count in counts.items() if count > 1)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed body; `not_json` is the first `NaN` or infinity in it, which somebody has to refuse."""

    value: Any
    not_json: str | None


def parse(body: bytes, what: str = "the body") -> Parsed:
    """
    Read *body* as one JSON text in UTF-8; *what* is how a message calls it.

    Raises:
        MalformedBodyError: it is none; the message says where and why.
    """
    text = _decode(body, what)
    literals: list[str] = []
    decoder = json.JSONDecoder(
        object_pairs_hook=_object,
        parse_float=_float,
        parse_int=_integer,
        parse_constant=lambda literal: _not_json(literal, literals),
    )
    try:
        value = decoder.decode(text)
    except json.JSONDecodeError as exc:
        where = f"line {exc.lineno}, column {exc.colno} (character {exc.pos})"
        if what != "the body":
            where = f"character {exc.pos}"
        raise MalformedBodyError(f"{what} is not JSON: {_lower_first(exc.msg)} at {where}") from exc
    except RecursionError as exc:
        raise MalformedBodyError(f"{what} is nested too deeply; expected an object or an array of objects") from exc
    return Parsed(value, literals[0] if literals else None)


def _decode(body: bytes, what: str) -> str:
    if not body.strip():
        raise MalformedBodyError(f"{what} is empty; expected a JSON object or an array of objects")
    if body.startswith(b"\xef\xbb\xbf"):
        raise MalformedBodyError(f"{what} starts with a byte order mark; send UTF-8 without one")
    return decode_utf8(body, what)


def decode_utf8(body: bytes, what: str = "the body") -> str:
    """
    Raises:
        MalformedBodyError: *body* is not UTF-8; the message names the first wrong byte.
    """
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as exc:
        byte = body[exc.start]
        raise MalformedBodyError(f"{what} is not UTF-8: byte 0x{byte:02x} at position {exc.start}") from exc


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    return plain if len(plain) == len(pairs) else RepeatedKeys(pairs)


def _integer(text: str) -> int | Unreadable:
    if len(text) > MAX_INTEGER_DIGITS:
        return Unreadable(text[:MAX_SHOWN_CHARS], json=True)
    return int(text)


def _float(text: str) -> float | int | Unreadable:
    value = float(text)
    if math.isinf(value):
        return Unreadable(text[:MAX_SHOWN_CHARS], json=True)
    if EXACT_FLOAT <= abs(value) <= MAX_INT64_AS_FLOAT and len(text) <= MAX_SHOWN_CHARS:
        return _exact(text, value)
    return value


def _exact(text: str, value: float) -> float | int:
    """`9007199254740993.0` as the integer it is: a float64 would round it."""
    exact = Decimal(text)
    whole = int(exact)
    return whole if exact == whole else value


def _not_json(literal: str, literals: list[str]) -> Unreadable:
    literals.append(literal)
    return Unreadable(literal, json=False)


def _lower_first(message: str) -> str:
    return message[:1].lower() + message[1:]
