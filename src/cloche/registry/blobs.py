"""
Blobs: the files of artifacts by their sha256, and how they are taken away while others publish.

A sweeper marks a blob that no version names (`gc/…/000001.json`), and a day later decides the mark with
`000001.decided.json`: *swept*, or *rescued* by a publisher that met the mark. Both try to create that one object, so
that exactly one of them is right, whoever stalls or dies where. After *swept* the blob's name is never used again:
a sweeper that stalled may delete it at any time. The next upload of the same bytes is the next generation, `SHA.1`.

A publisher looks at the marks before it writes the version and after; a sweeper marks, then reads the versions, then
decides. So one of the two sees the other. Marks and decisions are never taken away: that is what makes it hold.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from cloche.errors import ObjectExistsError, ObjectNotFoundError
from cloche.registry import layout
from cloche.registry.model import decode, encode
from cloche.store import Store

Verdict = Literal["swept", "rescued"]


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """`gc/ab/SHA/000001.json`: no version named the blob when somebody looked."""

    by: str


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """`gc/ab/SHA/000001.decided.json`: what became of the mark."""

    verdict: Verdict
    by: str


@dataclass(frozen=True, slots=True)
class Marks:
    """What is known of one blob: how many marks it got, whether the last is open, how many times it was swept."""

    count: int = 0
    open: bool = False
    generation: int = 0


def read(store: Store, sha256: str) -> bytes:
    """
    The bytes of a blob, of whichever generation.

    Raises:
        ObjectNotFoundError: the store does not hold it.
    """
    try:
        return store.get(layout.blob(sha256))
    except ObjectNotFoundError:
        generation = marks(store, sha256).generation
        if generation == 0:
            raise
        return store.get(layout.blob(sha256, generation))


def put(store: Store, sha256: str, content: Callable[[], bytes], by: str) -> None:
    """Make sure that the store holds the blob, in a generation that no sweeper will take."""
    data = content()  # an artifact that is not what it lists is refused, whatever the store holds
    path = layout.blob(sha256, rescue(store, sha256, by))
    if not store.exists(path):
        with contextlib.suppress(ObjectExistsError):  # somebody else stored the same bytes
            store.create(path, data)


def put_again(store: Store, sha256: str, content: Callable[[], bytes], by: str) -> None:
    """The same once a version names the blob: needed only where a sweeper marked it meanwhile."""
    if marks(store, sha256).count:
        put(store, sha256, content, by)


def rescue(store: Store, sha256: str, by: str) -> int:
    """Decide an open mark for the blob, if nobody did; returns the generation that is used from now on."""
    known = marks(store, sha256)
    if not known.open:
        return known.generation
    return known.generation + (decide(store, sha256, known.count, "rescued", by) == "swept")


def marks(store: Store, sha256: str) -> Marks:
    """Read the marks of one blob: one request where there are none."""
    paths = set(store.list(layout.marks(sha256)))
    if not paths:
        return Marks()
    count = max(number for number in map(layout.mark_in, paths) if number is not None)
    decided = [number for number in range(1, count + 1) if layout.decision(sha256, number) in paths]
    swept = sum(_verdict(store, sha256, number) == "swept" for number in decided)
    return Marks(count, open=count not in decided, generation=swept)


def mark(store: Store, sha256: str, by: str) -> int:
    """Mark the blob, unless an open mark is there; returns the number of the open one."""
    known = marks(store, sha256)
    if known.open:
        return known.count
    with contextlib.suppress(ObjectExistsError):  # another sweeper was faster: its mark is as good
        store.create(layout.mark(sha256, known.count + 1), encode(Mark(by=by)))
    return known.count + 1


def decide(store: Store, sha256: str, number: int, verdict: Verdict, by: str) -> Verdict:
    """What becomes of a mark: *verdict*, unless somebody decided before."""
    try:
        store.create(layout.decision(sha256, number), encode(Decision(verdict=verdict, by=by)))
    except ObjectExistsError:
        return _verdict(store, sha256, number)
    return verdict


def _verdict(store: Store, sha256: str, number: int) -> Verdict:
    path = layout.decision(sha256, number)
    return decode(store.get(path), Decision, f"store {store.describe()}: {path}").verdict
