"""
Labels joined to answers as they come: which hours of answers are touched by what is new.

How many labels each day brought is remembered: a merge of small files changes no such count, a label that was folded
late does. Answers are read a day at a time, so that memory does not grow with history.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cloche.contract.model import Contract
from cloche.monitoring.quality.state import Dirty, State
from cloche.prediction_log import layout
from cloche.prediction_log.homes import home
from cloche.prediction_log.joining import ANSWER_COLUMNS, LabelRow, Source, join_rows, label_rows
from cloche.prediction_log.reading import LogReader, date_of
from cloche.store import Store

HOUR_S: Final = 3_600
_DAY: Final = dt.timedelta(days=1)
_US: Final = 1_000_000
#: Answers to which a label by the caller's own id may belong, before it was received.
FAR: Final = dt.timedelta(days=92)
#: Labels that belonged to no answer are looked at again for so long: their answers may be folded later.
AGAIN: Final = dt.timedelta(days=1)
_MAX_UNMATCHED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Log:
    """The log of one model, as quality reads it."""

    store: Store
    model: str
    contract_of: Callable[[int], Contract]
    horizon: dt.timedelta
    reader: LogReader = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reader", LogReader(self.store))

    def contracts(self) -> dict[int, Contract]:
        """The contracts that have a table of answers."""
        names = self.store.folders(f"{layout.LOG}/{self.model}")
        numbers = (layout.answers_in(f"{layout.LOG}/{self.model}/{name}") for name in names)
        return {one[1]: self.contract_of(one[1]) for one in numbers if one is not None}

    def sources(
        self,
        contracts: Mapping[int, Contract],
        since: dt.datetime,
        until: dt.datetime,
        *,
        ids: Collection[str] | None = None,
        columns: Collection[str] = (),
    ) -> list[Source]:
        """What joining reads of the answers of a time, and *columns*."""
        found = []
        for number, contract in contracts.items():
            table = self.reader.answers(
                self.model,
                contract=number,
                since=since,
                until=until,
                request_ids=ids,
                columns={*ANSWER_COLUMNS, *key_columns(contract), *columns},
                landed=False,
            )
            if table.num_rows:
                found.append(Source(table, contract))
        return found


def key_columns(contract: Contract) -> list[str]:
    """The log's columns of key fields."""
    keys = [one for one in contract.fields if one.role == "key"]
    return [layout.column("hash" if one.private else "key", one.name) for one in keys]


def take_in(log: Log, state: State, now: float, *, again: bool = False) -> bool:
    """
    Find the answers of labels that came since *state*, and mark their hours in it; whether there was anything new.

    One day of labels at a time, the oldest first: what is left is taken in by the next call. With *again* those that
    belonged to no answer yet are looked at once more.
    """
    table = home("delta").LogTable.open(log.store, layout.labels(log.model))
    counts: dict[str, int] = {} if table is None else table.rows_by_date()
    for date in sorted(counts):
        known = state.labels.get(date, 0)
        if counts[date] <= known:  # fewer: a person was erased
            state.labels[date] = counts[date]
            continue
        _take(log, state, _new_of(log, state, date, counts[date] - known), now)
        state.labels[date] = counts[date]
        return True
    return again and _again(log, state, now)


def _new_of(log: Log, state: State, date: str, n: int) -> list[LabelRow]:
    """The *n* labels of a day that were not looked at: those after the last one, or, where that is not so, all."""
    start = moment(date)
    after = dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(microseconds=state.until_us + 1)
    since = max(start, after)
    if since < start + _DAY:
        fresh = log.reader.labels(log.model, since=since, until=start + _DAY, landed=False)
        if fresh.num_rows == n:
            return list(label_rows(fresh))
    return list(label_rows(log.reader.labels(log.model, since=start, until=start + _DAY, landed=False)))


def _again(log: Log, state: State, now: float) -> bool:
    """Look once more for the answers of labels that had none."""
    waiting = [one for one in state.unmatched if now - one / _US <= AGAIN.total_seconds()]
    state.unmatched = []
    if not waiting:
        return False
    since = dt.datetime.fromtimestamp(min(waiting) / _US, dt.UTC)
    until = dt.datetime.fromtimestamp(max(waiting) / _US, dt.UTC) + dt.timedelta(microseconds=1)
    wanted = set(waiting)
    labels = label_rows(log.reader.labels(log.model, since=since, until=until, landed=False))
    return _take(log, state, [one for one in labels if one.received_us in wanted], now, far=2 * _DAY)


def _take(log: Log, state: State, labels: Sequence[LabelRow], now: float, *, far: dt.timedelta = FAR) -> bool:
    touched, unmatched = located(log, labels, far)
    for second in sorted(touched):
        date = dt.datetime.fromtimestamp(second, dt.UTC).date().isoformat()
        dirty = state.dirty.setdefault(date, Dirty([], state.until_us))
        if second not in dirty.hours:
            dirty.hours.append(second)
    recent = {one.received_us for one in unmatched if now - one.received_us / _US <= AGAIN.total_seconds()}
    state.unmatched = sorted({*state.unmatched, *recent})[-_MAX_UNMATCHED:]
    state.until_us = max([state.until_us, *(one.received_us for one in labels)])
    return bool(touched)


def located(log: Log, labels: Sequence[LabelRow], far: dt.timedelta = FAR) -> tuple[set[int], list[LabelRow]]:
    """The hours (their first seconds) of the answers that *labels* are about, and the labels that are about none."""
    touched: set[int] = set()
    contracts = log.contracts()
    left = list(labels)
    for day in _days(left, log.horizon, far):
        wanted = [one for one in left if _may_be(one, day)]
        if not wanted:
            continue
        ids = None if any(one.key is not None for one in wanted) else {one.id for one in wanted if one.id is not None}
        sources = log.sources(contracts, day, day + _DAY, ids=ids)
        if not sources:
            continue
        times = dict(_times(sources))
        found = join_rows(sources, wanted, horizon=log.horizon)
        touched |= {
            times[one.place.request_id] // _US // HOUR_S * HOUR_S
            for one in found.outcomes
            if one.place is not None and one.fate != "invalid"
        }
        settled = {id(one.label) for one in found.outcomes if one.fate != "unmatched"}
        left = [one for one in left if id(one) not in settled]
        if not left:
            break
    return touched, left


def _days(labels: Sequence[LabelRow], horizon: dt.timedelta, far: dt.timedelta) -> Iterator[dt.datetime]:
    """The days that may hold the answers, the last one first."""
    if not labels:
        return
    last = max(max(one.event_us, one.received_us) for one in labels)
    first = min(min(one.event_us, one.received_us) for one in labels)
    back = far if any(one.key is None for one in labels) else min(far, horizon)
    own = [date for one in labels if one.id is not None and (date := date_of(one.id)) is not None]
    until = dt.datetime.fromtimestamp(first / _US, dt.UTC) - back
    until = min([until, *(moment(date) - _DAY for date in own)])
    day = moment(dt.datetime.fromtimestamp(last / _US, dt.UTC).date().isoformat())
    while day + _DAY > until:
        yield day
        day -= _DAY


def _may_be(label: LabelRow, day: dt.datetime) -> bool:
    """An id of ours says its day, or nearly; a key belongs to an answer before the event."""
    if label.id is not None:
        date = date_of(label.id)
        return date is None or abs(moment(date) - day) <= _DAY
    return label.event_us / _US >= day.timestamp()


def _times(sources: Sequence[Source]) -> Iterator[tuple[str, int]]:
    for source in sources:
        times = home("arrow").whole_of(source.table, "time")
        yield from zip(source.table.column("request_id").to_pylist(), times.tolist(), strict=True)


def moment(date: str) -> dt.datetime:
    """The beginning of a day, UTC."""
    return dt.datetime.fromisoformat(date).replace(tzinfo=dt.UTC)
