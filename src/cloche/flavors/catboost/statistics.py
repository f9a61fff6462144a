"""
The target statistics of categories in a CatBoost model: hash tables from categories to rows of counts.

They are searched until an empty bucket, and the row found is read unasked: both are looked at here.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from cloche.flavors.boosted import expect
from cloche.flavors.catboost.flat import Table

_PART: Final = "static_provider_v1"
_BUCKET: Final = np.dtype([("hash", "<u8"), ("row", "<u4")])
_EMPTY: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
#: ECtrType: of these a row has a count for each class, of the others one history of the bytes given.
_BORDERS, _BUCKETS = 0, 1
_ROW_BYTES: Final = {2: 8, 3: 8, 4: 4, 5: 4}
_Key = tuple[int, bytes, bytes, bytes]


def check(trees: Table, parts: list[str], rest: bytes, categories: int) -> list[int]:
    """
    How many borders each statistic of *trees* has; *rest* are the bytes behind the buffers, whose kinds *parts* name.

    Raises:
        TamperedModelError: a statistic has no table, or a table leads outside.
    """
    features = [_feature(one, categories) for one in trees.tables(7)]
    expect(parts in ([], [_PART]), f"parts that are not known: {', '.join(parts)[:80]}")
    expect(bool(parts) or not rest, f"{len(rest)} bytes behind the end of the model")
    tables = _tables(rest) if parts else {}
    for key, border, _ in features:
        expect(key in tables, "a statistic without its table")
        classes = tables[key]
        expect(0 <= border < max(classes, 1), "a statistic of a class that is not there")
    return [count for _, _, count in features]


def _feature(one: Table, categories: int) -> tuple[_Key, int, int]:
    """Which table a statistic reads, of which border of the target, and how many borders it has itself."""
    statistic = one.table(0)
    base = None if statistic is None else statistic.table(0)
    expect(statistic is not None and base is not None, "a statistic that names no table")
    assert statistic is not None
    assert base is not None
    borders = one.array(1, "<f4")
    expect(bool((np.diff(borders) >= 0).all()), "borders of a statistic that do not ascend")
    key = _key(base)
    read = np.frombuffer(key[1], dtype="<i4")
    expect(not read.size or (int(read.min()) >= 0 and int(read.max()) < categories), "a category that is not there")
    return key, statistic.number(1, "<i", 0), len(borders)


def _key(base: Table) -> _Key:
    combination = base.table(0)
    kind = base.number(1, "<b", 0)
    if combination is None:
        return kind, b"", b"", b""
    numbers, values = (combination.array(place, np.dtype("<i8")).tobytes() for place in (1, 2))
    return kind, combination.array(0, "<i4").tobytes(), numbers, values


def _tables(rest: bytes) -> dict[_Key, int]:
    """The number of classes of each table, by what it belongs to."""
    expect(len(rest) >= 4, "the tables were cut short")
    count, at = struct.unpack_from("<I", rest)[0], 4
    found: dict[_Key, int] = {}
    for _ in range(count):
        expect(at + 4 <= len(rest), "the tables were cut short")
        size = struct.unpack_from("<I", rest, at)[0]
        expect(at + 4 + size <= len(rest), "the tables were cut short")
        key, classes = _table(Table.root(rest[at + 4 : at + 4 + size]))
        expect(key not in found, "a table stands twice")
        found[key] = classes
        at += 4 + size
    expect(at == len(rest), f"{len(rest) - at} bytes behind the tables")
    return found


def _table(one: Table) -> tuple[_Key, int]:
    base = one.table(0)
    expect(base is not None, "a table that belongs to nothing")
    assert base is not None
    key, classes = _key(base), one.number(4, "<i", 0)
    buckets, blob = one.array(1, np.uint8), one.array(2, np.uint8)
    expect(0 <= classes <= 1_000_000, f"a table of {classes} classes")
    if key[0] in (_BORDERS, _BUCKETS):
        width = 4 * (max(classes, 2) if key[0] == _BORDERS else classes)
    else:
        expect(key[0] in _ROW_BYTES, f"a statistic of the unknown kind {key[0]}")
        width = _ROW_BYTES[key[0]]
    expect(width > 0 and len(blob) % width == 0, "rows of counts that are cut short")
    expect(len(buckets) % _BUCKET.itemsize == 0, "buckets that are cut short")
    found = np.frombuffer(buckets.tobytes(), dtype=_BUCKET)
    expect(found.size > 0 and found.size & (found.size - 1) == 0, f"{found.size} buckets, expected a power of two")
    taken = found["hash"] != _EMPTY
    expect(not bool(taken.all()), "a table without an empty bucket")
    expect(bool((found["row"][taken] < len(blob) // width).all()), "a bucket points at counts that are not there")
    return key, classes
