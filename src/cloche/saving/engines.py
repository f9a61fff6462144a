"""Which engines an artifact offers, the first of them answering, and what its manifest says of those it has not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cloche.errors import SaveRefusedError, UsageError
from cloche.flavors import Flavor
from cloche.manifest import Manifest, OnnxRecord, TwinRecord
from cloche.records import FrameSpec
from cloche.saving.guarding import Trial
from cloche.saving.onnx_form import onnx_form
from cloche.saving.twinning import twin

ENGINES: Final = ("auto", "twin", "native", "onnx")


@dataclass(frozen=True, slots=True)
class Engines:
    """The engines in the order of `manifest.json`; `onnx` is None where none was tried."""

    names: tuple[str, ...]
    twin: TwinRecord
    onnx: OnnxRecord | None = None


def check_choice(engine: str) -> None:
    """
    Raises:
        UsageError: *engine* is no way to answer.
    """
    if engine not in ENGINES:
        raise UsageError(f"engine: expected one of {', '.join(ENGINES)}, got {engine!r}")


def told(manifest: Manifest) -> str:
    """Which engine answers, and why, in words."""
    record, other = manifest.twin, manifest.onnx
    if "twin" in manifest.engines and record is not None:
        return f"twin, equal to the model's own answers on {record.rows + record.boundary_rows} rows"
    if "onnx" in manifest.engines and other is not None:
        rows, limit = other.rows + other.boundary_rows, other.tolerance.absolute
        return f"onnx, within {limit:g} of the model's own answers on {rows} rows"
    reasons = [one.refused for one in (record, other) if one is not None and one.refused is not None]
    return f"native: {reasons[-1]}" if reasons else "native"


def engines(wanted: str, model: Any, flavor: Flavor, directory: Path, frame: FrameSpec, trial: Trial) -> Engines:
    """
    Make what *wanted* asks for ("auto": the twin, else ONNX where the flavor tries it by itself), beside the model.

    Raises:
        SaveRefusedError: an engine was asked for by name, and the model has none; the message says why.
    """
    by_choice = TwinRecord(refused=f"engine='{wanted}' was asked for")
    if wanted == "native":
        return Engines(("native",), by_choice)
    if wanted == "onnx":
        found = onnx_form(model, flavor, directory, frame, trial)
        if found.refused is not None:
            raise SaveRefusedError(f"engine='onnx': this model has no ONNX form: {found.refused}; use engine='auto'")
        return Engines(("onnx", "native"), by_choice, found)
    record = twin(model, flavor, directory, frame, trial)
    if record.refused is None:
        return Engines(("twin", "native"), record)
    if wanted == "twin":
        raise SaveRefusedError(f"engine='twin': this model has no exact twin: {record.refused}; use engine='auto'")
    other = onnx_form(model, flavor, directory, frame, trial) if flavor.onnx_first else None
    names = ("onnx", "native") if other is not None and other.refused is None else ("native",)
    return Engines(names, record, other)
