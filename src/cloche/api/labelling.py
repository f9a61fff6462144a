"""The truth about answers: from a table into the log, and what became of every label."""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from cloche._version import __version__
from cloche.api.logged import join_labels
from cloche.api.workplace import Workplace, workplace
from cloche.contract.labels import CompiledLabels, ValidLabel
from cloche.contract.model import Contract, Field, Output
from cloche.contract.problems import MAX_PROBLEMS, Problem
from cloche.errors import InvalidInputError, UsageError
from cloche.ids import RequestIds
from cloche.prediction_log import layout, segments
from cloche.prediction_log.frames import Header, Label, Labels
from cloche.prediction_log.hash_key import read_hash_key
from cloche.prediction_log.joining import Outcome, moment
from cloche.prediction_log.privacy import hashed
from cloche.prediction_log.truths import as_label
from cloche.records import Table
from cloche.registry import horizons
from cloche.registry.registry import utc_now
from cloche.tables import read, select, to_wire

#: Labels in one frame, and frames in one segment.
_FRAME, _SEGMENT = 1_000, 200
_CHECKED = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table hold what: *label* by output name ("" for the only one), *key* by key field."""

    label: Mapping[str, str]
    id: str | None = None
    row: str | None = None
    key: Mapping[str, str] | None = None
    event_time: str | None = None


def label(
    name: str,
    table: Any,
    *,
    label: str | Mapping[str, str],
    id: str | None = None,
    row: str | None = None,
    key: Mapping[str, str] | None = None,
    event_time: str | None = None,
    store: str | None = None,
) -> int:
    """
    Send the truth about answers of model *name* into its log: a row of *table* each; how many were sent.

    Each row names an answer, by the column *id* (a request id of the answer, or the caller's own) and *row* where the
    request had several; or an entity, by its key: then it is about the last answer before the event. The same labels
    sent again change nothing; another label for the same answer is a correction.

    Args:
        name: A model.
        table: What `save` takes as `inputs`.
        label: The column with the truth; with several outputs a column for each, `{"price": "paid"}`.
        id: The column with the ids.
        row: The column with the number of the row in its request, from 0.
        key: A column for each key field of the contract, `{"customer": "customer_id"}`.
        event_time: The column with the moment at which the truth was known; without one it is now.
        store: A store's URL or path, instead of `CLOCHE_STORE`.

    Raises:
        InvalidInputError: a row is no label of this model; nothing was sent, `.problems` says where and how.
        UsageError: no such column, or neither ids nor keys.
    """
    labels = {"": label} if isinstance(label, str) else dict(label)
    return send(workplace(store), name, read(table), Columns(labels, id, row, key, event_time))


def send(here: Workplace, name: str, table: Table, columns: Columns) -> int:
    """The same as `label`, where the workplace is known."""
    contract = _contract(here, name)
    secret = _secret(here, contract, columns)
    valid = _validated(CompiledLabels(contract), list(_rows(table, columns, contract)))
    private = {one.name for one in contract.fields if one.private}
    ids, at = RequestIds(), time.time_ns() // 1000
    frames = [
        Labels(ids.new(), at, None, name, tuple(_hidden(_frame(one), private, secret) for one in part))
        for part in _parts(valid, _FRAME)
    ]
    _land(here, ids.new(), frames, at)
    return len(valid)


@dataclasses.dataclass(frozen=True, slots=True)
class LabelState:
    """What became of the labels of a model: counts, and the labels that belong to no answer."""

    counts: dict[str, int]
    outcomes: Sequence[Outcome]

    def listed(self, fates: Sequence[str]) -> list[dict[str, Any]]:
        """The labels of these fates as plain data, in the order they were received."""
        return [_told(one) for one in self.outcomes if one.fate in fates]


def labels(
    here: Workplace, name: str, *, since: datetime | None = None, horizon: timedelta | None = None
) -> LabelState:
    """
    Join the labels of a model, received since a moment, with its answers, and say what became of each.

    Raises:
        ModelNotFoundError: no such model.
    """
    found = join_labels(here, name, since=since, horizon=horizon)
    return LabelState(found.counts(), found.outcomes)


def set_horizon(here: Workplace, name: str, length: timedelta) -> None:
    """
    How long after an answer of the model a label by key may belong to it, for everybody on this store.

    Raises:
        ModelNotFoundError: no such model.
        UsageError: *length* is not above 0.
    """
    if not here.registry.versions(name):
        raise here.registry.no_model(name)
    horizons.set_horizon(here.store, name, length, by=here.user, at=utc_now())


def _told(one: Outcome) -> dict[str, Any]:
    told = {
        "fate": one.fate,
        "id": one.label.id,
        "row": one.label.row,
        "key": one.label.key,
        "label": one.label.label,
        "event_time": moment(one.label.event_us).isoformat(),
        "received": moment(one.label.received_us).isoformat(),
        "why": one.why,
    }
    return {name: value for name, value in told.items() if value is not None}


# -- from a table ------------------------------------------------------------------------------------


def _contract(here: Workplace, name: str) -> Contract:
    """That of the live version, else of the last one."""
    versions = here.registry.versions(name)
    if not versions:
        raise here.registry.no_model(name)
    routes = here.registry.routes(name)
    number = versions[-1].contract if routes is None else routes.default_contract
    return here.registry.contract(name, number)


def _secret(here: Workplace, contract: Contract, columns: Columns) -> bytes | None:
    """
    The key of hashes, where a key field is private.

    Raises:
        UsageError: a field is no key, the key is not whole, or it is private and this host cannot hash it.
    """
    fields = {one.name: one for one in contract.fields if one.role == "key"}
    given = columns.key or {}
    if (columns.id is None) == (not given):
        raise UsageError("label: expected a column with ids (--id) or one for each key field (--key), not both")
    for name in given:
        if name not in fields:
            known = ", ".join(fields) or "the contract has none"
            raise UsageError(f"--key: '{name}' is no key field of the contract; expected {known}")
    absent = [name for name in fields if given and name not in given]
    if absent:
        raise UsageError(f"--key: the key is named whole; no column for {', '.join(absent)}")
    private = [name for name in given if fields[name].private]
    if not private:
        return None
    secret = read_hash_key(here.settings.log.hash_key)
    if secret is None:
        raise UsageError(f"--key: '{private[0]}' is private and logged as a hash; set [log] hash_key as on the server")
    return secret


def _rows(table: Table, columns: Columns, contract: Contract) -> Iterator[dict[str, Any]]:
    """Each row of the table as a caller would send it."""
    parts: dict[str, list[Any]] = {}
    if columns.id is not None:
        parts["request_id"] = [None if one is None else str(one) for one in _column(table, columns.id)]
    if columns.row is not None:
        parts["row"] = _column(table, columns.row)
    if columns.event_time is not None:
        parts["event_time"] = [_aware(one) for one in _column(table, columns.event_time)]
    truths = {output: _column(table, column) for output, column in columns.label.items()}
    keys = {name: _typed(table, column, contract.field(name)) for name, column in (columns.key or {}).items()}
    output = contract.output
    for place in range(table.rows):
        row = {name: value for name, values in parts.items() if (value := values[place]) is not None}
        given: Any = {name: values[place] for name, values in truths.items()}
        row["label"] = as_label(given[""] if set(given) == {""} else given, output)
        if keys:
            row["key"] = {name: values[place] for name, values in keys.items()}
        yield row


def _column(table: Table, name: str) -> list[Any]:
    return [row[name] for row in to_wire(select(table, [name]))]


def _typed(table: Table, name: str, field: Field | None) -> list[Any]:
    """The values of a key field in the type that the contract names."""
    assert field is not None
    column = dataclasses.replace(select(table, [name]).columns[name], name=field.name)
    alone = Contract(fields=(field,), output=Output(task="regression", type="number"))
    return [row[field.name] for row in to_wire(Table({field.name: column}, table.rows, table.container), alone)]


def _aware(text: Any) -> Any:
    """A moment without a zone is meant in UTC, a date as its beginning."""
    if not isinstance(text, str):
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if moment.tzinfo is not None else f"{moment.isoformat()}Z"


def _validated(compiled: CompiledLabels, rows: Sequence[dict[str, Any]]) -> list[ValidLabel]:
    """Every row, or every problem with its row in the table."""
    valid: list[ValidLabel] = []
    problems: list[Problem] = []
    total = 0
    for start in range(0, len(rows), _CHECKED):
        try:
            valid += compiled.validate(rows[start : start + _CHECKED])
        except InvalidInputError as exc:
            total += exc.total
            problems += (replace(one, row=start + (one.row or 0)) for one in exc.problems)
    if problems:
        raise InvalidInputError(problems[:MAX_PROBLEMS], total)
    return valid


# -- into the log ------------------------------------------------------------------------------------


def _frame(one: ValidLabel) -> Label:
    event_us = None if one.event_time is None else round(one.event_time.timestamp() * 1_000_000)
    return Label(one.label, one.id, one.row, one.key, event_us)


def _hidden(one: Label, private: set[str], secret: bytes | None) -> Label:
    if one.key is None or secret is None:
        return one
    return replace(one, key={name: hashed(v, secret) if name in private else v for name, v in one.key.items()})


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _land(here: Workplace, spool: str, frames: Sequence[Labels], at: int) -> None:
    """Segments under a spool id of their own, put where a host's agent puts its own."""
    for number, part in enumerate(_parts(frames, _SEGMENT), start=1):
        header = Header(spool, number, at, __version__, platform.node())
        data = segments.MAGIC + b"".join(segments.packed(frame) for frame in (header, *part))
        here.store.create(layout.landed(spool, number), data)
