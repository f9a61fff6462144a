"""The numbers of all slots as one."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cloche.metrics.families import FAMILIES, Family
from cloche.metrics.layout import HEADER, end_of, entries

#: By the name of a family and the values of its labels: one number, or those of a histogram.
Samples = Mapping[str, Mapping[tuple[str, ...], Sequence[float]]]


def read_all(folder: Path, *, families: Mapping[str, Family] = FAMILIES) -> Samples:
    """What all workers counted, the dead ones too; `*.bin` in *folder*."""
    return merge((read_slot(_content(path), families=families) for path in sorted(folder.glob("*.bin"))), families)


def read_slot(data: bytes, *, families: Mapping[str, Family] = FAMILIES) -> Samples:
    """What stands in one slot; an entry that this release does not know is left out."""
    found: dict[str, dict[tuple[str, ...], list[float]]] = {}
    for one in entries(data):
        family = families.get(one.name)
        if family is not None and family.width == one.width and len(family.labels) == len(one.labels):
            numbers = struct.unpack_from(f"={one.width}d", data, one.position)
            found.setdefault(one.name, {})[one.labels] = list(numbers)
    return found


def merge(slots: Iterable[Samples], families: Mapping[str, Family] = FAMILIES) -> Samples:
    """Several slots as one: summed, or the greatest where the family says so."""
    total: dict[str, dict[tuple[str, ...], list[float]]] = {}
    for slot in slots:
        for name, series in slot.items():
            combine = max if families[name].combine == "max" else _plus
            there = total.setdefault(name, {})
            for labels, numbers in series.items():
                known = there.get(labels)
                there[labels] = list(numbers) if known is None else list(map(combine, known, numbers))
    return total


def quantile(counts: Sequence[float], buckets: Sequence[float], share: float) -> float | None:
    """
    The value below which *share* of what was observed lies, to the width of a bucket; None where nothing was.

    *counts* are those of the buckets, the last above all bounds; there the highest bound is told.
    """
    total = sum(counts)
    if not total:
        return None
    rank, seen, below = share * total, 0.0, 0.0
    for bound, count in zip(buckets, counts, strict=False):
        if count and seen + count >= rank:
            return below + (bound - below) * (rank - seen) / count
        seen, below = seen + count, bound
    return buckets[-1]


def _content(path: Path) -> bytes:
    """The entries that were there when the end was read; each of them is whole by then."""
    with path.open("rb", buffering=0) as file:
        head = file.read(HEADER)
        return head + file.read(max(0, end_of(head) - HEADER))


def _plus(one: float, other: float) -> float:
    return one + other
