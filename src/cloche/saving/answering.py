"""Rows through the whole path (wire row, contract, fresh process): golden rows, the test set, the training rows."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import msgspec
import numpy as np

from cloche import tables
from cloche.contract.compiled import CompiledContract, compile_contract
from cloche.contract.model import Contract, Output
from cloche.engines import Engine
from cloche.errors import EngineError, InvalidInputError, SaveRefusedError
from cloche.records import Columns, Outputs, Table
from cloche.saving import synthetic
from cloche.saving.rehearsal import Rehearsal

#: Training rows that the contract is checked against before it is trusted.
MAX_CHECKED_ROWS = 10_000
_CHUNK = 5_000
_SHOWN = 3
#: After so many failed calls nothing more is asked: a model that crashes each time would be started for ever.
_MAX_FAILURES = 40


class Asked(Protocol):
    """What answers: the fresh process, or an engine here; raises EngineError where the model raises."""

    def answer(self, columns: Columns, n: int, output: Output) -> Outputs: ...


@dataclass(frozen=True, slots=True)
class EngineHere:
    """An engine in this process; whatever the model raises is an EngineError."""

    engine: Engine

    def answer(self, columns: Columns, n: int, output: Output) -> Outputs:
        """
        What it answers to *n* rows given as model values.

        Raises:
            EngineError: the model raised; the message says what.
        """
        try:
            return self.engine.predict(columns, n)
        except Exception as exc:
            raise EngineError(f"{type(exc).__name__}: {exc}") from exc


@dataclass(frozen=True, slots=True)
class Answered:
    """Wire rows, the model's answers, and how many rows got none."""

    rows: list[dict[str, Any]]
    outputs: Outputs
    kept: list[int]
    refused: str | None = None


def check_training_rows(compiled: CompiledContract, table: Table) -> None:
    """
    The contract must accept the rows it was learnt from (a fixed sample of at most 10,000).

    Raises:
        SaveRefusedError: it does not: an override contradicts the data.
    """
    sample = some_rows(table, MAX_CHECKED_ROWS)
    rows = tables.to_wire(sample, compiled.contract)
    for start in range(0, len(rows), _CHUNK):
        try:
            compiled.validate(rows[start : start + _CHUNK], single=False)
        except InvalidInputError as exc:
            shown = "; ".join(f"{problem.field}: {problem.message}" for problem in exc.problems[:_SHOWN])
            raise SaveRefusedError(
                f"the contract refuses {exc.total} value(s) of its own training table: {shown}. "
                "A rule set by its owner (in contract={…}, or for an earlier version) contradicts the data: "
                "correct the rule, or take those rows out"
            ) from exc


def some_rows(table: Table, most: int) -> Table:
    """At most *most* rows of *table*, the same ones every time, in their order."""
    if table.rows <= most:
        return table
    picked = np.array(sorted(random.Random(0).sample(range(table.rows), most)))  # noqa: S311 - reproducible, not secret
    columns = {one.name: replace(one, values=one.values[picked], missing=one.missing[picked]) for one in table}
    return Table(columns, most, table.container)


def golden(
    rehearsal: Rehearsal,
    compiled: CompiledContract,
    table: Table,
    profile: Mapping[str, Any],
    *,
    kind: str,
    seed: str,
    words: Mapping[str, Sequence[str]] | None = None,
) -> Answered:
    """
    At most 200 rows with the model's answers; *words* are as in `synthetic.draw`.

    Raises:
        SaveRefusedError: the model answers none of them, or the same rows differently each time.
    """
    drawn = synthetic.draw(compiled.contract, profile, seed, words)
    rows = drawn if kind == "synthetic" else _real(compiled.contract, table, drawn)
    answered = answer(rehearsal, compiled, rows)
    if not answered.rows:
        raise SaveRefusedError(f"the model answers no row that its contract allows; it says: {answered.refused}")
    return answered


def answer(rehearsal: Asked, compiled: CompiledContract, rows: Sequence[dict[str, Any]]) -> Answered:
    """What the model answers; rows that the contract or the model refuses are left out."""
    taken, said = _allowed(compiled, rows)
    outputs = Outputs([])
    kept: list[int] = []
    complaints: list[str] = []
    for start in range(0, len(taken), _CHUNK):
        part = taken[start : start + _CHUNK]
        answers, places = _answer(rehearsal, compiled, [rows[place] for place in part], complaints)
        outputs = _joined(outputs, answers)
        kept += [part[place] for place in places]
    return Answered([rows[place] for place in kept], outputs, kept, said or next(iter(complaints), None))


def inputs_only(contract: Contract) -> CompiledContract:
    """The contract without keys and contexts, for tables that do not hold them."""
    return compile_contract(msgspec.structs.replace(contract, fields=contract.inputs))


def _real(contract: Contract, table: Table, drawn: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Training rows, where the owner wants them; private values, keys and contexts stay synthetic."""
    hidden = [field.name for field in contract.fields if field.private or field.role != "input"]
    rows = tables.to_wire(some_rows(table, synthetic.MAX_ROWS), contract)
    return [
        {**row, **{name: drawn[number % len(drawn)].get(name) for name in hidden if name in row}}
        for number, row in enumerate(rows)
    ]


def allowed(compiled: CompiledContract, rows: Sequence[dict[str, Any]]) -> list[int]:
    """The places of the rows that the contract takes."""
    return _allowed(compiled, rows)[0]


def _allowed(compiled: CompiledContract, rows: Sequence[dict[str, Any]]) -> tuple[list[int], str | None]:
    """The places of the rows that the contract takes, and what it said of the first other."""
    try:
        compiled.validate(rows, single=False)
    except InvalidInputError as exc:
        if len(rows) == 1:
            return [], exc.problems[0].message
        half = len(rows) // 2
        first, said = _allowed(compiled, rows[:half])
        second, said_too = _allowed(compiled, rows[half:])
        return [*first, *(half + place for place in second)], said or said_too
    return list(range(len(rows))), None


def _answer(
    rehearsal: Asked, compiled: CompiledContract, rows: list[dict[str, Any]], complaints: list[str]
) -> tuple[Outputs, list[int]]:
    """Answer all at once; where the model raises, halves, down to the rows it cannot answer."""
    if len(complaints) >= _MAX_FAILURES:
        return Outputs([]), []
    valid = compiled.validate(rows, single=False)
    try:
        outputs = rehearsal.answer(valid.columns(), len(rows), compiled.contract.output)
    except EngineError as exc:
        complaints.append(str(exc))
        if len(rows) == 1:
            return Outputs([]), []
        half = len(rows) // 2
        first, places = _answer(rehearsal, compiled, rows[:half], complaints)
        second, others = _answer(rehearsal, compiled, rows[half:], complaints)
        return _joined(first, second), [*places, *(half + place for place in others)]
    return outputs, list(range(len(rows)))


def _joined(one: Outputs, other: Outputs) -> Outputs:
    if not len(one) or not len(other):
        return one if len(one) else other
    return Outputs(
        [*one.prediction, *other.prediction],
        None if one.probabilities is None else [*one.probabilities, *(other.probabilities or [])],
        None if one.score is None else [*one.score, *(other.score or [])],
    )
