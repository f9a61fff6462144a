"""
Universal Binary JSON, as XGBoost writes its models in: the draft 12 of the format, read as data.

Nothing here trusts a length: what a file says it holds has to lie in it.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np

from cloche.errors import WrongFormatError

_MAX_DEPTH: Final = 64
_NUMBERS: Final = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d"}
_INTEGERS: Final = frozenset(b"i U I l L".split())
_SINGLE: Final = {b"Z": None, b"T": True, b"F": False}


def parse(raw: bytes, name: str) -> Any:
    """
    The value that *raw* is: dicts, lists, text, numbers, and numpy arrays for arrays of one type of number.

    Raises:
        WrongFormatError: it is not one whole value.
    """
    reader = _Reader(raw, name)
    value = reader.value(reader.take(1), 0)
    if reader.at != len(raw):
        raise WrongFormatError(f"{name}: {len(raw) - reader.at} bytes behind the end of the model")
    return value


class _Reader:
    def __init__(self, raw: bytes, name: str) -> None:
        self.raw, self.name, self.at = raw, name, 0

    def fail(self, what: str) -> WrongFormatError:
        return WrongFormatError(f"{self.name}: byte {self.at}: {what}")

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.raw):
            raise self.fail("the file was cut short")
        found = self.raw[self.at : end]
        self.at = end
        return found

    def value(self, marker: bytes, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise self.fail(f"more than {_MAX_DEPTH} levels")
        if marker in _NUMBERS:
            return self.number(marker)
        if marker == b"S":
            return self.text()
        if marker == b"{":
            return self.mapping(depth)
        if marker == b"[":
            return self.array(depth)
        if marker in _SINGLE:
            return _SINGLE[marker]
        raise self.fail(f"an unknown type {marker!r}")

    def number(self, marker: bytes) -> Any:
        form = _NUMBERS[marker]
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def length(self) -> int:
        marker = self.take(1)
        if marker not in _INTEGERS:
            raise self.fail(f"expected a length, got {marker!r}")
        found = int(self.number(marker))
        if not 0 <= found <= len(self.raw):
            raise self.fail(f"a length of {found}")
        return found

    def text(self) -> str:
        try:
            return self.take(self.length()).decode("utf-8")
        except UnicodeDecodeError as exc:
            raise self.fail("text that is no UTF-8") from exc

    def mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.peek() != b"}":
            key = self.text()
            if key in found:
                raise self.fail(f"the key {key[:40]!r} stands twice")
            found[key] = self.value(self.take(1), depth + 1)
        self.at += 1
        return found

    def peek(self) -> bytes:
        found = self.take(1)
        self.at -= 1
        return found

    def array(self, depth: int) -> Any:
        marker = self.peek()
        if marker == b"$":
            self.at += 1
            return self.typed()
        if marker == b"#":
            self.at += 1
            return [self.value(self.take(1), depth + 1) for _ in range(self.length())]
        found = []
        while self.peek() != b"]":
            found.append(self.value(self.take(1), depth + 1))
        self.at += 1
        return found

    def typed(self) -> Any:
        form = _NUMBERS.get(self.take(1))
        if form is None or self.take(1) != b"#":
            raise self.fail("an array of a type that is no number")
        dtype = np.dtype(form)
        count = self.length()
        return np.frombuffer(self.take(count * dtype.itemsize), dtype=dtype)
