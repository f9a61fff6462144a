"""
How the numbers of a slot lie in its file.

    0   b"cloche" and the number of this layout, two bytes
    8   u64: where the entries end
    16  entries: u32 length of the key, u32 how many numbers, the key (JSON, padded to 8 bytes), float64 numbers

Entries are only ever appended. A new one lies beyond the end until the end moves over it, in one aligned store;
so a writer that is killed anywhere leaves a file that reads well.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"cloche\x00\x01"
HEADER = 16
ENTRY_HEADER = 8
_END = struct.Struct("=8sQ")
_SIZES = struct.Struct("=II")


@dataclass(frozen=True, slots=True)
class Entry:
    """A name, its label values, and where its numbers begin."""

    name: str
    labels: tuple[str, ...]
    position: int
    width: int

    @property
    def end(self) -> int:
        return self.position + 8 * self.width


def key_of(name: str, labels: tuple[str, ...]) -> bytes:
    """The key of an entry as it is stored."""
    return json.dumps([name, *labels]).encode("ascii")


def padded(length: int) -> int:
    """The next multiple of 8."""
    return -(-length // 8) * 8


def end_of(data: bytes | bytearray | memoryview) -> int:
    """Where the entries end; the header's end where *data* is no slot."""
    if len(data) < HEADER:
        return HEADER
    magic, end = _END.unpack_from(data)
    return int(end) if magic == MAGIC else HEADER


def entries(data: bytes | bytearray | memoryview) -> Iterator[Entry]:
    """The entries of a slot; stops where they end or where one is not whole."""
    position, end = HEADER, min(end_of(data), len(data))
    while position + ENTRY_HEADER <= end:
        found = _entry(data, position, end)
        if found is None:
            return
        yield found
        position = found.end


def _entry(data: bytes | bytearray | memoryview, position: int, end: int) -> Entry | None:
    length, width = _SIZES.unpack_from(data, position)
    begin = position + ENTRY_HEADER
    numbers = begin + padded(length)
    if not length or not width or numbers + 8 * width > end:
        return None
    try:
        words = json.loads(bytes(data[begin : begin + length]))
    except ValueError:
        return None
    if not (isinstance(words, list) and words and all(isinstance(word, str) for word in words)):
        return None
    return Entry(words[0], tuple(words[1:]), numbers, width)
