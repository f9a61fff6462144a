"""
What an Arrow IPC stream says of itself, read before any library touches it. Pure.

Framing and metadata are those of the Arrow columnar format, "IPC streaming format": each message is the marker
`ffffffff`, the length of its metadata, the metadata (a flatbuffer `Message` of Message.fbs), its body. Three things are
looked for that a library would act upon before anybody could ask: more rows than are taken, compressed buffers (they
say themselves how much memory to take), and dictionaries (one text may be meant a million times).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from cloche.errors import MalformedBodyError, TooLargeError

_MARKER = b"\xff\xff\xff\xff"
_MAX_METADATA = 1 << 20
_SCHEMA, _DICTIONARY, _RECORDS = 1, 2, 3
#: Places of fields in the tables of Message.fbs.
_KIND, _HEADER, _BODY_LENGTH = 1, 2, 3
_LENGTH, _COMPRESSION = 0, 3


@dataclass(frozen=True, slots=True)
class _Table:
    """A table in a flatbuffer: where it begins, and where its fields are named."""

    data: bytes
    start: int

    def field(self, place: int) -> int | None:
        """Where a field's value begins; None where it is left out."""
        names = self.start - _number("<i", self.data, self.start)
        offset = 4 + 2 * place
        if offset >= _number("<H", self.data, names):
            return None
        inside = _number("<H", self.data, names + offset)
        return self.start + inside if inside else None

    def number(self, code: str, place: int) -> int:
        """A number; 0 where it is left out."""
        at = self.field(place)
        return 0 if at is None else _number(code, self.data, at)

    def table(self, place: int) -> _Table:
        """A table inside."""
        at = self.field(place)
        if at is None:
            raise _malformed("a message without a header")
        return _Table(self.data, at + _number("<I", self.data, at))


def check(body: bytes, max_rows: int | None) -> None:
    """
    Raises:
        MalformedBodyError: it is no stream of a schema and batches of records, or one that is not taken.
        TooLargeError: more than *max_rows* rows.
    """
    rows = 0
    for place, message in enumerate(_messages(body)):
        kind = message.number("<B", _KIND)
        if kind == _DICTIONARY:
            raise MalformedBodyError("Arrow: dictionaries are not taken; cast the columns to their values")
        if kind != (_RECORDS if place else _SCHEMA):
            raise _malformed("expected a schema, then batches of records")
        if not place:
            continue
        batch = message.table(_HEADER)
        if batch.field(_COMPRESSION) is not None:
            raise MalformedBodyError("Arrow: compressed batches are not taken; send the stream plain")
        length = batch.number("<q", _LENGTH)
        if length < 0:
            raise _malformed("a batch of fewer than no rows")
        rows += length
        if max_rows is not None and rows > max_rows:
            raise TooLargeError(f"rows: at most {max_rows} a request, got {rows} or more; send them in parts")


def _messages(body: bytes) -> Iterator[_Table]:
    """The metadata of each message; at its end a stream says so, or simply stops."""
    position = 0
    if not body:
        raise MalformedBodyError("the body is empty; expected an Arrow IPC stream")
    while position < len(body):
        if body[position : position + 4] != _MARKER:
            raise _malformed(f"expected a message at byte {position}")
        length = _number("<i", body, position + 4)
        position += 8
        if not length:
            if position != len(body):
                raise _malformed("bytes after its end")
            return
        if not 0 < length <= _MAX_METADATA or position + length > len(body):
            raise _malformed(f"a message at byte {position} is cut short")
        metadata = body[position : position + length]
        message = _Table(metadata, _number("<I", metadata, 0))
        yield message
        size = message.number("<q", _BODY_LENGTH)
        position += length + size
        if size < 0 or position > len(body):
            raise _malformed("a batch is cut short")


def _number(code: str, data: bytes, at: int) -> int:
    if at < 0:
        raise _malformed("an offset before its beginning")
    try:
        found: int = struct.unpack_from(code, data, at)[0]
    except struct.error:
        raise _malformed("an offset beyond its end") from None
    return found


def _malformed(why: str) -> MalformedBodyError:
    return MalformedBodyError(f"the body is not an Arrow IPC stream: {why}")
