"""
A few rows of each stretch of time, as features: what a classifier tells from the reference's.

A row has a key, drawn once by its request's id and its number, and every sample holds exactly the rows whose key lies
below its `below`. So samples merge whatever was merged before: of two the lower limit holds for both, and of more than
`CAPACITY` rows those of the lowest keys stay. What is left is a uniform sample of all rows (bottom-k, Cohen and Kaplan
2007; limits that follow the rows, Ting 2018), and no row can be in it twice.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
import numpy as np

from cloche.features import Rows, Words, mixed

#: Rows of a sample, however many rows it is of.
CAPACITY: Final = 300
#: Keys are of 63 bits; with this limit every row is in.
EVERY: Final = 2**63
_KEY: Final = np.dtype("<u8")
_NOT: Final = np.uint64(1)


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """The rows of one field with keys below `below`, in the order of their keys: `rows` has `width` bytes a key."""

    below: int
    width: int
    keys: bytes = b""
    rows: bytes = b""

    @classmethod
    def made(cls, below: int, keys: Words, rows: Rows) -> Sample:
        """Of *keys* (n,), all lower than *below*, and their *rows* (n, width)."""
        order = np.argsort(keys, kind="stable")
        if len(order) > CAPACITY:
            below = int(keys[order[CAPACITY]])
            order = order[:CAPACITY]
        return cls(below, rows.shape[1], keys[order].astype(_KEY).tobytes(), rows[order].tobytes())

    def __len__(self) -> int:
        return len(self.keys) // _KEY.itemsize

    def plus(self, other: Sample) -> Sample:
        """
        A sample of both stretches together.

        Raises:
            ValueError: they are of different features.
        """
        if self.width != other.width:
            raise ValueError(f"samples of {self.width} and of {other.width} features do not add up")
        below = min(self.below, other.below)
        keys = np.concatenate([self._keys(), other._keys()])
        kept = keys < below
        return Sample.made(below, keys[kept], np.concatenate([self.features(), other.features()])[kept])

    def features(self) -> Rows:
        """The rows, (n, width)."""
        return np.frombuffer(self.rows, dtype=np.uint8).reshape(len(self), self.width)

    def _keys(self) -> Words:
        return np.frombuffer(self.keys, dtype=_KEY).astype(np.uint64)


#: Of the fields of one version, by name.
Samples = Mapping[str, Sample]
#: Made at import: where two threads work a type out at once, msgspec crashes the process.
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(dict[str, Sample])


def to_bytes(samples: Samples) -> bytes | None:
    """As msgpack, deflated (most counts of words are 0, and Parquet keeps a value three times); None for none."""
    return zlib.compress(_encoder.encode(samples), 1) if samples else None


def from_bytes(raw: bytes | None) -> dict[str, Sample]:
    """
    What `to_bytes` gave.

    Raises:
        ValueError: these are no samples.
    """
    try:
        return {} if raw is None else _decoder.decode(zlib.decompress(raw))
    except zlib.error as exc:
        raise ValueError(f"samples: {exc}") from exc


def merged(those: Iterable[Samples]) -> dict[str, Sample]:
    """All of them together, field by field."""
    whole: dict[str, Sample] = {}
    for samples in those:
        for name, one in samples.items():
            whole[name] = whole[name].plus(one) if name in whole else one
    return whole


def keys_of(ids: np.ndarray[Any, np.dtype[np.uint8]], numbers: np.ndarray[Any, np.dtype[np.int64]]) -> Words:
    """The keys of rows, from the bytes of their request's id (n, 8 k) and their number in it (n,)."""
    words = np.ascontiguousarray(ids).view(_KEY).astype(np.uint64)
    found = mixed(numbers.astype(np.uint64))
    for column in words.T:
        found = mixed(found ^ column)
    return found >> _NOT
