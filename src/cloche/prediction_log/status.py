"""What the log of a store holds and what waits, for people."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from cloche.prediction_log import erasures, fold_lists, landing, layout, lease, upkeep, waiting
from cloche.prediction_log.spool import Spool
from cloche.store import Store


@dataclass(frozen=True, slots=True)
class TableStatus:
    """One table: how many rows, files and bytes, and the last fold that is in it."""

    path: str
    model: str | None
    contract: int | None
    rows: int
    files: int
    bytes: int
    fold: int


@dataclass(frozen=True, slots=True)
class LogStatus:
    """Landed segments that wait, the last fold, who folds, what is damaged, and the tables."""

    waiting: int
    waiting_bytes: int
    fold: int
    folded_at: str | None
    folded_by: str | None
    holder: str | None
    damaged: int
    spools: int
    erasures: int
    unfinished_erasures: int
    tables: tuple[TableStatus, ...]
    spool: str | None = None
    spool_waiting: int | None = None


def status(store: Store, model: str | None = None, *, spool: Spool | None = None) -> LogStatus:
    """
    The state of the log, or of one model's; *spool* is this host's.

    Raises:
        MissingExtraError: the extra `monitor` is not installed.
    """
    last = fold_lists.latest(store)
    landed = waiting.waiting(store)
    fresh = [one for one in landed if last is None or not last.had_before(one.spool, one.number)]
    held = lease.current(store)
    now = dt.datetime.now(dt.UTC)
    begun, done = erasures.count(store)
    return LogStatus(
        waiting=len(fresh),
        waiting_bytes=sum(one.size for one in fresh),
        fold=last.number if last is not None else 0,
        folded_at=last.at if last is not None else None,
        folded_by=last.by if last is not None else None,
        holder=held.holder if held is not None and held.valid(now) else None,
        damaged=len(store.list(layout.DAMAGED)),
        spools=len(last.folded) if last is not None else 0,
        erasures=begun,
        unfinished_erasures=begun - done,
        tables=tuple(map(_table, upkeep.opened(store, model))),
        spool=str(spool.folder) if spool is not None else None,
        spool_waiting=landing.waiting(spool)[0] if spool is not None else None,
    )


def _table(table: Any) -> TableStatus:
    rows, size = table.rows_and_bytes()
    _, *inner = table.path.split("/")
    number = inner[-1].removeprefix("contract=") if inner[-1].startswith("contract=") else None
    return TableStatus(
        path=table.path,
        model=inner[0] if len(inner) == 2 else None,
        contract=None if number is None else int(number),
        rows=rows,
        files=len(table.files()),
        bytes=size,
        fold=table.folded,
    )
