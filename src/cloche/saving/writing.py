"""The files of an artifact beside the model: contract, golden rows, reference, card, and the manifest last."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cloche import integrity, profile, tables
from cloche._version import __version__
from cloche.artifact import golden as golden_rows
from cloche.contract.describe import describe
from cloche.contract.model import Contract
from cloche.errors import UsageError
from cloche.flavors import Flavor
from cloche.manifest import MANIFEST, Manifest, Metric, Training
from cloche.records import Column, Table
from cloche.saving import card, provenance, reference, script
from cloche.saving.answering import Answered
from cloche.saving.engines import Engines
from cloche.saving.environment import environment
from cloche.saving.material import Material
from cloche.saving.measuring import Measured
from cloche.saving.request import SaveRequest

CONTRACT = "contract.json"
GOLDEN = "golden.jsonl"
_MAX_PARAMETERS = 300
_MAX_PARAMETER_CHARS = 120


@dataclass(frozen=True, slots=True)
class Draft:
    """All that is known of a version before its files are written; `fingerprint` is of the table and its columns."""

    name: str
    model: Any
    flavor: Flavor
    options: Mapping[str, Any]
    request: SaveRequest
    material: Material
    contract: Contract
    fingerprint: tuple[str | None, dict[str, str]]
    created_by: str
    engines: Engines


def write(
    directory: Path,
    draft: Draft,
    golden: Answered,
    measured: Measured,
    inputs: Mapping[str, Any],
    notes: Sequence[str],
) -> Manifest:
    """Write everything but the model into *directory*; `manifest.json` last, over the digests of the others."""
    (directory / CONTRACT).write_bytes(draft.contract.to_json())
    golden_rows.write(directory / GOLDEN, golden.rows, golden.outputs)
    quality = list(measured.metrics) or None
    (directory / reference.FILE).write_bytes(
        reference.to_json(
            _with_importance(inputs, measured.importance or {}),
            measured.predictions,
            measured.calibration,
            quality,
            profile.pairs(draft.material.table, draft.contract, inputs) or None,
            measured.estimation,
        )
    )
    manifest = _manifest(draft, (*measured.metrics, *_own(draft.request.metrics)))
    manifest = with_changes(manifest, training=with_script(directory, manifest.training, draft.request.script))
    text = card.card(manifest, draft.contract, describe(draft.contract), notes)
    (directory / card.FILE).write_text(text, encoding="utf-8")
    return seal(directory, manifest)


def seal(directory: Path, manifest: Manifest) -> Manifest:
    """Write `manifest.json` over the files that lie in *directory* now."""
    files = integrity.file_entries(directory)
    sealed = with_changes(manifest, files={path: entry for path, entry in files.items() if path != MANIFEST})
    (directory / MANIFEST).write_bytes(sealed.to_json())
    return sealed


def _with_importance(inputs: Mapping[str, Any], found: Mapping[str, float]) -> dict[str, Any]:
    return {name: one | ({"importance": found[name]} if name in found else {}) for name, one in inputs.items()}


def with_changes(manifest: Manifest, **changes: Any) -> Manifest:
    """The manifest with some attributes replaced."""
    kept = {name: getattr(manifest, name) for name in manifest.__struct_fields__}
    return Manifest(**{**kept, **changes})


def now() -> str:
    """The time, as manifests write it: RFC 3339, UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def advice(manifest: Manifest) -> Iterator[str]:
    """What the owner should know of where the model comes from, and what a server needs to open it."""
    if (manifest.training.git or {}).get("dirty"):
        yield "git: there are uncommitted changes, so the commit in the manifest is not the whole code"


def _manifest(draft: Draft, metrics: tuple[Metric, ...]) -> Manifest:
    return Manifest(
        name=draft.name,
        task=draft.contract.output.task,
        flavor=draft.flavor.name,
        framework=draft.flavor.framework(draft.model),
        created=now(),
        created_by=draft.created_by,
        cloche=__version__,
        frame=draft.material.frame,
        files={},
        environment=environment(tuple(draft.flavor.packages), draft.flavor.environment(draft.model)),
        options=dict(draft.options),
        engines=draft.engines.names,
        tolerance=draft.flavor.tolerance(draft.model),
        twin=draft.engines.twin,
        onnx=draft.engines.onnx,
        training=_training(draft),
        metrics=metrics,
        lineage=dict(draft.request.lineage),
        description=draft.request.description,
        license=draft.request.license,
    )


def with_script(directory: Path, training: Training, wanted: str | Path | bool | None) -> Training:
    """The same with the training script recorded, and copied into *directory* where that is wanted."""
    kept = {name: getattr(training, name) for name in training.__struct_fields__}
    return Training(**{**kept, "script": script.record(directory, wanted)})


def _training(draft: Draft) -> Training:
    whole, columns = draft.fingerprint
    return Training(
        rows=draft.material.table.rows if draft.material.given else None,
        fingerprint=whole,
        column_fingerprints=columns,
        target_fingerprints=_of_targets(draft.material.target),
        data_version=draft.request.data_version,
        seed=draft.request.seed,
        hyperparameters=_plain(draft.material.facts.hyperparameters),
        git=provenance.git(Path.cwd()),
        embeds_training_rows=draft.material.facts.training_rows_inside,
    )


def _of_targets(target: Column | Table | None) -> dict[str, str]:
    if target is None:
        return {}
    table = target if isinstance(target, Table) else Table({target.name: target}, len(target.values), "list")
    return tables.fingerprint(table)[1]


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters as JSON: plain values as they are, all else as short text (tables are not written out)."""
    return {str(name): _plain_value(value) for name, value in list(parameters.items())[:_MAX_PARAMETERS]}


def _plain_value(value: Any) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value[:_MAX_PARAMETER_CHARS] if isinstance(value, str) else value
    if isinstance(value, (int, float)):
        return value if math.isfinite(value) and abs(value) < 2**63 else str(value)
    if hasattr(value, "shape") or isinstance(value, Table):
        return f"<{type(value).__name__} {getattr(value, 'shape', '')}>"
    return " ".join(repr(value).split())[:_MAX_PARAMETER_CHARS]


def _own(metrics: Mapping[str, float]) -> Iterator[Metric]:
    """The owner's own figures, marked as such."""
    for name, value in metrics.items():
        if isinstance(value, bool) or not math.isfinite(float(value)):
            raise UsageError(f"metrics: {name}: expected a finite number, got {value!r}")
        yield Metric(str(name), float(value), "user", 0)
