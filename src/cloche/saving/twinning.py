"""The exact twin of a model that is being saved: lowered, compared with the model in its fresh process, written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cloche.engines import guard
from cloche.engines.twin import TwinEngine
from cloche.errors import NotLoweredError, TamperedModelError
from cloche.flavors import Flavor
from cloche.graph import GRAPH, WEIGHTS, ValidGraph
from cloche.graph import weights as files
from cloche.manifest import Tolerance, TwinRecord
from cloche.records import FrameSpec
from cloche.saving.guarding import Trial, Verdict


def twin(model: Any, flavor: Flavor, directory: Path, frame: FrameSpec, trial: Trial) -> TwinRecord:
    """Lower *model*, compare it with the rehearsed one, and write `twin/` into *directory* where they agree."""
    try:
        graph = flavor.lower(model, frame, trial.compiled.contract)
        found = _verdict(graph, trial, flavor.tolerance(model))
    except (NotLoweredError, TamperedModelError) as exc:
        return TwinRecord(refused=str(exc))
    if found.refused is None:
        (directory / GRAPH).parent.mkdir(exist_ok=True)
        (directory / GRAPH).write_bytes(graph.graph.to_json())
        (directory / WEIGHTS).write_bytes(files.to_bytes(graph.weights.to_dict()))
    return TwinRecord(found.refused, found.rows, found.boundary_rows, found.worst)


def _verdict(graph: ValidGraph, trial: Trial, tolerance: Tolerance) -> Verdict:
    """The twin as it would be opened, against the model."""
    opened = files.open_graph(graph.graph.to_json(), files.to_bytes(graph.weights.to_dict()))
    engine = TwinEngine(opened, trial.compiled.contract.output)
    return trial.verdict(engine, tolerance, bends=guard.thresholds(opened))
