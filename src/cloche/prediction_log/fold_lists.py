"""
Fold lists: what fold number N took in, written before it is done (`log/_folds/N.json`, create-only).

A list holds the segments of its fold and, spool by spool, every segment number that any fold so far took in: a
segment that lands again after its object was deleted is recognised by that. A list is only written once the fold
before it is whole in every table, so that the last list and the one before it say all there is to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from cloche.errors import ObjectExistsError, ObjectNotFoundError, StoreError
from cloche.prediction_log import layout
from cloche.store import Store

FORMAT: Final = "cloche-fold/1"
#: Lists that stay, for whoever wants to know what happened.
KEPT: Final = 100
Intervals = Mapping[str, tuple[tuple[int, int], ...]]


class Segment(msgspec.Struct, frozen=True):
    """A segment of a fold; `damaged` says what could not be read of it."""

    spool: str
    number: int
    sha256: str
    damaged: str | None = None

    @property
    def path(self) -> str:
        return layout.landed(self.spool, self.number)


class FoldList(msgspec.Struct, frozen=True, kw_only=True):
    """`folded` holds the intervals of segment numbers, both ends included, of every fold up to this one."""

    number: int
    by: str
    at: str
    segments: tuple[Segment, ...]
    folded: dict[str, tuple[tuple[int, int], ...]]
    damaged_so_far: int = 0
    schema: str = FORMAT

    def has(self, spool: str, number: int) -> bool:
        """Whether this fold, or one before it, took that segment in."""
        return contains(self.folded, spool, number)

    def had_before(self, spool: str, number: int) -> bool:
        """Whether a fold before this one did."""
        return self.has(spool, number) and not any((one.spool, one.number) == (spool, number) for one in self.segments)


def contains(intervals: Intervals, spool: str, number: int) -> bool:
    """Whether *number* lies in an interval of *spool*."""
    return any(first <= number <= last for first, last in intervals.get(spool, ()))


def extended(intervals: Intervals, segments: Iterable[tuple[str, int]]) -> dict[str, tuple[tuple[int, int], ...]]:
    """*intervals* with the numbers of *segments* (spool, number) as well; neighbours are joined."""
    found = {spool: list(known) for spool, known in intervals.items()}
    for spool, number in segments:
        found.setdefault(spool, []).append((number, number))
    return {spool: _joined(known) for spool, known in sorted(found.items())}


def _joined(intervals: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    joined: list[tuple[int, int]] = []
    for first, last in sorted(intervals):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


# -- in the store ----------------------------------------------------------------------------------


def numbers(store: Store) -> list[int]:
    """The numbers of the lists that are there, sorted."""
    return sorted(n for n in map(layout.fold_in, store.list(layout.FOLDS)) if n is not None)


def latest(store: Store) -> FoldList | None:
    """The last list; None before the first fold."""
    there = numbers(store)
    return read(store, there[-1]) if there else None


def read(store: Store, number: int) -> FoldList:
    """
    The list of fold *number*.

    Raises:
        StoreError: it is no fold list of a format that this cloche knows.
    """
    path = layout.fold(number)
    try:
        found = msgspec.json.decode(store.get(path), type=FoldList)
    except msgspec.MsgspecError as exc:
        raise StoreError(f"store {store.describe()}: {path}: not a fold list: {exc}") from exc
    if found.schema != FORMAT or found.number != number:
        raise StoreError(f"store {store.describe()}: {path}: expected {FORMAT} number {number}, got {found.schema}")
    return found


def reached(store: Store, number: int) -> FoldList | None:
    """The list of fold *number*, which may have been taken away."""
    try:
        return read(store, number)
    except ObjectNotFoundError:
        return None


def write(store: Store, new: FoldList) -> bool:
    """Whether this became the list of its number; else somebody was faster."""
    try:
        store.create(layout.fold(new.number), msgspec.json.format(msgspec.json.encode(new), indent=1) + b"\n")
    except ObjectExistsError:
        return False
    return True


def forget_old(store: Store) -> int:
    """Take the lists away that are older than the last `KEPT`; how many."""
    old = numbers(store)[:-KEPT]
    for number in old:
        store.delete(layout.fold(number))
    return len(old)
