"""The exact twin of a model that is being saved: lowered, compared with the model in its fresh process, written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloche import tables
from cloche.contract.compiled import CompiledContract
from cloche.engines import guard
from cloche.engines.twin import TwinEngine
from cloche.errors import NotLoweredError, SaveRefusedError, TamperedModelError, UsageError
from cloche.flavors import Flavor
from cloche.graph import GRAPH, WEIGHTS, ValidGraph
from cloche.graph import weights as files
from cloche.manifest import Manifest, Tolerance, TwinRecord
from cloche.records import Table
from cloche.saving import answering
from cloche.saving.material import Material
from cloche.saving.rehearsal import Rehearsal

ENGINES = ("auto", "twin", "native")
#: Training rows that the twin is compared on, besides golden and boundary rows.
MAX_REFERENCE_ROWS = 2_000
#: Rows that the model refuses and the twin has to refuse too; each is asked for alone.
_MAX_REFUSED = 30
BY_CHOICE = "engine='native' was asked for"


@dataclass(frozen=True, slots=True)
class Twinned:
    """The engines that an artifact offers, the first of them answering, and what its manifest says of the twin."""

    engines: tuple[str, ...]
    record: TwinRecord


def told(manifest: Manifest) -> str:
    """Which engine answers, and why, in words."""
    record = manifest.twin
    if "twin" in manifest.engines and record is not None:
        return f"twin, equal to the model's own answers on {record.rows + record.boundary_rows} rows"
    return "native" if record is None or record.refused is None else f"native: {record.refused}"


def check_choice(engine: str) -> None:
    """
    Raises:
        UsageError: *engine* is no way to answer.
    """
    if engine not in ENGINES:
        raise UsageError(f"engine: expected one of {', '.join(ENGINES)}, got {engine!r}")


def twin(
    engine: str,
    model: Any,
    flavor: Flavor,
    directory: Path,
    material: Material,
    compiled: CompiledContract,
    rehearsal: Rehearsal,
    golden: Sequence[dict[str, Any]],
) -> Twinned:
    """
    Lower *model*, compare it with the rehearsed one, and write `twin/` into *directory* where they agree.

    Raises:
        SaveRefusedError: *engine* is "twin", and there is no exact one; the message says why.
    """
    if engine == "native":
        return Twinned(("native",), TwinRecord(refused=BY_CHOICE))
    try:
        graph = flavor.lower(model, material.frame, compiled.contract)
        record = _guarded(graph, compiled, rehearsal, material.table, golden, flavor.tolerance(model))
        if record.refused is None:
            _write(directory, graph)
            return Twinned(("twin", "native"), record)
    except (NotLoweredError, TamperedModelError) as exc:
        record = TwinRecord(refused=str(exc))
    if engine == "twin":
        raise SaveRefusedError(f"engine='twin': this model has no exact twin: {record.refused}; use engine='auto'")
    return Twinned(("native",), record)


def _write(directory: Path, graph: ValidGraph) -> None:
    (directory / GRAPH).parent.mkdir(exist_ok=True)
    (directory / GRAPH).write_bytes(graph.graph.to_json())
    (directory / WEIGHTS).write_bytes(files.to_bytes(graph.weights.to_dict()))


def _guarded(
    graph: ValidGraph,
    compiled: CompiledContract,
    rehearsal: Rehearsal,
    table: Table,
    golden: Sequence[dict[str, Any]],
    tolerance: Tolerance,
) -> TwinRecord:
    """The twin as it would be opened, against the model, on reference rows and at the boundaries."""
    opened = files.open_graph(graph.graph.to_json(), files.to_bytes(graph.weights.to_dict()))
    engine = TwinEngine(opened, compiled.contract.output)
    inputs = answering.inputs_only(compiled.contract)
    names = [field.name for field in inputs.contract.fields]
    training = tables.to_wire(answering.some_rows(table, MAX_REFERENCE_ROWS), inputs.contract) if table.rows else []
    reference = [*_only(names, golden), *training]
    boundary = guard.boundary_rows(inputs.contract, reference[:200], guard.thresholds(opened))
    counts, worst = [], 0.0
    for rows in (reference, boundary):
        compared, found, difference = _compared(engine, inputs, rehearsal, rows, tolerance)
        if found:
            return TwinRecord(refused=f"it would answer differently: {found[0]}")
        counts.append(compared)
        worst = max(worst, difference)
    return TwinRecord(None, counts[0], counts[1], worst)


def _only(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names if name in row} for row in rows]


def _compared(
    engine: TwinEngine,
    compiled: CompiledContract,
    rehearsal: Rehearsal,
    rows: Sequence[dict[str, Any]],
    tolerance: Tolerance,
) -> tuple[int, list[str], float]:
    """How many rows the model answered, where the twin differs, and by how much at most."""
    allowed = [rows[place] for place in answering.allowed(compiled, rows)]
    if not allowed:
        return 0, [], 0.0
    native = answering.answer(rehearsal, compiled, allowed)
    refused = sorted(set(range(len(allowed))) - set(native.kept))
    for place in refused[:_MAX_REFUSED] if len(refused) <= _MAX_REFUSED else ():
        if not guard.refuses(engine, compiled.validate([allowed[place]], single=True).columns()):
            return 0, ["the model refuses a row that the twin answers"], math.inf
    if not native.rows:
        return 0, [], 0.0
    columns = compiled.validate(native.rows, single=False).columns()
    found, worst = guard.mismatches(engine, columns, native.outputs, tolerance)
    return len(native.rows), found, worst
