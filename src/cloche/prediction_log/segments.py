"""
The bytes of a segment: written frame by frame, read as far as they are whole.

A segment is `MAGIC`, then frames (see `frames`). While it is written the rest of the file is zeros; the first frame
that is cut short, empty, or of another checksum ends it. That is where a killed writer was.
"""

from __future__ import annotations

import datetime as dt
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from cloche.errors import DamagedSegmentError
from cloche.prediction_log.frames import Frame, Header

MAGIC: Final = b"cloche\x02\x01"
_HEAD = struct.Struct("<II")
#: One request may hold many rows; beyond this a length is no length of ours.
MAX_FRAME_BYTES = 1 << 30
_WHOLE = range(-(2**63), 2**64)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Frame)


def packed(frame: Frame) -> bytes:
    """
    *frame* as it stands in a segment.

    What msgpack has no form for (an integer beyond 64 bits, a moment that is before the year 1 in UTC, a type of a
    model's own) stands as text: no answer is held back because of what its record looks like.
    """
    try:
        payload = _encoder.encode(frame)
    except (OverflowError, TypeError, ValueError):
        payload = _encoder.encode(_plain(frame))
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def _plain(value: Any) -> Any:
    """*value* with everything as text that msgpack cannot hold; numpy's scalars and arrays as Python's own."""
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {_text(str(key)): _plain(one) for key, one in value.items()}
    if hasattr(value, "tolist"):  # numpy's, which is not imported for those who only ship segments
        return _plain(value.tolist())
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, msgspec.Struct):
        return replace(value, **{name: _plain(getattr(value, name)) for name in value.__struct_fields__})
    if isinstance(value, int):
        return value if value in _WHOLE else str(value)
    return value if value is None or isinstance(value, float | bytes) else _text(str(value))


def _text(value: str) -> str:
    """UTF-8 has no form for half a surrogate pair."""
    return value.encode("utf-8", "backslashreplace").decode()


def payloads(data: bytes | memoryview) -> Iterator[tuple[memoryview, int]]:
    """The payload of every whole frame, and where the next one begins."""
    view = memoryview(data)
    position = len(MAGIC) if bytes(view[: len(MAGIC)]) == MAGIC else len(view)
    while position + _HEAD.size <= len(view):
        length, checksum = _HEAD.unpack_from(view, position)
        end = position + _HEAD.size + length
        if not length or length > MAX_FRAME_BYTES or end > len(view):
            return
        payload = view[position + _HEAD.size : end]
        if zlib.crc32(payload) != checksum:
            return
        yield payload, end
        position = end


def whole_bytes(data: bytes | memoryview) -> int:
    """How many bytes of *data* are whole frames, `MAGIC` included; 0 where it is no segment."""
    start = len(MAGIC) if bytes(data[: len(MAGIC)]) == MAGIC else 0
    return max((end for _, end in payloads(data)), default=start)


def read(data: bytes | memoryview, name: str) -> Iterator[Frame]:
    """
    The frames of a sealed segment, the header first.

    Raises:
        DamagedSegmentError: it is no segment, bytes follow its last whole frame, or a frame is not of this format.
    """
    if bytes(data[: len(MAGIC)]) != MAGIC:
        raise DamagedSegmentError(f"{name}: expected a segment of the prediction log, got other bytes")
    end, first = len(MAGIC), True
    for payload, end in payloads(data):
        try:
            frame: Frame = _decoder.decode(payload)
        except msgspec.MsgspecError as exc:
            raise DamagedSegmentError(f"{name}: a frame that ends at byte {end}: {exc}") from exc
        if first and not isinstance(frame, Header):
            raise DamagedSegmentError(f"{name}: expected the header first, got a {type(frame).__name__}")
        first = False
        yield frame
    if end != len(data):
        raise DamagedSegmentError(f"{name}: damaged at byte {end} of {len(data)}")


def salvaged(data: bytes | memoryview, name: str, damage: list[str]) -> Iterator[Frame]:
    """
    Every frame of a segment that can be read, whatever else is wrong with it; what is wrong goes to *damage*.

    A frame that is whole and not of this format (a later release wrote it) does not hide the ones behind it.
    """
    if bytes(data[: len(MAGIC)]) != MAGIC:
        damage.append(f"{name}: expected a segment of the prediction log, got other bytes")
        return
    end, first = len(MAGIC), True
    for payload, end in payloads(data):
        try:
            frame: Frame = _decoder.decode(payload)
        except msgspec.MsgspecError as exc:
            damage.append(f"{name}: a frame that ends at byte {end}: {exc}")
            continue
        if first and not isinstance(frame, Header):
            damage.append(f"{name}: expected the header first, got a {type(frame).__name__}")
        first = False
        yield frame
    if end != len(data):
        damage.append(f"{name}: damaged at byte {end} of {len(data)}")
