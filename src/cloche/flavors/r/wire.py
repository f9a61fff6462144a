"""
The messages between Python and R: a list of named vectors, all little-endian, read by R's `readBin` at once.

A message is a count, then for each vector its name (a text of length 1), its type, its length and its values. Types:
1 float64, 2 int32, 3 logical as int32, 4 texts (the lengths of all in bytes, -1 for missing; then the bytes), 5 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cloche.errors import EngineError

#: R's missing values: of numbers a NaN with a mark in its lower word, of integers and logicals the lowest int32.
NA_REAL = struct.unpack("<d", struct.pack("<Q", 0x7FF00000000007A2))[0]
NA_INTEGER = -(2**31)
_DOUBLE, _INTEGER, _LOGICAL, _TEXT, _BYTES = 1, 2, 3, 4, 5
_MAX_VECTORS = 1_000_000
_MAX_BYTES = 1 << 36

Exactly = Callable[[int], bytes]


def message(vectors: Mapping[str, Any]) -> bytes:
    """
    The bytes of a message. A value is a float64, int32 or bool array, `bytes`, a number, or texts with None.

    Raises:
        ValueError: a text holds U+0000, which R has no room for.
    """
    parts = [_integers([len(vectors)])]
    for name, values in vectors.items():
        parts += _texts([name])
        parts += _vector(values)
    return b"".join(parts)


def _vector(values: Any) -> list[bytes]:
    if isinstance(values, bytes):
        return [_integers([_BYTES, len(values)]), values]
    if isinstance(values, (int, float)):
        values = np.array([values], dtype=np.float64)
    if not isinstance(values, np.ndarray):
        texts = [values] if isinstance(values, str) else values
        return [_integers([_TEXT, len(texts)]), *_texts(texts)]
    code = {"f": _DOUBLE, "i": _INTEGER, "b": _LOGICAL}[values.dtype.kind]
    raw = values.astype("<f8" if code == _DOUBLE else "<i4", copy=False).tobytes()
    return [_integers([code, len(values)]), raw]


def _texts(values: Sequence[str | None]) -> list[bytes]:
    encoded = [None if one is None else one.encode() for one in values]
    if any(one is not None and b"\0" in one for one in encoded):
        raise ValueError("a text holds U+0000, which R cannot keep")
    sizes = [-1 if one is None else len(one) for one in encoded]
    return [_integers(sizes), *(one for one in encoded if one)]


def _integers(values: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


def read(exactly: Exactly) -> dict[str, Any]:
    """
    The next message, `exactly(n)` giving the next n bytes: float64 and int32 arrays, bools and texts with None, bytes.

    Raises:
        EngineError: something else wrote to the pipe.
    """
    count = _length(_head(exactly, 1)[0], _MAX_VECTORS)
    found = {}
    for _ in range(count):
        name = _read_texts(exactly, 1)[0]
        found[name or ""] = _read_vector(exactly)
    return found


def _read_vector(exactly: Exactly) -> Any:
    code, length = _head(exactly, 2)
    n = _length(length, _MAX_BYTES)
    if code == _DOUBLE:
        return np.frombuffer(exactly(8 * n), dtype="<f8")
    if code == _INTEGER:
        return np.frombuffer(exactly(4 * n), dtype="<i4")
    if code == _LOGICAL:
        whole = np.frombuffer(exactly(4 * n), dtype="<i4").tolist()
        return [None if one == NA_INTEGER else bool(one) for one in whole]
    if code == _TEXT:
        return _read_texts(exactly, n)
    if code == _BYTES:
        return exactly(n)
    raise EngineError(f"R answered with a vector of type {code}; something else wrote to its pipe")


def _read_texts(exactly: Exactly, n: int) -> list[str | None]:
    sizes = _head(exactly, n)
    body = exactly(_length(sum(size for size in sizes if size > 0), _MAX_BYTES))
    texts, start = [], 0
    for size in sizes:
        end = start + max(size, 0)
        texts.append(None if size < 0 else body[start:end].decode("utf-8", "replace"))
        start = end
    return texts


def _head(exactly: Exactly, n: int) -> tuple[int, ...]:
    return struct.unpack(f"<{n}i", exactly(4 * n))


def _length(n: int, most: int) -> int:
    if not 0 <= n <= most:
        raise EngineError(f"R answered with a length of {n}; something else wrote to its pipe")
    return n


def numbers(values: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Numbers with None as R has them."""
    try:
        return np.array(values, dtype=np.float64) if None not in values else _with_gaps(values)
    except TypeError:
        return _with_gaps(values)


def _with_gaps(values: Sequence[Any]) -> np.ndarray[Any, Any]:
    return np.array([NA_REAL if one is None else one for one in values], dtype=np.float64)


def logicals(values: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Booleans with None as R has them; as int32, which R is told are logicals by the name of the column."""
    return np.array([NA_INTEGER if one is None else int(one) for one in values], dtype=np.int32)
