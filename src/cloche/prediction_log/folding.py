"""
Folding: landed segments into the tables of the log, every row exactly once.

A fold is a list (`fold_lists`), then one commit in each table, then the segments go. A table is opened, and only if it
holds no fold of this number it is committed to with that same handle: nobody else committed in between, or the commit
fails and the table is looked at again. So a folder that is killed anywhere is finished by the next one, and two at
once cannot both write. What a segment held is visible in a table that was opened anew before its object is deleted.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import hashlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cloche.errors import LogRaceError, ObjectExistsError, ObjectNotFoundError, StoreError
from cloche.prediction_log import fold_lists, layout, segments, waiting
from cloche.prediction_log.erasures import Erased
from cloche.prediction_log.fold_lists import FoldList, Segment
from cloche.prediction_log.homes import home
from cloche.prediction_log.waiting import Landed, Waiting
from cloche.store import Store

_log = logging.getLogger("cloche.log")
#: Rows by the path of their table.
Parts = dict[str, list[Any]]
#: Of landed segments, in one fold: what has to fit into memory at once is a few times that.
MAX_BYTES: Final = 32_000_000
MAX_SEGMENTS: Final = 2_000
_ATTEMPTS = 50
_MAX_TOLD = 300
_FORGET_EVERY = 20


@dataclass(frozen=True, slots=True)
class Folded:
    """One fold: how many segments, bytes and rows it brought into the tables, and what was wrong."""

    number: int
    segments: int
    bytes: int
    rows: int
    damaged: int
    seconds: float


class Folder:
    """
    Folds what has landed in *store*, on behalf of *by*.

    *derive* makes of the rows of a fold those of further tables, which are committed with it: the same rows of the same
    segments, whenever it is asked. *reached* is told every step by its name: tests end the process there.
    """

    def __init__(
        self,
        store: Store,
        by: str,
        *,
        derive: Callable[[Parts], Parts] = lambda _parts: {},
        max_bytes: int = MAX_BYTES,
        reached: Callable[[str], None] = lambda _step: None,
    ) -> None:
        self._store = store
        self._by = by
        self._derive = derive
        self._max_bytes = max_bytes
        self._reached = reached

    def all(self) -> list[Folded]:
        """Fold until nothing waits that was there at the beginning; the folds."""
        done = []
        while (one := self.step()) is not None:
            done.append(one)
        return done

    def step(self) -> Folded | None:
        """
        Finish the last fold where it was not, or make one of what has landed since; None where nothing waits.

        Raises:
            MissingExtraError: the extra `monitor` is not installed.
            StoreError: the store or a table cannot be read or written; what was begun is finished by the next step.
        """
        started = time.monotonic()
        last = fold_lists.latest(self._store)  # before what has landed: what is gone by then is in the tables
        there = waiting.waiting(self._store)
        if last is not None and any(_of(last, one) for one in there):
            rows, size = self._finish(last)
            return self._told(last, rows, size, started)
        self._drop_again(last, there)
        fresh = [one for one in there if last is None or not last.has(one.spool, one.number)]
        landed = waiting.read(self._store, _chosen(fresh, self._max_bytes))
        if not landed:
            return None
        damage: dict[str, list[str]] = {}
        parts = _built(landed, damage)
        new = self._listed(last, landed, damage)
        if not fold_lists.write(self._store, new):
            return self.step()  # somebody else's list: finish that one
        self._reached("listed")
        rows = self._commit(new.number, parts)
        self._clear(new)
        return self._told(new, rows, sum(len(one.data) for one in landed), started)

    # -- the list -------------------------------------------------------------------------------

    def _listed(self, last: FoldList | None, landed: Sequence[Landed], damage: dict[str, list[str]]) -> FoldList:
        listed = tuple(Segment(one.spool, one.number, one.sha256, _said(damage.get(one.path))) for one in landed)
        before = last.folded if last is not None else {}
        return FoldList(
            number=last.number + 1 if last is not None else 1,
            by=self._by,
            at=dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
            segments=listed,
            folded=fold_lists.extended(before, ((one.spool, one.number) for one in landed)),
            damaged_so_far=(last.damaged_so_far if last is not None else 0) + len(damage),
        )

    def _drop_again(self, last: FoldList | None, there: Iterable[Waiting]) -> None:
        """Segments that landed again after they were folded (their host had not heard of it)."""
        for one in there:
            if last is not None and last.has(one.spool, one.number):
                self._store.delete(one.path)

    # -- the tables -----------------------------------------------------------------------------

    def _finish(self, last: FoldList) -> tuple[int, int]:
        """Complete a fold that somebody began; rows and bytes."""
        landed = waiting.read(self._store, (Waiting(one.spool, one.number, 0) for one in last.segments))
        rows = 0
        if len(landed) == len(last.segments):  # else they are being taken away: every table holds them
            _tell_changed(last, landed)
            rows = self._commit(last.number, _built(landed, {}))
        self._clear(last)
        return rows, sum(len(one.data) for one in landed)

    def _commit(self, number: int, parts: Parts) -> int:
        """Bring every table to fold *number*; how many rows that are."""
        kept = Erased.read(self._store).dropped(parts)  # after the list: an erasure that is older than it is seen
        for path, found in [*kept.items(), *self._derive(kept).items()]:
            self._commit_table(path, found, number)
            self._reached(f"committed {path}")
        self._reached("folded")
        return sum(part.rows.num_rows for found in kept.values() for part in found)

    def _commit_table(self, path: str, parts: Sequence[Any], number: int) -> None:
        arrow, tables = home("arrow"), home("delta").LogTable
        if not any(part.rows.num_rows for part in parts):
            return
        for _ in range(_ATTEMPTS):
            table = tables.open(self._store, path)
            if table is None:
                tables.create(self._store, path, parts[0].schema)
                self._reached(f"created {path}")
                continue
            if table.folded >= number:  # also after our own commit: seen by whoever opens the table now
                table.settle({date for part in parts for date in arrow.dates(part.rows)})
                return
            with contextlib.suppress(LogRaceError):
                table.append(arrow.placed([part.rows for part in parts], arrow.types_of(table.schema)), number)
        raise StoreError(f"store {self._store.describe()}: {path}: fold {number} lost {_ATTEMPTS} races in a row")

    # -- afterwards -----------------------------------------------------------------------------

    def _clear(self, done: FoldList) -> None:
        """Take the segments of a fold away; damaged ones are set aside."""
        for one in done.segments:
            if one.damaged is not None:
                self._set_aside(one)
            self._store.delete(one.path)
            self._reached("deleted")
        if done.number % _FORGET_EVERY == 0:
            fold_lists.forget_old(self._store)

    def _set_aside(self, one: Segment) -> None:
        try:
            data = self._store.get(one.path)
        except ObjectNotFoundError:
            return
        with contextlib.suppress(ObjectExistsError):
            self._store.create(layout.damaged(one.spool, one.number), data)
        self._reached("set aside")
        _log.error("a landed segment is damaged, and set aside after what could be read of it: %s", one.damaged)

    def _told(self, done: FoldList, rows: int, size: int, started: float) -> Folded:
        damaged = sum(one.damaged is not None for one in done.segments)
        seconds = round(time.monotonic() - started, 3)
        return Folded(done.number, len(done.segments), size, rows, damaged, seconds)


def _built(landed: Iterable[Landed], damage: dict[str, list[str]]) -> dict[str, list[Any]]:
    """The rows of each table; what could not be read goes to *damage*, by the segment's path."""
    found: list[str] = []
    building = home("arrow").Building(found)
    for one in landed:
        with _no_collector():
            building.add(segments.salvaged(one.data, one.path, found), one.path)
        if found:
            damage[one.path] = found.copy()
            found.clear()
    return building.done()  # type: ignore[no-any-return]


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    """Hundreds of thousands of small lists, none of them in a cycle: looking for cycles takes a third of the time."""
    wanted = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if wanted:
            gc.enable()


def _of(last: FoldList, one: Waiting) -> bool:
    return any((known.spool, known.number) == (one.spool, one.number) for known in last.segments)


def _chosen(there: Iterable[Waiting], max_bytes: int) -> list[Waiting]:
    """What goes into one fold: of every spool its first segments, at least one."""
    ranked: dict[str, int] = defaultdict(int)
    order = []
    for one in there:
        ranked[one.spool] += 1
        order.append((ranked[one.spool], one.spool, one))
    chosen: list[Waiting] = []
    size = 0
    for _, _, one in sorted(order, key=lambda entry: entry[:2]):
        size += one.size
        if chosen and (size > max_bytes or len(chosen) >= MAX_SEGMENTS):
            break
        chosen.append(one)
    return chosen


def _said(damage: Sequence[str] | None) -> str | None:
    if not damage:
        return None
    more = f" (and {len(damage) - 1} more)" if len(damage) > 1 else ""
    return damage[0][:_MAX_TOLD] + more


def _tell_changed(last: FoldList, landed: Iterable[Landed]) -> None:
    """Objects are created once, and every frame carries its checksum: this is for the operator to know."""
    wanted = {(one.spool, one.number): one.sha256 for one in last.segments}
    for one in landed:
        if hashlib.sha256(one.data).hexdigest() != wanted[one.spool, one.number]:
            _log.error("%s is not what fold %d listed; its whole frames are folded", one.path, last.number)
