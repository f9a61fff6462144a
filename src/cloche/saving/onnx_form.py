"""
The ONNX form of a model that is being saved: converted, compared with the model in its fresh process, written.

ONNX computes in float32. A linear or neural model comes out within that; a tree behind a scaler does not (625 of
2,000 rows were wrong, by up to 0.52), and only rows at the thresholds show it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cloche.contract.model import Contract
from cloche.engines import guard
from cloche.engines.onnx import open_onnx
from cloche.errors import ArtifactError, ManifestError, MissingExtraError, NotLoweredError
from cloche.flavors import Flavor
from cloche.manifest import OnnxRecord, Tolerance
from cloche.onnx import INTERFACE, MODEL, OnnxModel
from cloche.records import FrameSpec
from cloche.saving.guarding import Trial

TOLERANCE = Tolerance("float32", 1e-5, 1e-5)
#: How far outside of the training range a model that computes in float32 itself is compared with its ONNX form.
SPANS = 1.0


def onnx_form(model: Any, flavor: Flavor, directory: Path, frame: FrameSpec, trial: Trial) -> OnnxRecord:
    """Convert *model*, compare it with the rehearsed one, and write `onnx/` into *directory* where they agree."""
    contract = trial.compiled.contract
    try:
        converted = flavor.to_onnx(model, frame, contract)
        engine = open_onnx(_files(converted, directory), contract)
    except (NotLoweredError, ArtifactError, MissingExtraError) as exc:
        return OnnxRecord(refused=str(exc))
    bends = _bends(model, flavor, frame, contract)
    spans = None if flavor.tolerance(model).dtype == "float64" else SPANS
    found = trial.verdict(engine, TOLERANCE, bends=bends, alone=TOLERANCE, spans=spans)
    if found.refused is None:
        converted.write(directory)
    return OnnxRecord(found.refused, found.rows, found.boundary_rows, found.worst, TOLERANCE)


def _files(converted: OnnxModel, directory: Path) -> dict[str, bytes]:
    """The files of the engine as an artifact would hold them; a preparer's lie there already."""
    raw = converted.interface.to_json()
    found = {MODEL: converted.raw, INTERFACE: raw}
    prepared = converted.interface.prepared
    for name in () if prepared is None else prepared.files:
        path = directory / name
        if not path.is_file():
            raise ManifestError(f"{INTERFACE}: prepared: the file {name!r} was not written")
        found[name] = path.read_bytes()
    return found


def _bends(model: Any, flavor: Flavor, frame: FrameSpec, contract: Contract) -> Mapping[str, Sequence[float]]:
    """Where the model jumps, if its exact arithmetic is known here."""
    try:
        return guard.thresholds(flavor.lower(model, frame, contract))
    except NotLoweredError:
        return {}
