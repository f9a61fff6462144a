"""
The ONNX form of a model: converted, compared with the model itself, written where they agree.

ONNX computes in float32. A linear or neural model comes out within that; a tree behind a scaler does not (625 of
2,000 rows were wrong, by up to 0.52), and only rows at the thresholds show it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cloche.artifact import OpenArtifact, golden
from cloche.contract.model import Contract
from cloche.engines import NativeEngine, guard
from cloche.engines.onnx import open_onnx
from cloche.errors import ArtifactError, EngineMissingError, ManifestError, MissingExtraError, NotLoweredError
from cloche.flavors import Flavor
from cloche.manifest import OnnxRecord, Tolerance
from cloche.onnx import INTERFACE, MODEL, Interface, OnnxModel
from cloche.records import FrameSpec, Table
from cloche.saving import answering
from cloche.saving.guarding import Trial, Verdict

TOLERANCE = Tolerance("float32", 1e-5, 1e-5)
#: How far outside of the training range a model that computes in float32 itself is compared with its ONNX form.
SPANS = 1.0


def onnx_form(model: Any, flavor: Flavor, directory: Path, frame: FrameSpec, trial: Trial) -> OnnxRecord:
    """Convert *model*, compare it with the rehearsed one, and write `onnx/` into *directory* where they agree."""
    try:
        converted, found = _tried(model, flavor, directory, frame, trial)
    except (NotLoweredError, ArtifactError, MissingExtraError) as exc:
        return OnnxRecord(refused=str(exc))
    if found.refused is None:
        converted.write(directory)
    return OnnxRecord(found.refused, found.rows, found.boundary_rows, found.worst, TOLERANCE)


def exported(opened: OpenArtifact) -> OnnxModel:
    """
    The ONNX form of an artifact that was opened with its native engine: its own, or converted now and compared on
    golden and boundary rows.

    Raises:
        NotLoweredError: it has none, or one that answers differently; the message says why.
        MissingExtraError: the converter or onnxruntime is not installed.
        EngineMissingError: it was opened with another engine.
    """
    directory, native = opened.directory, opened.engine
    if "onnx" in opened.manifest.engines:
        return OnnxModel((directory / MODEL).read_bytes(), Interface.from_json((directory / INTERFACE).read_bytes()))
    if not isinstance(native, NativeEngine):
        raise EngineMissingError(f"{opened.manifest.name}: there is no engine 'native' in this artifact")
    rows = [one.row for one in golden.read(directory / golden.GOLDEN)]
    trial = Trial(opened.compiled, answering.EngineHere(native), Table({}, 0, "numpy"), rows)
    converted, found = _tried(native.native, native.flavor, directory, native.frame, trial)
    if found.refused is not None:
        raise NotLoweredError(f"{opened.manifest.name}: no ONNX form: {found.refused}")
    return converted


def _tried(model: Any, flavor: Flavor, directory: Path, frame: FrameSpec, trial: Trial) -> tuple[OnnxModel, Verdict]:
    contract = trial.compiled.contract
    converted = flavor.to_onnx(model, frame, contract)
    engine = open_onnx(_files(converted, directory), contract)
    bends = _bends(model, flavor, frame, contract)
    spans = None if flavor.tolerance(model).dtype == "float64" else SPANS
    limit = converted.interface.limit()
    return converted, trial.verdict(engine, TOLERANCE, bends=bends, alone=TOLERANCE, limit=limit, spans=spans)


def _files(converted: OnnxModel, directory: Path) -> dict[str, bytes]:
    """The files of the engine as an artifact would hold them; a preparer's lie there already."""
    found = {MODEL: converted.raw, INTERFACE: converted.interface.to_json()}
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
