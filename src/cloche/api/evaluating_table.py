"""A version on a table with targets: every row is answered now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cloche.api.measuring import check_same_task, check_task, chosen, refuse_private, truth_column
from cloche.api.opening import answered, open_version
from cloche.api.workplace import Workplace
from cloche.artifact import OpenArtifact
from cloche.contract.model import Output
from cloche.errors import UsageError
from cloche.evaluation import Answers, cut, measured
from cloche.prediction_log.truths import InvalidLabel, as_label, truth_of
from cloche.records import Column, Outputs, Table
from cloche.registry import Evaluation
from cloche.registry.registry import utc_now
from cloche.tables import read, select, to_wire


def evaluate(
    here: Workplace, reference: str, data: Any, targets: tuple[str, ...], segments: tuple[str, ...], against: int | None
) -> Evaluation:
    found, opened = open_version(here, reference)
    check_task(opened.contract.output)
    table = read(data)
    truth = _truth(table, targets, opened.contract.output)
    refuse_private(segments, opened.contract)
    pair = [_answers(opened, table)]
    if against is not None:
        other = open_version(here, f"{found.name}@{against}")[1]
        check_same_task(opened.contract.output, other.contract.output)
        pair.append(_answers(other, table))
    rows = sorted(set.intersection(*(set(one.kept) for one in pair)))
    kept = np.array(rows, dtype=np.int64)
    answers = [one.on(rows) for one in pair]
    quality = measured(
        answers[0],
        _picked(truth, kept),
        segments=[part for name in segments for part in cut(_only(select(table, [name]).columns[name], kept))],
        other=answers[1] if against is not None else None,
    )
    lost = table.rows - len(rows)
    refused = next((one.refused for one in pair if one.refused), None)
    return Evaluation(
        name=found.name, version=found.version.version, source="table", by=here.user, at=utc_now(),
        rows=table.rows, refused=lost, measured=quality.whole.n, quality=quality, against=against,
        data=Path(data).name if isinstance(data, str | Path) else None, segments=segments,
        notes=(f"{lost} rows could not be answered; the first: {refused}",) if lost else (),
    )  # fmt: skip


# -- answers -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Answered:
    """What a version answered, to which rows of the table, and what it said of the first other."""

    output: Output
    outputs: Outputs
    kept: list[int]
    refused: str | None

    def on(self, rows: list[int]) -> Answers:
        places = {row: place for place, row in enumerate(self.kept)}
        return Answers(self.output, chosen(self.outputs, [places[row] for row in rows]))


def _answers(opened: OpenArtifact, table: Table) -> _Answered:
    names = [one.name for one in opened.contract.inputs if one.name in table.columns]
    found = answered(opened, to_wire(select(table, names), opened.contract))
    if not found.kept and table.rows:
        raise UsageError(f"none of the {table.rows} rows could be answered; the first: {found.refused}")
    return _Answered(opened.contract.output, found.outputs, found.kept, found.refused)


def _truth(table: Table, targets: tuple[str, ...], output: Output) -> Column | Table:
    names = output.names or () if output.task.startswith("multioutput") else ("",)
    if len(targets) != len(names):
        listed = f"{len(names)} columns, for {', '.join(names)}" if names != ("",) else "one column"
        raise UsageError(f"--target: expected {listed}, got {', '.join(targets) or 'none'}")
    if names == ("",):
        return _known(select(table, targets).columns[targets[0]], output)
    single = [_output_of(output, place) for place in range(len(names))]
    columns = [
        _known(select(table, [target]).columns[target], one) for target, one in zip(targets, single, strict=True)
    ]
    return Table(dict(zip(names, columns, strict=True)), table.rows, table.container)


def _output_of(output: Output, place: int) -> Output:
    """One of several outputs as an output of its own."""
    if output.task == "multioutput_regression":
        return Output(task="regression", type=output.type)
    classes = output.output_classes[place] if output.output_classes else None
    return Output(task="classification", type=output.type, classes=classes)


def _known(column: Column, output: Output) -> Column:
    """The targets as values of the output; a class that the model does not know stays, and counts as missed."""
    values, known = [], 0
    for value in column.to_list():
        label = None if value is None else as_label(value, output)
        try:
            label = None if label is None else truth_of(label, output)
            known += label is not None
        except InvalidLabel as exc:
            if output.task == "regression":
                raise UsageError(f"column '{column.name}': {exc}") from exc
        values.append(label)
    if not known:
        raise UsageError(
            f"column '{column.name}': none of its values is an answer of the model: {output.classes or 'numbers'}"
        )
    return truth_column(values)


def _only(column: Column, rows: np.ndarray[Any, np.dtype[np.int64]]) -> Column:
    return replace(column, values=column.values[rows], missing=column.missing[rows])


def _picked(truth: Column | Table, rows: np.ndarray[Any, np.dtype[np.int64]]) -> Column | Table:
    if isinstance(truth, Column):
        return _only(truth, rows)
    return Table({one.name: _only(one, rows) for one in truth}, int(rows.size), truth.container)
