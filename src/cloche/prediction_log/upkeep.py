"""
Keeping the tables small: few files, no old ones, no old rows.

Nothing here changes what a reader sees but `retain` and `purge`. A table that did not change since is not touched, so
that a store at rest stays at rest.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from cloche.errors import LogRaceError
from cloche.prediction_log import layout
from cloche.prediction_log.homes import home
from cloche.store import Store

_log = logging.getLogger("cloche.log")
_T = TypeVar("_T")
_ATTEMPTS = 20
#: What was merged in one hour can be taken away in the next: a table is at rest after some in which nothing happened.
_IDLE = 2
Seen = dict[str, tuple[int, int]]
#: Files that were merged stay for readers that began before.
SAFE_H: Final = 1


@dataclass(frozen=True, slots=True)
class Compacted:
    """What became of one table: files merged, and files taken away."""

    path: str
    merged: int
    removed: int


def tables(store: Store, model: str | None = None, *, counted: bool = False) -> list[str]:
    """The paths of the log's tables, or of one model's; with *counted* those of counts too, which hold no rows."""
    names = [model] if model is not None else store.folders(layout.LOG)
    found = [f"{layout.LOG}/{name}/{one}" for name in names if name[0] != "_" for one in store.folders(_folder(name))]
    wanted = [path for path in found if path.endswith("/labels") or "/contract=" in path]
    wanted += [path for path in found if counted and path.endswith(("/rollups", "/quality"))]
    return [*wanted, *([layout.UNKNOWN] if model is None else [])]


def opened(store: Store, model: str | None = None, *, counted: bool = False) -> Iterator[Any]:
    """Those tables, opened one after the other."""
    for path in tables(store, model, counted=counted):
        table = home("delta").LogTable.open(store, path)
        if table is not None:
            yield table


def compact(store: Store, model: str | None = None, *, seen: Seen | None = None) -> list[Compacted]:
    """
    Merge small files, and take away what nothing refers to since an hour.

    *seen* says of which tables nothing was to be done, at which version and how often: for whoever comes every hour.
    """
    done = []
    for table in opened(store, model, counted=True):
        version, idle = (seen or {}).get(table.path, (-1, 0))
        if version == table.version and idle >= _IDLE:
            continue
        merged = _again(store, table.path, lambda one: one.compact())
        removed = _again(store, table.path, lambda one: one.clean(SAFE_H))
        done.append(Compacted(table.path, merged or 0, removed or 0))
        if seen is not None:
            still = version == table.version and not merged and not removed
            seen[table.path] = (table.version, idle + 1 if still else 0)
    return done


def retain(store: Store, days: float, now: dt.datetime) -> int:
    """Take the days away that ended more than *days* ago; how many files that were."""
    date = (now.astimezone(dt.UTC) - dt.timedelta(days=days)).date().isoformat()
    return sum(_again(store, table.path, lambda one: one.delete_before(date)) or 0 for table in opened(store))


def purge(store: Store, model: str, before: dt.datetime) -> int:
    """Take the rows of *model* away that are from before *before*, labels by when they came; how many rows."""
    rows = 0
    for table in opened(store, model):
        moment = "received" if table.path == layout.labels(model) else "time"
        rows += _again(store, table.path, partial(_purge, moment=moment, before=before)) or 0
    return rows


def _purge(table: Any, *, moment: str, before: dt.datetime) -> int:
    """Whole days by their names; the day in which the moment lies is written anew."""
    arrow = home("arrow")
    date = before.astimezone(dt.UTC).date().isoformat()
    held, _ = table.rows_and_bytes()
    table.delete_before(date)
    if date in table.dates():
        wanted = arrow.on_day(date) & arrow.between(moment, before, None)
        table.replace(date, arrow.reader(table.schema, table.batches(wanted)))
    left, _ = table.rows_and_bytes()
    return int(held - left)


def _again(store: Store, path: str, work: Callable[[Any], _T]) -> _T | None:
    """*work* on the table as it is now, again where somebody committed meanwhile; None where it never came to it."""
    for _ in range(_ATTEMPTS):
        table = home("delta").LogTable.open(store, path)
        if table is None:
            return None
        try:
            return work(table)
        except LogRaceError:
            continue
    _log.warning("%s: others write too often; it is tried again later", path)
    return None


def _folder(name: str) -> str:
    return f"{layout.LOG}/{name}"
