"""The segments that hosts put into the store and no fold took away yet."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cloche.errors import ObjectNotFoundError
from cloche.prediction_log import layout
from cloche.store import Store


@dataclass(frozen=True, slots=True)
class Waiting:
    """A landed segment, and how many bytes it has."""

    spool: str
    number: int
    size: int

    @property
    def path(self) -> str:
        return layout.landed(self.spool, self.number)


@dataclass(frozen=True, slots=True)
class Landed:
    """A landed segment that was read."""

    spool: str
    number: int
    data: bytes

    @property
    def path(self) -> str:
        return layout.landed(self.spool, self.number)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def waiting(store: Store) -> list[Waiting]:
    """Every landed segment, by spool and number."""
    found = []
    for path, size in store.sizes(layout.LANDING).items():
        known = layout.landed_in(path)
        if known is not None:
            found.append(Waiting(*known, size))
    return sorted(found, key=lambda one: (one.spool, one.number))


def read(store: Store, segments: Iterable[Waiting]) -> list[Landed]:
    """Those of *segments* that are still there."""
    found = []
    for one in segments:
        with contextlib.suppress(ObjectNotFoundError):
            found.append(Landed(one.spool, one.number, store.get(one.path)))
    return found
