"""A version on what it answered when it was asked, and was told since: the log with its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cloche.api.logged import horizon_of, join_labels, rows_where
from cloche.api.measuring import check_same_task, check_task, chosen, refuse_private, truth_column
from cloche.api.opening import answered, open_version
from cloche.api.workplace import Workplace
from cloche.contract.model import Contract, Output
from cloche.errors import RefusedError, UsageError
from cloche.evaluation import Answers, Segment, cut, measured
from cloche.prediction_log.joining import Join, Place, Truth
from cloche.prediction_log.reading import LogReader
from cloche.prediction_log.rows import column_of, inputs_of, not_kept, outputs_of
from cloche.records import Column, Table
from cloche.registry import Evaluation, Resolved
from cloche.registry.registry import utc_now
from cloche.serving.model import wire_row
from cloche.tables.values import from_objects

#: Columns of the log itself that rows may be measured by.
_OWN = ("route", "engine", "key")
_ANSWERED = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows are measured, by what, and beside which other version."""

    since: datetime | None
    until: datetime | None
    horizon: timedelta | None
    segments: tuple[str, ...]
    against: int | None


@dataclass(frozen=True, slots=True)
class _Labelled:
    """Rows of the log that have a label: a pyarrow Table, the truth of each, and how many rows were answered in all."""

    table: Any
    truths: list[Truth]
    answered: int
    found: Join


def evaluate(here: Workplace, reference: str, asked: Asked, *, reader: LogReader | None = None) -> Evaluation:
    """
    The quality of the version's own answers.

    Raises:
        UsageError: no such column, a private one, or a task without a truth.
        RefusedError: nothing is labelled, or *against* cannot answer the rows again.
    """
    resolved = here.registry.resolve(reference)
    contract = here.registry.contract_of(resolved.version)
    check_task(contract.output)
    refuse_private(asked.segments, contract)
    labelled = _labelled(here, resolved, asked, reader or LogReader(here.store))
    rows, other, notes = list(range(labelled.table.num_rows)), None, []
    if asked.against is not None:
        rows, other, lost = _again(here, resolved, contract, labelled.table, asked.against)
        notes = [lost] if lost else []
    outputs = outputs_of(labelled.table, contract.output)
    quality = measured(
        Answers(contract.output, chosen(outputs, rows)),
        _truth([labelled.truths[row].value for row in rows], contract.output),
        split="log",
        segments=_segments(labelled.table, asked.segments, rows),
        other=other,
    )
    horizon = asked.horizon if asked.horizon is not None else horizon_of(here, resolved.name)
    return Evaluation(
        name=resolved.name, version=resolved.version.version, source="log", by=here.user, at=utc_now(),
        rows=labelled.answered, refused=labelled.table.num_rows - len(rows), measured=quality.whole.n,
        quality=quality, since=_text(asked.since), until=_text(asked.until), horizon_days=horizon / timedelta(days=1),
        against=asked.against, segments=asked.segments, labels=labelled.found.counts(), notes=tuple(notes),
    )  # fmt: skip


def _labelled(here: Workplace, resolved: Resolved, asked: Asked, reader: LogReader) -> _Labelled:
    record = resolved.version
    found = join_labels(
        here, resolved.name, since=asked.since, until=asked.until, horizon=asked.horizon, reader=reader
    )  # fmt: skip
    table = reader.answers(resolved.name, contract=record.contract, since=asked.since, until=asked.until)
    names = ("request_id", "row", "version", "status")
    rows = list(zip(*(table.column(name).to_pylist() for name in names), strict=True))
    ours = [version == record.version and status == _ANSWERED and row is not None for _, row, version, status in rows]
    truths = [
        found.truths.get(Place(identity, row)) if mine else None
        for (identity, row, *_), mine in zip(rows, ours, strict=True)
    ]
    if not any(truths):
        raise RefusedError(_nothing(resolved, sum(ours), found))
    kept = rows_where(table, [one is not None for one in truths])
    return _Labelled(kept, [one for one in truths if one is not None], sum(ours), found)


def _nothing(resolved: Resolved, answered: int, found: Join) -> str:
    what = f"{resolved.name}@{resolved.version.version}"
    if not answered:
        return f"{what}: the log holds no answers of it in that time"
    told = ", ".join(f"{n} {name}" for name, n in found.counts().items() if n)
    return f"{what}: {answered} rows were answered, and none of them has a label ({told or 'no labels at all'})"


def _again(
    here: Workplace, resolved: Resolved, contract: Contract, table: Any, against: int
) -> tuple[list[int], Answers, str | None]:
    """What the other version answers to the logged inputs, the rows that it did answer, and what it said of others."""
    why = not_kept(contract)
    if why is not None:
        raise RefusedError(f"--against {against}: the rows cannot be answered again: {why}")
    _, other = open_version(here, f"{resolved.name}@{against}")
    check_same_task(contract.output, other.contract.output)
    inputs = inputs_of(table, contract)
    names = [one.name for one in other.contract.inputs if one.name in inputs]
    wire = [wire_row(dict(zip(names, values, strict=True))) for values in zip(*(inputs[n] for n in names), strict=True)]
    again = answered(other, wire)
    if not again.kept:
        raise RefusedError(f"--against {against}: it answers none of the {len(wire)} rows; the first: {again.refused}")
    lost = len(wire) - len(again.kept)
    said = f"{lost} rows could not be answered again; the first: {again.refused}" if lost else None
    return again.kept, Answers(other.contract.output, again.outputs), said


def _truth(values: Sequence[Any], output: Output) -> Column | Table:
    if not output.task.startswith("multioutput"):
        return truth_column(values)
    names = output.names or ()
    return Table({name: truth_column([one.get(name) for one in values]) for name in names}, len(values), "list")


def _segments(table: Any, names: Sequence[str], rows: Sequence[int]) -> list[Segment]:
    found = []
    for name in names:
        column = column_of(table, name) or (name if name in _OWN else None)
        if column is None:
            raise UsageError(f"--segment: the log holds no values of '{name}' for these rows")
        values = table.column(column).to_pylist()
        found += cut(from_objects(name, [values[row] for row in rows], ""))
    return found


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
