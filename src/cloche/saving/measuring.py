"""Quality, calibration and the distribution of answers, on rows that the model was not fitted on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cloche import evaluation, tables
from cloche.contract.model import Contract
from cloche.manifest import Metric
from cloche.records import Column, Table
from cloche.saving import answering, reference
from cloche.saving.estimation import estimation
from cloche.saving.importance import importance
from cloche.saving.rehearsal import Rehearsal

#: Test rows that are measured; more are represented by a fixed sample.
MAX_TEST_ROWS = 200_000


@dataclass(frozen=True, slots=True)
class Measured:
    """What the test set says; all empty without one."""

    metrics: tuple[Metric, ...] = ()
    predictions: dict[str, Any] | None = None
    calibration: list[dict[str, float]] | None = None
    estimation: dict[str, Any] | None = None
    importance: dict[str, float] | None = None
    notes: tuple[str, ...] = ()


def measure(rehearsal: Rehearsal, contract: Contract, test: tuple[Table, Column | Table] | None) -> Measured:
    """Answer the test set through the contract in the fresh process, and compare with the truth."""
    if test is None or not test[0].rows:
        return Measured()
    table, truth = test
    compiled = answering.inputs_only(contract)
    rows = tables.to_wire(_inputs(table, contract), compiled.contract)[:MAX_TEST_ROWS]
    answered = answering.answer(rehearsal, compiled, rows)
    kept = np.array(answered.kept, dtype=np.int64)
    truth = _picked(truth, kept)
    output, told = contract.output, None if isinstance(truth, Table) else truth.to_list()
    predictions = reference.predictions(output, answered.outputs)
    return Measured(
        metrics=tuple(evaluation.metrics(output, answered.outputs, truth)),
        predictions=predictions,
        calibration=None if told is None else reference.calibration(output, answered.outputs, told),
        estimation=None if told is None else estimation(output, answered.outputs, told, predictions),
        importance=None if told is None else importance(rehearsal, compiled, answered.rows, told),
        notes=_notes(len(rows), answered),
    )


def _notes(rows: int, answered: answering.Answered) -> tuple[str, ...]:
    lost = rows - len(answered.kept)
    if not lost:
        return ()
    return (
        f"{lost} of {rows} test rows could not be answered and are not in the metrics; the first: {answered.refused}",
    )


def _inputs(table: Table, contract: Contract) -> Table:
    names = [name for name in table.columns if (field := contract.field(name)) is None or field.role == "input"]
    return Table({name: table.columns[name] for name in names}, table.rows, table.container)


def _picked(truth: Column | Table, rows: np.ndarray[Any, np.dtype[np.int64]]) -> Column | Table:
    if isinstance(truth, Table):
        columns = {one.name: _column(one, rows) for one in truth}
        return Table(columns, int(rows.size), truth.container)
    return _column(truth, rows)


def _column(one: Column, rows: np.ndarray[Any, np.dtype[np.int64]]) -> Column:
    return replace(one, values=one.values[rows], missing=one.missing[rows])
