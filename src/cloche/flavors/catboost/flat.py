"""FlatBuffers, read as data: every offset and length is looked at before it is followed."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from cloche.flavors.boosted import expect

Array = np.ndarray[Any, Any]


class Table:
    """A table of a buffer; its fields are known by their place in the schema."""

    def __init__(self, buffer: bytes, at: int) -> None:
        self._buffer, self._at = buffer, at
        start = at - self._read("<i", at)
        size = self._read("<H", start)
        expect(size >= 4 and size % 2 == 0, "a table without fields")
        self._fields = [self._read("<H", start + place) for place in range(4, size, 2)]

    @classmethod
    def root(cls, buffer: bytes) -> Table:
        """The table that a buffer begins with."""
        expect(len(buffer) >= 8, "the buffer was cut short")
        return cls(buffer, struct.unpack_from("<I", buffer)[0])

    def _read(self, form: str, at: int) -> Any:
        expect(0 <= at <= len(self._buffer) - struct.calcsize(form), "an offset points outside")
        return struct.unpack_from(form, self._buffer, at)[0]

    def _place(self, field: int) -> int | None:
        offset = self._fields[field] if field < len(self._fields) else 0
        return self._at + offset if offset else None

    def number(self, field: int, form: str, default: Any) -> Any:
        """A scalar of the struct format *form*."""
        place = self._place(field)
        return default if place is None else self._read(form, place)

    def table(self, field: int) -> Table | None:
        """A table inside."""
        place = self._place(field)
        return None if place is None else Table(self._buffer, place + self._read("<I", place))

    def _vector(self, field: int) -> tuple[int, int]:
        """Where a vector's items begin, and how many there are."""
        place = self._place(field)
        if place is None:
            return 0, 0
        start = place + self._read("<I", place)
        return start + 4, self._read("<I", start)

    def array(self, field: int, dtype: Any) -> Array:
        """A vector of numbers or structs."""
        start, count = self._vector(field)
        kind = np.dtype(dtype)
        expect(start + count * kind.itemsize <= len(self._buffer), "a vector reaches outside")
        return np.frombuffer(self._buffer, dtype=kind, count=count, offset=start)

    def blob(self, field: int) -> bytes:
        """A vector of bytes, or text."""
        return self.array(field, np.uint8).tobytes()

    def text(self, field: int) -> str:
        """Text; errors of its encoding are replaced."""
        return self.blob(field).decode("utf-8", "replace")

    def tables(self, field: int) -> list[Table]:
        """A vector of tables."""
        start, count = self._vector(field)
        expect(start + 4 * count <= len(self._buffer), "a vector reaches outside")
        places = [start + 4 * place for place in range(count)]
        return [Table(self._buffer, place + self._read("<I", place)) for place in places]

    def texts(self, field: int) -> list[str]:
        """A vector of texts."""
        start, count = self._vector(field)
        expect(start + 4 * count <= len(self._buffer), "a vector reaches outside")
        return [self._text_at(start + 4 * place) for place in range(count)]

    def _text_at(self, place: int) -> str:
        start = place + self._read("<I", place)
        size = self._read("<I", start)
        expect(start + 4 + size <= len(self._buffer), "a text reaches outside")
        return self._buffer[start + 4 : start + 4 + size].decode("utf-8", "replace")
