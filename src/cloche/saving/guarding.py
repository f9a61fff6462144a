"""An engine that may answer in the model's place, compared with the model on reference and boundary rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloche import tables
from cloche.contract.compiled import CompiledContract
from cloche.contract.model import Contract
from cloche.engines import Engine, guard
from cloche.manifest import Tolerance
from cloche.records import Table
from cloche.saving import answering

#: Training rows that an engine is compared on, besides golden and boundary rows.
MAX_REFERENCE_ROWS = 2_000
#: Rows that the model refuses and the engine has to refuse too; each is asked for alone.
_MAX_REFUSED = 30


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why the engine may not answer (None: it may), the rows it was compared on, and the largest |Δ| / (1 + |y|)."""

    refused: str | None = None
    rows: int = 0
    boundary_rows: int = 0
    worst: float = 0.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What engines are tried on: the contract, the model itself, its training table and golden rows."""

    compiled: CompiledContract
    model: answering.Asked
    table: Table
    golden: Sequence[dict[str, Any]]

    def verdict(
        self,
        engine: Engine,
        tolerance: Tolerance,
        *,
        bends: Mapping[str, Sequence[float]],
        alone: Tolerance = guard.SAME_BITS,
        limit: float | None = None,
        spans: float | None = None,
    ) -> Verdict:
        """
        Whether *engine* answers as the model does, within *tolerance*.

        *bends* are numbers by field at which the model jumps; *alone* is how far a row's answer alone and in a batch
        may be apart. Synthetic rows with a number beyond *limit* are left out: the engine refuses them by its own rule.
        With *spans*, numbers further than so many widths of the training range outside of it are not tried: of a model
        that itself computes in float32, no digit of a sum of 1e30 and -1e30 is to be had.
        """
        inputs = answering.inputs_only(self.compiled.contract)
        names = [field.name for field in inputs.contract.fields]
        table = self.table
        training = tables.to_wire(answering.some_rows(table, MAX_REFERENCE_ROWS), inputs.contract) if table.rows else []
        reference = [*_within(limit, _only(names, self.golden)), *training]
        boundary = _within(limit, guard.boundary_rows(inputs.contract, reference[:200], bends))
        if spans is not None:
            boundary = [row for row in boundary if _is_near(row, inputs.contract, spans)]
        counts, worst = [], 0.0
        for rows in (reference, boundary):
            compared, found, difference = self._compared(engine, inputs, rows, tolerance, alone)
            if found:
                return Verdict(f"it would answer differently: {found[0]}")
            counts.append(compared)
            worst = max(worst, difference)
        return Verdict(None, counts[0], counts[1], worst)

    def _compared(
        self,
        engine: Engine,
        compiled: CompiledContract,
        rows: Sequence[dict[str, Any]],
        tolerance: Tolerance,
        alone: Tolerance,
    ) -> tuple[int, list[str], float]:
        """How many rows the model answered, where the engine differs, and by how much at most."""
        allowed = [rows[place] for place in answering.allowed(compiled, rows)]
        if not allowed:
            return 0, [], 0.0
        native = answering.answer(self.model, compiled, allowed)
        refused = sorted(set(range(len(allowed))) - set(native.kept))
        for place in refused[:_MAX_REFUSED] if len(refused) <= _MAX_REFUSED else ():
            if not guard.refuses(engine, compiled.validate([allowed[place]], single=True).columns()):
                return 0, [f"the model refuses a row that the {engine.name} answers"], math.inf
        if not native.rows:
            return 0, [], 0.0
        columns = compiled.validate(native.rows, single=False).columns()
        found, worst = guard.mismatches(engine, columns, native.outputs, tolerance, alone=alone)
        return len(native.rows), found, worst


def _only(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names if name in row} for row in rows]


def _within(limit: float | None, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if limit is None or not any(_beyond(limit, value) for value in row.values())]


def _beyond(limit: float, value: Any) -> bool:
    return isinstance(value, (int, float)) and abs(value) > limit


def _is_near(row: Mapping[str, Any], contract: Contract, spans: float) -> bool:
    """Whether no number of *row* is further than *spans* widths of its training range outside of that."""
    for field in contract.fields:
        value = row.get(field.name)
        if field.training_range is None or isinstance(value, (str, bool)) or not isinstance(value, (int, float)):
            continue
        low, high = (float(end) for end in field.training_range)
        wide = spans * max(high - low, abs(low), abs(high))
        if not low - wide <= value <= high + wide:
            return False
    return True
