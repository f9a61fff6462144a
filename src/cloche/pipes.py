"""
Two processes of ours talk over pipes: one msgpack map a message, each with its length before it.

Values keep their Python type across the pipe: dates, datetimes with their zone, integers of any size, NaN. What
a model prints must not break a message, so the child moves its pipes away from file descriptors 0 and 1.
"""

from __future__ import annotations

import asyncio
import os
import struct
import sys
from collections.abc import Sequence
from datetime import date, datetime
from typing import IO, Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

#: A message longer than this is what somebody else wrote to the pipe.
MAX_BYTES = 1 << 36
_LENGTH = struct.Struct(">Q")
_DATE, _DATETIME, _INTEGER = 1, 2, 3
_AS_THEY_ARE = frozenset({type(None), bool, float, str, bytes})
_INT64 = range(-(2**63), 2**63)

_encode = msgspec.msgpack.Encoder().encode


def message_bytes(message: dict[str, Any]) -> bytes:
    """What goes over the pipe for *message*."""
    body = _encode(_packed(message))
    return _LENGTH.pack(len(body)) + body


def write(stream: IO[bytes], message: dict[str, Any]) -> None:
    """Send one message."""
    stream.write(message_bytes(message))
    stream.flush()


def read(stream: IO[bytes]) -> dict[str, Any]:
    """
    Receive one message.

    Raises:
        EOFError: the other side has gone.
        ValueError: something else wrote to the pipe.
    """
    return _message(_exactly(stream, _length(_exactly(stream, _LENGTH.size))))


async def aread(stream: asyncio.StreamReader) -> dict[str, Any]:
    """`read` on an event loop."""
    try:
        head = await stream.readexactly(_LENGTH.size)
        return _message(await stream.readexactly(_length(head)))
    except ConnectionError as exc:
        raise EOFError from exc


def take_stdio() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes of this process; from now on its standard input is empty and its output goes to standard error."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return source, sink


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _length(head: bytes) -> int:
    length: int = _LENGTH.unpack(head)[0]
    if length > MAX_BYTES:
        raise ValueError(f"a message of {length} bytes; something else wrote to the pipe")
    return length


def _message(body: bytes) -> dict[str, Any]:
    message: dict[str, Any] = msgspec.msgpack.decode(body, ext_hook=_unpacked)
    return message


def _packed(value: Any) -> Any:
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): _packed(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return _packed_all(value)
    return _packed_scalar(value)


def _packed_all(values: Sequence[Any]) -> Sequence[Any]:
    return values if _AS_THEY_ARE.issuperset(map(type, values)) else [_packed(value) for value in values]


def _packed_scalar(value: Any) -> Any:
    """Msgpack has no date, no naive datetime, no zone and no integer beyond 64 bits: those travel as our own types."""
    if isinstance(value, datetime):
        return msgspec.msgpack.Ext(_DATETIME, _moment_text(value).encode())
    if isinstance(value, date):
        return msgspec.msgpack.Ext(_DATE, value.isoformat().encode())
    if isinstance(value, int) and value not in _INT64:
        return msgspec.msgpack.Ext(_INTEGER, f"{value:x}".encode())
    return value


def _moment_text(moment: datetime) -> str:
    """Wall clock, fold and zone: converting to UTC and back would overflow at both ends of the calendar."""
    zone = getattr(moment.tzinfo, "key", None)
    if zone is None and moment.tzinfo is not None:  # an offset of its own
        return moment.isoformat()
    return f"{moment.replace(tzinfo=None).isoformat()}|{moment.fold}|{zone or ''}"


def _unpacked(code: int, data: memoryview) -> Any:
    text = bytes(data).decode()
    if code == _DATE:
        return date.fromisoformat(text)
    if code == _INTEGER:
        return int(text, 16)
    moment, _, rest = text.partition("|")
    found = datetime.fromisoformat(moment)
    if not rest:
        return found
    fold, _, zone = rest.partition("|")
    return found.replace(fold=int(fold), tzinfo=ZoneInfo(zone) if zone else None)
