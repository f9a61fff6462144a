"""
The lease: which of several monitors folds, so that they do not all do the same work.

Objects `log/_lease/N.json`, create-only; the last one counts until it is `ttl_s` old. Nothing relies on it: two
folders at once are only slower (see `folding`).
"""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Callable
from typing import Final

import msgspec

from cloche.errors import ObjectExistsError, ObjectNotFoundError
from cloche.prediction_log import layout
from cloche.store import Store

_log = logging.getLogger("cloche.log")
TTL_S: Final = 15.0
_NUMBER = re.compile(rf"{layout.LEASE}/(\d{{12}})\.json")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One object: who holds the lease from *at* on, for *ttl_s*; 0 gives it back."""

    number: int
    holder: str
    at: str
    ttl_s: float

    def valid(self, now: dt.datetime) -> bool:
        """Whether it holds at *now*; one from a clock that is far ahead does not."""
        age_s = (now - dt.datetime.fromisoformat(self.at)).total_seconds()
        return -self.ttl_s <= age_s < self.ttl_s


def current(store: Store) -> Record | None:
    """The last record; None before the first, or where it cannot be read."""
    numbers = _numbers(store)
    return _read(store, numbers[-1]) if numbers else None


class Lease:
    """The lease of *store* from the side of one *holder*."""

    def __init__(
        self,
        store: Store,
        holder: str,
        *,
        ttl_s: float = TTL_S,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._store = store
        self._holder = holder
        self._ttl_s = ttl_s
        self._clock = clock
        self._mine: Record | None = None

    def hold(self) -> bool:
        """Whether we hold it now: renewed when a third of it is over, taken where nobody holds it."""
        now = self._clock()
        mine = self._mine
        if (
            mine is not None
            and mine.valid(now)
            and (now - dt.datetime.fromisoformat(mine.at)).seconds < self._ttl_s / 3
        ):
            return True
        numbers = _numbers(self._store)
        found = _read(self._store, numbers[-1]) if numbers else None
        if found is not None and found.holder != self._holder and found.valid(now):
            self._mine = None
            return False
        if found is not None and found.holder != self._holder and found.ttl_s:
            _log.warning("the lease of %s ran out; %s folds now", found.holder, self._holder)
        self._mine = self._write(numbers, self._ttl_s)
        return self._mine is not None

    def release(self) -> None:
        """Give it back, so that the next one need not wait."""
        if self._mine is not None:
            self._write(_numbers(self._store), 0.0)
            self._mine = None

    def _write(self, numbers: list[int], ttl_s: float) -> Record | None:
        """The next record, ours; None where somebody else wrote it."""
        number = numbers[-1] + 1 if numbers else 1
        record = Record(number=number, holder=self._holder, at=self._clock().isoformat(), ttl_s=ttl_s)
        try:
            self._store.create(layout.lease(number), msgspec.json.encode(record) + b"\n")
        except ObjectExistsError:
            return None
        for old in numbers:
            self._store.delete(layout.lease(old))
        return record


def _numbers(store: Store) -> list[int]:
    found = (_NUMBER.fullmatch(path) for path in store.list(layout.LEASE))
    return sorted(int(one[1]) for one in found if one)


def _read(store: Store, number: int) -> Record | None:
    try:
        return msgspec.json.decode(store.get(layout.lease(number)), type=Record)
    except (ObjectNotFoundError, msgspec.MsgspecError):  # renewed since; or nothing that would hold anybody
        return None
