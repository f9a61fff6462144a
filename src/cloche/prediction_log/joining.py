"""
Which answer each label is about: by request id, by the client's own, or by key within a horizon.

Pure: tables in, tables out. A label by key belongs to the last answer with that key before its event time, not longer
before than the horizon. For one row the label that was received last holds; the same again is no correction.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec

from cloche.contract.model import Contract, Field
from cloche.prediction_log import layout
from cloche.prediction_log.privacy import text_of
from cloche.prediction_log.truths import InvalidLabel, truth_of

DEFAULT_HORIZON = timedelta(days=30)
#: What `join` reads of answers, beside the columns of key fields, and of labels.
ANSWER_COLUMNS = ("request_id", "client_request_id", "row", "rows", "time", "status")
LABEL_COLUMNS = ("label", "label_time", "event_time", "label_status")
Fate = Literal["attached", "duplicate", "corrected", "unmatched", "ambiguous", "invalid"]
_ANSWERED = 200
_OF_ROWS = ("request_id", "row", "rows", "status")


class Place(NamedTuple):
    """A row of an answered request."""

    request_id: str
    row: int


@dataclass(frozen=True, slots=True)
class Source:
    """The answers of one contract: a pyarrow Table with `ANSWER_COLUMNS` and key columns, as `LogReader` gives it."""

    table: Any
    contract: Contract


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of one label; `why` where it belongs to no row.

    "corrected": a later label took its place. `late`: received later than the horizon after the answer.
    """

    label: LabelRow
    fate: Fate
    place: Place | None = None
    why: str | None = None
    late: bool = False


@dataclass(frozen=True, slots=True)
class Truth:
    """The label that holds for a row; times are microseconds since 1970."""

    value: Any
    received_us: int
    event_us: int
    status: Literal["labelled", "late", "corrected"]


@dataclass(frozen=True, slots=True)
class Join:
    """The truths by row of the log, and what became of every label, in the order they were received."""

    truths: Mapping[Place, Truth]
    outcomes: Sequence[Outcome]

    def counts(self) -> dict[str, int]:
        """Labels by fate, how many came late, and how many rows have one."""
        fates = Counter(one.fate for one in self.outcomes)
        names: tuple[Fate, ...] = ("attached", "duplicate", "corrected", "unmatched", "ambiguous", "invalid")
        late = sum(one.late for one in self.outcomes)
        return {"labels": len(self.outcomes), "rows": len(self.truths), **{n: fates[n] for n in names}, "late": late}


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A label as it came."""

    received_us: int
    event_us: int
    label: Any
    id: str | None
    row: int | None
    key: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class _Answer:
    place: Place
    time_us: int
    rows: int
    source: int


@dataclass(slots=True)
class _Index:
    """The answers that some label may be about."""

    by_id: dict[str, list[_Answer]] = field(default_factory=lambda: defaultdict(list))
    failed: set[str] = field(default_factory=set)
    by_key: dict[tuple[tuple[str, str], ...], list[_Answer]] = field(default_factory=lambda: defaultdict(list))


def join(sources: Sequence[Source], labels: Any, *, horizon: timedelta = DEFAULT_HORIZON) -> Join:
    """Find the row that each label is about; *labels* is a pyarrow Table as `LogReader.labels` gives it."""
    return join_rows(sources, list(label_rows(labels)), horizon=horizon)


def join_rows(sources: Sequence[Source], labels: Sequence[LabelRow], *, horizon: timedelta = DEFAULT_HORIZON) -> Join:
    """The same, of labels as `label_rows` gives them; an outcome holds the very label that it is about."""
    rows = sorted(labels, key=lambda one: one.received_us)
    keys = [_key_fields(source.contract) for source in sources]
    index = _indexed(sources, rows, keys)
    contracts = [source.contract for source in sources]
    horizon_us = horizon // timedelta(microseconds=1)
    return _settled(_resolved(one, index, contracts, keys, horizon_us) for one in rows)


def joined(answers: Any, found: Join) -> Any:
    """
    *answers* (one contract's, a pyarrow Table) with the columns of `LABEL_COLUMNS` added.

    `label` has the type of `prediction` (JSON text for lists and objects), the times that of `time`;
    `label_status` is "labelled", "late" or "corrected", null where the row has no label.
    """
    places = zip(answers.column("request_id").to_pylist(), answers.column("row").to_pylist(), strict=True)
    truths = [None if row is None else found.truths.get(Place(request, row)) for request, row in places]
    shape = answers.select(["prediction", "time", "time", "request_id"]).rename_columns(list(LABEL_COLUMNS))
    values = {
        "label": [None if one is None else _cell(one.value) for one in truths],
        "label_time": [None if one is None else moment(one.received_us) for one in truths],
        "event_time": [None if one is None else moment(one.event_us) for one in truths],
        "label_status": [None if one is None else one.status for one in truths],
    }
    made = type(answers).from_pydict(values, schema=shape.schema)
    for name in LABEL_COLUMNS:
        answers = answers.append_column(made.schema.field(name), made.column(name))
    return answers


def moment(microseconds: int) -> datetime:
    """An aware moment in UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def _cell(value: Any) -> Any:
    return msgspec.json.encode(value).decode() if isinstance(value, list | dict) else value


# -- labels ------------------------------------------------------------------------------------------


def label_rows(table: Any) -> Iterator[LabelRow]:
    """The labels of a pyarrow Table as `LogReader.labels` gives it."""
    received = microseconds(table.column("received"))
    events = microseconds(table.column("event_time"))
    columns = [table.column(name).to_pylist() for name in ("label", "id", "row", "label_key")]
    for at, event, label, identity, row, key in zip(received, events, *columns, strict=True):
        assert at is not None
        yield LabelRow(
            received_us=at,
            event_us=at if event is None else event,
            label=None if label is None else msgspec.json.decode(label),
            id=identity,
            row=row,
            key=None if key is None else msgspec.json.decode(key),
        )


def microseconds(column: Any) -> list[int | None]:
    """A column of `timestamp[us]` as whole numbers: a datetime each would take ten times as long."""
    found: list[int | None] = column.cast("int64").to_pylist()
    return found


def _key_fields(contract: Contract) -> dict[str, Field]:
    return {one.name: one for one in contract.fields if one.role == "key"}


def _key_of(key: Mapping[str, Any], fields: Mapping[str, Field]) -> tuple[tuple[str, str], ...] | None:
    """The key as text, the same text as in the log; None where it is none of this contract."""
    if not key or not set(key) <= set(fields) or any(value is None for value in key.values()):
        return None
    return tuple(sorted((name, _text(value, fields[name])) for name, value in key.items()))


def _text(value: Any, one: Field) -> str:
    if one.type == "datetime" and isinstance(value, str) and not one.private:
        try:
            return text_of(datetime.fromisoformat(value))
        except ValueError:
            return value
    return text_of(value)


# -- answers -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rows:
    """The columns of a source as lists: only rows that some label may be about become answers."""

    source: int
    requests: list[str]
    rows: list[int | None]
    counts: list[int | None]
    statuses: list[int]
    times: list[int | None]

    @classmethod
    def of(cls, table: Any, source: int) -> _Rows:
        requests, rows, counts, statuses = (table.column(name).to_pylist() for name in _OF_ROWS)
        return cls(source, requests, rows, counts, statuses, microseconds(table.column("time")))

    def answer(self, place: int) -> _Answer | None:
        """The answer in a row of the table; None where the request got none."""
        row, at = self.rows[place], self.times[place]
        if row is None or at is None or self.statuses[place] != _ANSWERED:
            return None
        return _Answer(Place(self.requests[place], row), at, self.counts[place] or 1, self.source)


def _indexed(sources: Sequence[Source], labels: Sequence[LabelRow], keys: Sequence[Mapping[str, Field]]) -> _Index:
    ids = {one.id for one in labels if one.id is not None}
    index = _Index()
    for number, (source, fields) in enumerate(zip(sources, keys, strict=True)):
        wanted = {key for one in labels if one.key is not None and (key := _key_of(one.key, fields)) is not None}
        rows = _Rows.of(source.table, number)
        if ids:
            _index_ids(index, rows, source.table.column("client_request_id").to_pylist(), ids)
        for names in {tuple(name for name, _ in key) for key in wanted}:
            _index_keys(index, rows, _key_columns(source.table, names, fields), wanted)
    for found in index.by_key.values():
        found.sort(key=_when)
    return index


def _index_ids(index: _Index, rows: _Rows, clients: Sequence[str | None], ids: set[str]) -> None:
    for place, (request, client) in enumerate(zip(rows.requests, clients, strict=True)):
        if request not in ids and client not in ids:
            continue
        answer = rows.answer(place)
        for identity in {one for one in (request, client) if one is not None} & ids:
            if answer is None:
                index.failed.add(identity)
            else:
                index.by_id[identity].append(answer)


def _key_columns(table: Any, names: Sequence[str], fields: Mapping[str, Field]) -> list[tuple[str, list[Any]]] | None:
    """The values of each key field; None where the log holds one of them for no row."""
    columns = {name: layout.column("hash" if fields[name].private else "key", name) for name in names}
    if not set(columns.values()) <= set(table.column_names):
        return None
    return [(name, table.column(column).to_pylist()) for name, column in columns.items()]


def _index_keys(
    index: _Index,
    rows: _Rows,
    columns: Sequence[tuple[str, list[Any]]] | None,
    wanted: set[tuple[tuple[str, str], ...]],
) -> None:
    if columns is None:
        return
    names = [name for name, _ in columns]
    for place, values in enumerate(zip(*(values for _, values in columns), strict=True)):
        if None in values:
            continue
        key = tuple((name, text_of(value)) for name, value in zip(names, values, strict=True))
        if key in wanted and (answer := rows.answer(place)) is not None:
            index.by_key[key].append(answer)


# -- which row ---------------------------------------------------------------------------------------


def _resolved(
    label: LabelRow, index: _Index, contracts: Sequence[Contract], keys: Sequence[Mapping[str, Field]], horizon_us: int
) -> Outcome | _Attached:
    found = _by_id(label, index) if label.id is not None else _by_key(label, index, keys, horizon_us)
    if isinstance(found, Outcome):
        return found
    try:
        value = truth_of(label.label, contracts[found.source].output)
    except InvalidLabel as exc:
        return Outcome(label, "invalid", found.place, str(exc))
    return _Attached(label, found.place, value, late=label.received_us - found.time_us > horizon_us)


def _by_id(label: LabelRow, index: _Index) -> _Answer | Outcome:
    found = index.by_id.get(label.id or "", [])
    if not found:
        failed = label.id in index.failed
        return Outcome(label, "unmatched", why="the request got no answer" if failed else "no such request")
    requests = {one.place.request_id for one in found}
    if len(requests) > 1:
        return Outcome(label, "ambiguous", why=f"{len(requests)} requests have this id")
    if label.row is None:
        if found[0].rows > 1:
            return Outcome(label, "ambiguous", why=f"the request has {found[0].rows} rows, and the label names none")
        return found[0]
    row = next((one for one in found if one.place.row == label.row), None)
    return row or Outcome(label, "unmatched", why=f"the request has {found[0].rows} rows, and no row {label.row}")


def _by_key(
    label: LabelRow, index: _Index, fields: Sequence[Mapping[str, Field]], horizon_us: int
) -> _Answer | Outcome:
    keys = {_key_of(label.key or {}, one) for one in fields} - {None}
    if not keys:
        return Outcome(label, "unmatched", why="it names no id, and no key of the contract")
    found = [index.by_key[key] for key in keys if key is not None and key in index.by_key]
    answers = found[0] if len(found) == 1 else sorted((one for some in found for one in some), key=_when)
    before = bisect_right(answers, label.event_us, key=lambda one: one.time_us)
    if not before:
        return Outcome(label, "unmatched", why="no answer with this key" + (" before the event" if answers else ""))
    last = answers[before - 1]
    if label.event_us - last.time_us > horizon_us:
        return Outcome(label, "unmatched", why="the last answer with this key lies beyond the horizon")
    return last


def _when(one: _Answer) -> tuple[int, Place]:
    return one.time_us, one.place


@dataclass(frozen=True, slots=True)
class _Attached:
    label: LabelRow
    place: Place
    value: Any
    late: bool


def _settled(resolved: Iterable[Outcome | _Attached]) -> Join:
    """For each row the last label that says something else than the one before."""
    outcomes: list[Outcome] = []
    truths: dict[Place, Truth] = {}
    standing: dict[Place, int] = {}
    for one in resolved:
        if isinstance(one, Outcome):
            outcomes.append(one)
            continue
        before = truths.get(one.place)
        if before is not None and _same(before.value, one.value):
            outcomes.append(Outcome(one.label, "duplicate", one.place, late=one.late))
            continue
        if before is not None:
            old = outcomes[standing[one.place]]
            outcomes[standing[one.place]] = Outcome(old.label, "corrected", old.place, late=old.late)
        standing[one.place] = len(outcomes)
        outcomes.append(Outcome(one.label, "attached", one.place, late=one.late))
        status: Literal["labelled", "late", "corrected"] = "late" if one.late else "labelled"
        truths[one.place] = Truth(
            one.value, one.label.received_us, one.label.event_us, status if before is None else "corrected"
        )
    return Join(truths, outcomes)


def _same(one: Any, other: Any) -> bool:
    return bool(one == other)
