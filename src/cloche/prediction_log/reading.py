"""
Reading the log: its tables, and the segments that landed and are not folded yet, each row once.

The order makes it so: the last fold list, then the landed segments, then the tables. What a table's own fold number
covers is left out of the landed rows; what it does not cover cannot be in the table.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from cloche.ids import ALPHABET, LENGTH
from cloche.prediction_log import fold_lists, layout, segments, waiting
from cloche.prediction_log.erasures import Erased
from cloche.prediction_log.fold_lists import FoldList
from cloche.prediction_log.homes import home
from cloche.store import Store

_CONTRACT = re.compile(r"contract=(\d+)")
_ID = re.compile(f"[{ALPHABET}]{{{LENGTH}}}")
_FIELDS = ("in_", "key_", "ctx_", "hash_", "bin_")
#: No id of ours is older; what seems to be is a client's own of the same shape.
_FIRST_MS = 1_577_836_800_000

#: How far back from the last answer the newest ones are looked for, step by step.
_NEWEST_BACK = (timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))


@dataclass(frozen=True, slots=True)
class _Pending:
    """What had landed at a moment, by segment, and the last fold list before it."""

    last: FoldList | None
    landed: Sequence[tuple[waiting.Waiting, Any]]  #: with its parts, by the path of their table


class LogReader:
    """
    Answers and labels of a store's log, as `pyarrow` tables.

    `landed=True` also gives the rows of landed segments that no fold took in yet. Rows come in no promised order.

    Raises (every method):
        MissingExtraError: the extra `monitor` is not installed.
        StoreError: the store or a table cannot be read.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def models(self) -> list[str]:
        """The models with a table of answers or of labels, or with landed rows, sorted."""
        named = [name for name in self._store.folders(layout.LOG) if self._has_tables(name)]
        return sorted({*named, *(_model_of(path) for path in self._landed_paths())} - {""})

    def contracts(self, model: str) -> list[int]:
        """The contracts under which *model* answered, sorted."""
        folders = self._store.folders(f"{layout.LOG}/{model}")
        landed = (path.rpartition("/")[2] for path in self._landed_paths() if _model_of(path) == model)
        return sorted({int(found[1]) for found in map(_CONTRACT.fullmatch, (*folders, *landed)) if found})

    def answers(
        self,
        model: str,
        *,
        contract: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        request_ids: Collection[str] | None = None,
        columns: Collection[str] | None = None,
        landed: bool = True,
    ) -> Any:
        """
        The logged rows of *model* whose request came in [*since*, *until*), aware moments.

        *request_ids* are ids of ours or the callers' own; *columns* are names as in docs/reference/log.md, unknown
        ones are left out. A table without rows has the columns that every table has.
        """
        arrow = home("arrow")
        pending = self._pending() if landed else None
        numbers = [contract] if contract is not None else self._contracts(model, pending)
        within = arrow.between("time", since, until)
        tables = [arrow.ANSWERS.empty_table()]
        for number in numbers:
            found = self._rows(layout.answers(model, number), pending, within, columns, request_ids)
            tables += [found] if found is not None else []
        whole = arrow.unified(tables)
        return whole if columns is None else whole.select([name for name in whole.column_names if name in columns])

    def labels(
        self,
        model: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        about: Collection[str] | None = None,
        landed: bool = True,
    ) -> Any:
        """
        The labels of *model* that were received in [*since*, *until*), as they came; with *about* those by key, and
        those of answers with these ids.
        """
        arrow = home("arrow")
        pending = self._pending() if landed else None
        within = arrow.between("received", since, until)
        within = within if about is None else arrow.both(within, arrow.about(about))
        found = self._rows(layout.labels(model), pending, within, None, None)
        names = [name for name in arrow.LABELS.names if name != "date"]
        return (arrow.LABELS.empty_table() if found is None else found).select(names)

    def requests(self, *, since: datetime | None = None, until: datetime | None = None, landed: bool = True) -> Any:
        """The requests that reached no model."""
        arrow = home("arrow")
        pending = self._pending() if landed else None
        found = self._rows(layout.UNKNOWN, pending, arrow.between("time", since, until), None, None)
        return arrow.REQUESTS.empty_table() if found is None else found

    def chunks(
        self, model: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> tuple[Mapping[str, Any], Iterator[Any]]:
        """The same rows as `answers`, some at a time; first the type of each column that any of them has."""
        arrow, tables = home("arrow"), home("delta").LogTable
        pending = self._pending()
        within = arrow.between("time", since, until)
        opened, parts = [], []
        for number in self._contracts(model, pending):
            path = layout.answers(model, number)
            table = tables.open(self._store, path)
            opened += [table] if table is not None else []
            unfolded = self._unfolded(path, pending, table.folded if table is not None else 0)
            parts += [arrow.logical(arrow.chosen(part.rows, within)) for part in unfolded]
        types = arrow.common_types((*(table.schema for table in opened), *(part.schema for part in parts)))

        def rows() -> Iterator[Any]:
            for table in opened:
                yield from (arrow.logical(arrow.table_of(batch)) for batch in table.batches(within))
            yield from parts

        return types, rows()

    def newest(self, model: str, n: int, columns: Collection[str]) -> Any:
        """
        The last *n* folded answers of *model* (`time` and `row` are among the *columns*), the oldest first; fewer where
        the day before the last one had no more. What is held at a time does not grow with the log.
        """
        arrow, tables = home("arrow"), home("delta").LogTable
        opened = [tables.open(self._store, layout.answers(model, one)) for one in self._contracts(model, None)]
        held = [one for one in opened if one is not None]
        latest = max((at for at in (one.latest() for one in held) if at is not None), default=None)
        rows = arrow.ANSWERS.empty_table()
        for back in _NEWEST_BACK:
            if latest is None or rows.num_rows >= n:
                break
            wanted = arrow.answered_since(latest - back)
            rows = arrow.unified(
                [arrow.ANSWERS.empty_table(), *(_newest(arrow, one, wanted, n, columns) for one in held)]
            )
        whole = arrow.newest([rows], n)
        return whole.select([name for name in whole.column_names if name in columns])

    def fields(self, model: str) -> list[str]:
        """The names of the fields and keys that any logged row or label of *model* has, sorted."""
        types, _ = self.chunks(model)
        named = {layout.field_of(name)[1] for name in types if name.startswith(_FIELDS)}
        keys = self.labels(model).column("label_key").to_pylist()
        return sorted(named.union(*(msgspec.json.decode(text) for text in set(keys) if text is not None)))

    # -- one table ------------------------------------------------------------------------------

    def _rows(
        self,
        path: str,
        pending: _Pending | None,
        within: Any,
        columns: Collection[str] | None,
        ids: Collection[str] | None,
    ) -> Any:
        """The rows of the table at *path*, folded and landed; None where there are none."""
        arrow = home("arrow")
        table = home("delta").LogTable.open(self._store, path)
        found = []
        if table is not None:
            found.append(arrow.logical(_folded(arrow, table, within, columns, ids)))
        if pending is not None:
            wanted = arrow.both(within, None if ids is None else arrow.of_ids(ids))
            parts = list(self._unfolded(path, pending, table.folded if table is not None else 0))
            found += [_selected(arrow, arrow.chosen(part.rows, wanted), columns) for part in parts]
        return arrow.unified(found) if found else None

    def _unfolded(self, path: str, pending: _Pending, folded: int) -> Iterator[Any]:
        """The landed parts of the table at *path* that a table with the folds up to *folded* does not hold."""
        known = self._known(pending.last, folded)
        for segment, parts in pending.landed:
            if not known(segment.spool, segment.number):
                yield from parts.get(path, ())

    def _known(self, last: FoldList | None, folded: int) -> Any:
        if last is not None and folded < last.number:
            return last.had_before  # the last fold is not in this table (yet, or it holds none of its rows)
        if folded and (last is None or folded > last.number):
            last = fold_lists.read(self._store, folded)  # folded since; its list is new
        return last.has if last is not None else lambda _spool, _number: False

    # -- what is landed -------------------------------------------------------------------------

    def _pending(self) -> _Pending:
        last = fold_lists.latest(self._store)
        erased = Erased.read(self._store)
        found = []
        for one in waiting.waiting(self._store):
            for segment in waiting.read(self._store, (one,)):  # none, where it was folded since
                building = home("arrow").Building([])
                building.add(segments.salvaged(segment.data, segment.path, []), segment.path)
                found.append((one, erased.dropped(building.done())))
        return _Pending(last, found)

    def _landed_paths(self) -> set[str]:
        return {path for _, parts in self._pending().landed for path in parts}

    def _contracts(self, model: str, pending: _Pending | None) -> list[int]:
        paths = {f"{layout.LOG}/{model}/{folder}" for folder in self._store.folders(f"{layout.LOG}/{model}")}
        if pending is not None:
            paths |= {path for _, parts in pending.landed for path in parts if _model_of(path) == model}
        return sorted({int(found[1]) for found in map(_CONTRACT.fullmatch, _last(paths)) if found})

    def _has_tables(self, name: str) -> bool:
        if name.startswith("_"):
            return False
        folders = self._store.folders(f"{layout.LOG}/{name}")
        return any(folder == "labels" or _CONTRACT.fullmatch(folder) for folder in folders)


def _folded(arrow: Any, table: Any, within: Any, columns: Collection[str] | None, ids: Collection[str] | None) -> Any:
    known = arrow.types_of(table.schema)
    names = None if columns is None else arrow.physical(known, columns)
    if ids is None:
        return table.read(names, within)
    read = None if names is None else [*names, *sorted({"request_id", "client_request_id"} - set(names))]
    days = {one: day for one in ids if (day := date_of(one)) is not None}
    quick = table.read(read, arrow.both(within, arrow.of_ids(days, dates=set(days.values()))))
    met = set(quick.column("request_id").to_pylist())
    rest = set(ids) - met  # callers' own, which say no day
    if not rest:
        return quick
    return arrow.joined([quick, table.read(read, arrow.both(within, arrow.of_ids(rest, but=met)))])


def _newest(arrow: Any, table: Any, wanted: Any, n: int, columns: Collection[str]) -> Any:
    names = arrow.physical(arrow.types_of(table.schema), columns)
    kept: list[Any] = []
    for batch in table.batches(wanted, names):
        kept = [arrow.newest([*kept, arrow.table_of(batch)], n)]
    return arrow.logical(kept[0]) if kept else arrow.ANSWERS.empty_table()


def _selected(arrow: Any, rows: Any, columns: Collection[str] | None) -> Any:
    rows = arrow.logical(rows)
    return rows if columns is None else rows.select([name for name in rows.column_names if name in columns])


def date_of(request_id: str) -> str | None:
    """The UTC day inside an id of ours; None for other texts."""
    if not _ID.fullmatch(request_id):
        return None
    number = 0
    for character in request_id:
        number = number * 32 + ALPHABET.index(character)
    milliseconds = number >> (5 * LENGTH - 48)
    if not _FIRST_MS <= milliseconds < 2 * _FIRST_MS:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).date().isoformat()


def _model_of(path: str) -> str:
    """The model of a table's path; empty for the table of requests that reached none."""
    parts = path.split("/")
    return parts[1] if len(parts) == 3 else ""


def _last(paths: Iterable[str]) -> list[str]:
    return [path.rpartition("/")[2] for path in paths]
