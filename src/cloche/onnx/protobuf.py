"""
Protobuf messages as plain fields, by the wire format alone: enough to judge an ONNX file before a library parses it.

https://protobuf.dev/programming-guides/encoding/ is the source. Groups, which ONNX has none of, are refused.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np

from cloche.errors import TamperedModelError

#: A field's values in order: whole numbers, or the bytes of a number, a run of numbers, a text or a message.
Message = dict[int, list[Any]]
Array = np.ndarray[Any, Any]
_MAX_FIELD = (1 << 29) - 1
_MAX_VARINT = 10
_WHERE = "model.onnx"


def fields(raw: memoryview) -> Message:
    """
    Every field of the message *raw*; a run of numbers that is not packed is given as if it were.

    Raises:
        TamperedModelError: it is no message, or is cut off.
    """
    found: Message = {}
    place, end = 0, len(raw)
    while place < end:
        start = place
        key, place = varint(raw, place)
        number, wire = key >> 3, key & 7
        if not 0 < number <= _MAX_FIELD:
            raise TamperedModelError(f"{_WHERE}: a field numbered {number}")
        value, place = _value(raw, place, wire)
        if wire in (0, 5) and place < end and key < 0x80 and raw[place] == key:
            value, place = _run(raw, start, key)
        found.setdefault(number, []).append(value)
    return found


def varint(raw: memoryview, place: int) -> tuple[int, int]:
    """The number at *place*, and the place after it."""
    result = shift = 0
    while True:
        if place >= len(raw) or shift > 63:
            raise TamperedModelError(f"{_WHERE}: a number that does not end")
        byte = raw[place]
        place += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & 0xFFFF_FFFF_FFFF_FFFF, place
        shift += 7


def _value(raw: memoryview, place: int, wire: int) -> tuple[Any, int]:
    if wire == 0:
        return varint(raw, place)
    if wire == 2:
        size, place = varint(raw, place)
    elif wire in (1, 5):
        size = 8 if wire == 1 else 4
    else:
        raise TamperedModelError(f"{_WHERE}: a field of wire type {wire}")
    if size > len(raw) - place:
        raise TamperedModelError(f"{_WHERE}: is cut off: {size} bytes were announced, {len(raw) - place} are left")
    return raw[place : place + size], place + size


# -- runs: trees hold a hundred thousand numbers, each with a key of its own ------------------------------------


@cache
def _pattern(key: int) -> re.Pattern[bytes]:
    one = rb"[\x80-\xff]{0,9}[\x00-\x7f]" if key & 7 == 0 else b".{4}"
    return re.compile(b"(?:" + re.escape(bytes([key])) + one + b")+", re.DOTALL)


def _run(raw: memoryview, start: int, key: int) -> tuple[memoryview, int]:
    """The numbers that follow each other under *key*, without it."""
    match = _pattern(key).match(raw, start)
    if match is None:
        raise TamperedModelError(f"{_WHERE}: a number that does not end")
    run = np.frombuffer(match[0], dtype=np.uint8)
    if key & 7 == 5:
        return memoryview(run.reshape(-1, 5)[:, 1:].tobytes()), match.end()
    ends = np.flatnonzero(run < 0x80)  # the key, the last byte of its number, the key, …
    return memoryview(np.delete(run, ends[::2]).tobytes()), match.end()


# -- values -----------------------------------------------------------------------------------------


def text(value: Any) -> str:
    """
    Raises:
        TamperedModelError: *value* is no UTF-8.
    """
    try:
        return bytes(memoryview(value)).decode()
    except (UnicodeDecodeError, TypeError) as exc:
        raise TamperedModelError(f"{_WHERE}: expected a text") from exc


def message(value: Any) -> Message:
    """
    The fields of an embedded message.

    Raises:
        TamperedModelError: a number stands in its place, or it is none.
    """
    if not isinstance(value, memoryview):
        raise TamperedModelError(f"{_WHERE}: a number where a message is expected")
    return fields(value)


def only(found: Message, number: int, default: Any = None) -> Any:
    """
    The value of a field that occurs at most once: a parser would merge or overrule others.

    Raises:
        TamperedModelError: it occurs again.
    """
    values = found.get(number)
    if values is None:
        return default
    if len(values) > 1:
        raise TamperedModelError(f"{_WHERE}: field {number} is there {len(values)} times")
    return values[0]


def whole(found: Message, number: int, default: int = 0) -> int:
    """
    A number that occurs at most once.

    Raises:
        TamperedModelError: it is none.
    """
    value = only(found, number, default)
    if not isinstance(value, int):
        raise TamperedModelError(f"{_WHERE}: field {number} is no number")
    return value - (1 << 64) if value >= 1 << 63 else value


def integers(values: list[Any]) -> Array:
    """The whole numbers of a repeated field, packed or not, as int64."""
    parts = [
        np.array([value], dtype=np.uint64).view(np.int64) if isinstance(value, int) else _varints(value)
        for value in values
    ]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def _varints(packed: memoryview) -> Array:
    raw = np.frombuffer(packed, dtype=np.uint8)
    ends = np.flatnonzero(raw < 0x80)
    if raw.size and (not ends.size or ends[-1] != raw.size - 1):
        raise TamperedModelError(f"{_WHERE}: a number that does not end")
    starts = np.concatenate(([0], ends[:-1] + 1)) if ends.size else ends
    lengths = ends - starts + 1
    if lengths.size and lengths.max() > _MAX_VARINT:
        raise TamperedModelError(f"{_WHERE}: a number that does not end")
    found = np.zeros(ends.size, dtype=np.uint64)
    for place in range(int(lengths.max(initial=0))):
        more = lengths > place
        digit = (raw[starts[more] + place] & 0x7F).astype(np.uint64)
        found[more] |= digit << np.uint64(7 * place)
    return found.view(np.int64)


def numbers(values: list[Any], dtype: str) -> Array:
    """The fixed-width numbers of a repeated field, packed or not."""
    size = np.dtype(dtype).itemsize
    if any(isinstance(value, int) or len(value) % size for value in values):
        raise TamperedModelError(f"{_WHERE}: numbers that are not {size} bytes wide")
    return np.concatenate([np.frombuffer(value, dtype=dtype) for value in values] or [np.empty(0, dtype=dtype)])
