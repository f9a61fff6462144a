"""
Erasing a person: every row of a model in which a field has one value, and every label about those rows.

The order: land and fold what waits, record the erasure (from then on no fold lets such rows in), write the days anew
that hold such rows (and the roll-ups of these days, without samples), then take away every old file and commit. A run
that was killed is simply made again.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from cloche.errors import LogRaceError, StoreError
from cloche.ids import RequestIds
from cloche.prediction_log import erasures, landing, layout, upkeep
from cloche.prediction_log.erasures import Done, Erasure
from cloche.prediction_log.folding import Folder
from cloche.prediction_log.homes import home
from cloche.prediction_log.privacy import hashed
from cloche.prediction_log.spool import Spool
from cloche.store import Store

_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class ErasedRows:
    """What an erasure took away, or would: rows, labels, objects of the store."""

    id: str
    rows: int
    labels: int
    objects: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be erased: the record that stays, and the texts that it is about, which do not."""

    record: Erasure
    texts: tuple[str, ...]


def wanted(model: str, field: str, value: str, *, by: str, why: str, hash_key: bytes | None) -> Wanted:
    """An erasure of now; *value* is the text of the value, *hash_key* that of private fields."""
    salt = secrets.token_hex(16)
    texts = (value,) if hash_key is None else (value, str(hashed(value, hash_key)))
    record = Erasure(
        id=RequestIds().new(),
        model=model,
        field=field,
        salt=salt,
        digests=erasures.digests_of(salt, texts),
        by=by,
        at=_now(),
        why=why,
    )
    return Wanted(record, texts)


def find(store: Store, record: Erasure) -> ErasedRows:
    """What `erase` would take from the tables; nothing is written."""
    gone: set[str] = set()
    rows = labels = 0
    for table in _answers(store, record):
        found = _met(table, record)
        gone |= found.answers
        rows += sum(found.days.values())
    for table in _labels(store, record):
        labels += sum(_met_labels(table, record, frozenset(gone)).values())
    return ErasedRows(record.id, rows, labels)


def erase(store: Store, wanted: Wanted, *, spool: Spool | None = None) -> ErasedRows:
    """
    Take it away from the store, and from *spool* of this host.

    Segments of *spool* are landed and folded; what a running server is still writing goes when it lands.

    Raises:
        MissingExtraError: the extra `monitor` is not installed.
        StoreError: the store or a table cannot be read or written; asked for again, it is done from the beginning.
    """
    record = wanted.record
    if spool is not None:
        landing.land(spool, store)
    Folder(store, record.by).all()  # before the record: what is in the tables is counted
    erasures.begin(store, record)
    Folder(store, record.by).all()
    gone: set[str] = set()
    rows = labels = 0
    for table in _answers(store, record):
        found = _met(table, record)
        gone |= found.answers
        rows += sum(found.days.values())
        _rewrite(store, layout.rollups(record.model), found.days, _unsampled)  # first: what is killed begins anew
        _rewrite(store, table.path, found.days, partial(_left, record=record, gone=frozenset()))
    for table in _labels(store, record):
        days = _met_labels(table, record, frozenset(gone))
        labels += sum(days.values())
        _rewrite(store, table.path, days, partial(_left, record=record, gone=frozenset(gone)))
    objects = _scrub(store, record)
    erasures.end(store, Done(id=record.id, at=_now(), rows=rows, labels=labels, answers=tuple(sorted(gone))))
    for one in erasures.unfinished(store):
        if (one.model, one.field) == (record.model, record.field) and any(map(one.matches, wanted.texts)):
            erasures.end(store, Done(id=one.id, at=_now(), rows=0, labels=0))  # begun, killed, done by this one
    return ErasedRows(record.id, rows, labels, objects)


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat()


# -- what is met -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Met:
    days: dict[str, int]  #: rows by day
    answers: set[str]  #: digests of their names, see `Done.answers`


def _answers(store: Store, record: Erasure) -> Iterator[Any]:
    tables = (table for table in upkeep.opened(store) if record.concerns(table.path))
    return (table for table in tables if table.path != layout.labels(record.model))


def _labels(store: Store, record: Erasure) -> Iterator[Any]:
    return (table for table in upkeep.opened(store, record.model) if table.path == layout.labels(record.model))


def _met(table: Any, record: Erasure) -> _Met:
    arrow = home("arrow")
    held = arrow.physical(arrow.types_of(table.schema), record.columns)
    days: dict[str, int] = defaultdict(int)
    answers: set[str] = set()
    for batch in table.batches(columns=list(dict.fromkeys(("date", "time", *erasures.NAMING, *held)))):
        rows = arrow.table_of(batch)
        numbers = erasures.Erased.numbers(record, rows)
        for one in arrow.picked(rows, numbers, ("date", *erasures.NAMING)):
            days[one["date"]] += 1
            answers |= {record.digest(name) for name in erasures.names(one)}
    return _Met(dict(days), answers)


def _met_labels(table: Any, record: Erasure, gone: frozenset[str]) -> dict[str, int]:
    arrow = home("arrow")
    days: dict[str, int] = defaultdict(int)
    for batch in table.batches():
        rows = arrow.table_of(batch)
        for one in arrow.picked(rows, erasures.label_numbers(arrow, record, rows, gone), ("date",)):
            days[one["date"]] += 1
    return dict(days)


# -- taking away -----------------------------------------------------------------------------------


def _rewrite(store: Store, path: str, days: Collection[str], left: Callable[[Any, str], Any]) -> None:
    """Let *left* (a reader of what stays, from a table and a day) be all that the table holds of *days*."""
    for day in sorted(days):
        for _ in range(_ATTEMPTS):
            table = home("delta").LogTable.open(store, path)
            if table is None or day not in table.dates():
                break
            try:
                table.replace(day, left(table, day))
                break
            except LogRaceError:
                continue
        else:
            raise StoreError(f"store {store.describe()}: {path}: others write too often; erase again")


def _unsampled(table: Any, day: str) -> Any:
    """A reader of the roll-ups of a day, without samples: nobody knows which of their rows were of whom."""
    arrow = home("arrow")
    return arrow.reader(table.schema, map(arrow.without_samples, table.batches(arrow.on_day(day))))


def _left(table: Any, day: str, *, record: Erasure, gone: frozenset[str]) -> Any:
    """A reader of what stays of a day."""
    arrow = home("arrow")
    labels = table.path == layout.labels(record.model)

    def kept() -> Iterator[Any]:
        for batch in table.batches(arrow.on_day(day)):
            rows = arrow.table_of(batch)
            if labels:
                numbers = erasures.label_numbers(arrow, record, rows, gone)
            else:
                numbers = erasures.Erased.numbers(record, rows)
            yield from arrow.without(rows, numbers).to_batches()

    return arrow.reader(table.schema, kept())


def _scrub(store: Store, record: Erasure) -> int:
    """Old files and commits of the tables, and damaged segments, of which nobody can say what they hold."""
    objects = 0
    for table in upkeep.opened(store, counted=True):
        if record.concerns(table.path):
            objects += table.scrub(record.id)
    for path in store.list(layout.DAMAGED):
        store.delete(path)
        objects += 1
    return objects
