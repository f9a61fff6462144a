"""The hours of one day, counted again with all labels that are known of their answers by now."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cloche.contract.model import Contract
from cloche.monitoring.quality.counting import TASKS, Answers, answers_of, tally
from cloche.monitoring.quality.cutting import cuts
from cloche.monitoring.quality.labels import HOUR_S, Log, key_columns
from cloche.monitoring.quality.table import Measured
from cloche.monitoring.reference import Reference
from cloche.prediction_log import layout
from cloche.prediction_log.homes import home
from cloche.prediction_log.joining import ANSWER_COLUMNS, Join, Place, Source, join

#: The whole is counted by five minutes, segments by the hour.
STEP_S: Final = 300
_ANSWERED: Final = 200
_HOUR: Final = dt.timedelta(seconds=HOUR_S)
_DAY: Final = dt.timedelta(days=1)
#: Clocks of hosts differ: a label may seem to be older than its answer.
_SLACK: Final = dt.timedelta(hours=1)
_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Loss:
    """What one label told that was new: of which version the answer was, how wrong, and when it was received."""

    version: int
    loss: float
    received_us: int


@dataclass(frozen=True, slots=True)
class Hours:
    """What was counted of some hours, and the losses that labels received after a moment told."""

    measured: list[Measured]
    losses: list[Loss]


def measure_hours(
    log: Log, hours: Sequence[int], reference_of: Callable[[int], Reference], *, since_us: int, now: float
) -> Hours:
    """
    Count the answers of *hours* (their first seconds since 1970, all of one day).

    Losses are of labels that were received after *since_us* and say something that was not known before.
    """
    contracts = {n: one for n, one in log.contracts().items() if one.output.task in TASKS}
    start, end = _at(min(hours)), _at(max(hours)) + _HOUR
    sources = _of_hours(log, contracts, start, end, hours)
    if not sources:
        return Hours([], [])
    ids = {one for source in sources for name in _IDS for one in source.table.column(name).to_pylist() if one}
    labels = log.reader.labels(log.model, since=start - _SLACK, about=ids, landed=False)
    found = join([*sources, *_later(log, contracts, sources, labels, end, now)], labels, horizon=log.horizon)
    measured: list[Measured] = []
    losses: list[Loss] = []
    for source in sources:
        for version, rows in _by_version(source.table):
            reference = reference_of(version)
            answers = _answers(rows, source.contract, found, reference)
            measured += _counted(rows, answers, version, reference)
            losses += _losses(rows, answers, version, found, since_us)
    return Hours(measured, sorted(losses, key=lambda one: one.received_us))


_IDS: Final = ("request_id", "client_request_id")
_COLUMNS: Final = (*ANSWER_COLUMNS, "version", "prediction", "probabilities")


def _of_hours(
    log: Log, contracts: dict[int, Contract], start: dt.datetime, end: dt.datetime, hours: Sequence[int]
) -> list[Source]:
    """The answers of those hours, with all that is counted of them."""
    arrow = home("arrow")
    found = []
    for number, contract in contracts.items():
        columns = {*_COLUMNS, *key_columns(contract), *_segment_columns(contract)}
        table = log.reader.answers(log.model, contract=number, since=start, until=end, columns=columns, landed=False)
        hour = arrow.whole_of(table, "time") // (HOUR_S * _US) * HOUR_S
        answered = (arrow.whole_of(table, "status") == _ANSWERED) & (arrow.whole_of(table, "row") >= 0)
        table = table.filter(arrow.mask(np.isin(hour, list(hours)) & answered))
        if table.num_rows and "prediction" in table.column_names:
            found.append(Source(table, contract))
    return found


def _segment_columns(contract: Contract) -> Iterator[str]:
    for one in contract.fields:
        if one.role == "context":
            yield layout.column("ctx", one.name)
        elif one.role == "input" and one.type in ("category", "boolean"):
            yield layout.column("in", one.name)


def _later(
    log: Log, contracts: dict[int, Contract], sources: Sequence[Source], labels: Any, end: dt.datetime, now: float
) -> Iterator[Source]:
    """Answers with the same keys that came after: a label by key is about the last one before its event."""
    if labels.column("label_key").null_count == labels.num_rows:
        return
    arrow = home("arrow")
    day, last = end, min(end + log.horizon, _at(now) + _DAY)
    while day < last:
        for source in log.sources(contracts, day, min(day + _DAY, last)):
            names = key_columns(source.contract)
            held = [one for one in sources if set(names) <= set(one.table.column_names)]
            if names and held and set(names) <= set(source.table.column_names):
                rows = arrow.with_values(source.table, names[0], [one.table.column(names[0]) for one in held])
                yield Source(rows, source.contract)
        day += _DAY


def _by_version(table: Any) -> Iterator[tuple[int, Any]]:
    arrow = home("arrow")
    versions = arrow.whole_of(table, "version")
    for version in np.unique(versions).tolist():
        yield version, table.filter(arrow.mask(versions == version))


def _answers(rows: Any, contract: Contract, found: Join, reference: Reference) -> Answers:
    truths = [found.truths.get(one) for one in _places(rows)]
    centre = reference.number.mean if reference.number is not None else None
    return answers_of(rows, contract.output, truths, centre or 0.0)


def _places(rows: Any) -> Iterator[Place]:
    columns = zip(rows.column("request_id").to_pylist(), rows.column("row").to_pylist(), strict=True)
    return (Place(request, row) for request, row in columns)


def _counted(rows: Any, answers: Answers, version: int, reference: Reference) -> Iterator[Measured]:
    at = home("arrow").whole_of(rows, "time") // _US
    step, hour = at // STEP_S * STEP_S, at // HOUR_S * HOUR_S
    for start in np.unique(step).tolist():
        yield Measured(start, STEP_S, version, "", "", tally(answers, np.flatnonzero(step == start)))
    for cut in cuts(reference):
        places = cut.places(rows)
        if places is None:
            continue
        keys = hour * len(cut.labels) + places
        for key in np.unique(keys).tolist():
            start, place = divmod(key, len(cut.labels))
            one = tally(answers, np.flatnonzero(keys == key))
            yield Measured(start, HOUR_S, version, cut.field, cut.labels[place], one)


def _losses(rows: Any, answers: Answers, version: int, found: Join, since_us: int) -> Iterator[Loss]:
    """A correction says something new too; the same label again does not."""
    news = {
        one.place: one.label.received_us
        for one in found.outcomes
        if one.place is not None and one.fate == "attached" and one.label.received_us > since_us
    }
    if not news:
        return
    for place, loss in zip(_places(rows), answers.losses().tolist(), strict=True):
        received = news.get(place)
        if received is not None and loss == loss:
            yield Loss(version, loss, received)


def _at(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
