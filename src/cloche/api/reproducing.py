"""Whether training again gives the same model: the recorded script is run, and the answers are compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from cloche import audit
from cloche.api.opening import open_record
from cloche.api.rerunning import Rerun
from cloche.api.workplace import Workplace
from cloche.artifact import OpenArtifact, golden, open_artifact
from cloche.engines import differences
from cloche.errors import NotReproducibleError
from cloche.manifest import Manifest, Tolerance
from cloche.registry import Registry, VersionRecord
from cloche.registry.views import columns
from cloche.saving import answering, synthetic
from cloche.saving.script import hidden
from cloche.store import Store

#: Of the differences between two answers, so many are told.
_TOLD = 5


@dataclass(frozen=True, slots=True)
class Reproduction:
    """
    What came of training again.

    `verdict` is "equal" where every one of `rows` is answered within the tolerance of the recorded manifest. `columns`
    says which columns of the training table hold other values than then (None: one of the two saw no table),
    `hyperparameters` and `environment` what else is other; `notes` what the reader should know.
    """

    name: str
    version: int
    verdict: Literal["equal", "different"]
    source: str
    command: tuple[str, ...]
    rows: int
    tolerance: dict[str, Any]
    differences: tuple[str, ...] = ()
    columns: dict[str, list[str]] | None = None
    hyperparameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    environment: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def same_data(self) -> bool | None:
        """Whether the training table was the same to the value; None where that is not known."""
        return None if self.columns is None else not any(self.columns.values())


def reproduce(here: Workplace, record: VersionRecord, rerun: Rerun, *, timeout_s: float | None = None) -> Reproduction:
    """
    Train again, and compare the answers of the version of that name which the script saves with the recorded ones.

    Asked are the golden rows and rows drawn from the reference. The run is on record before it starts.

    Raises:
        NotReproducibleError: the script fails, or saves no model of that name.
        ArtifactError: the recorded version does not open here.
    """
    old = open_record(here, record)
    name = f"{record.name}@{record.version}"
    audit.record(
        here.trust.audit, who=here.user, what="reproduce", verdict="run", must=True, name=name, digest=record.manifest,
        why=f"{rerun.source}: {' '.join(hidden(rerun.command))}",
    )  # fmt: skip
    rerun.run(timeout_s)
    made, notes = _made(rerun.store, record.name)
    directory = made.registry.fetch(made.record, rerun.store.with_name("cache"))
    new = open_artifact(directory, here.trust.names_only().with_digest(made.record.manifest))
    tolerance = old.manifest.tolerance_of(old.engine.name, new.engine.name)
    rows, found = _compared(old, new, tolerance)
    verdict: Literal["equal", "different"] = "different" if found else "equal"
    audit.record(here.trust.audit, who=here.user, what="reproduce", verdict=verdict, name=name, digest=record.manifest)
    return Reproduction(
        name=record.name,
        version=record.version,
        verdict=verdict,
        source=rerun.source,
        command=rerun.command,
        rows=rows,
        tolerance=msgspec.to_builtins(tolerance),
        differences=tuple(found[:_TOLD]),
        columns=_columns(old.manifest, new.manifest),
        hyperparameters=_changes(old.manifest.training.hyperparameters, new.manifest.training.hyperparameters),
        environment=tuple(_environment(old.manifest, new.manifest)),
        notes=notes,
    )


# -- the version that the run saved ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Made:
    registry: Registry
    record: VersionRecord


def _made(store: Path, name: str) -> tuple[_Made, tuple[str, ...]]:
    """The last version of *name* in the throw-away store."""
    registry = Registry(Store.open(str(store), Path.cwd()))
    names = registry.models()
    if name not in names:
        saved = f"it saved {', '.join(names)}" if names else "it saved nothing"
        raise NotReproducibleError(f"the training script ran, and saved no model '{name}': {saved}")
    records = registry.versions(name)
    notes = (f"the script saved {len(records)} versions of {name}; the last one is compared",)
    return _Made(registry, records[-1]), notes if len(records) > 1 else ()


# -- comparing -------------------------------------------------------------------------------------


def _compared(old: OpenArtifact, new: OpenArtifact, tolerance: Tolerance) -> tuple[int, list[str]]:
    """How many rows were asked, and where the answers differ; both models are asked by the recorded contract."""
    compiled = answering.inputs_only(old.contract)
    before = answering.answer(answering.EngineHere(old.engine), compiled, _rows(old))
    if not before.rows:
        raise NotReproducibleError(f"the recorded model answers no row that could be compared: {before.refused}")
    classes = [one.contract.output.classes for one in (old, new)]
    if classes[0] != classes[1]:
        return len(before.rows), [f"classes: expected {_listed(classes[0])}, got {_listed(classes[1])}"]
    after = answering.answer(answering.EngineHere(new.engine), compiled, before.rows)
    if len(after.rows) != len(before.rows):
        lost = len(before.rows) - len(after.rows)
        return len(before.rows), [f"{lost} rows are not answered by the new model: {after.refused}"]
    return len(before.rows), differences(before.outputs, after.outputs, tolerance)


def _rows(old: OpenArtifact) -> list[dict[str, Any]]:
    """The golden rows, and others drawn from the reference: the same ones every time."""
    names = {one.name for one in old.contract.inputs}
    kept = [one.row for one in golden.read(old.directory / golden.GOLDEN)]
    profile = old.reference_inputs()
    drawn = [] if profile is None else synthetic.draw(old.contract, profile, "reproduce")
    return [{key: value for key, value in row.items() if key in names} for row in [*kept, *drawn]]


def _listed(classes: Any) -> str:
    return "none" if classes is None else ", ".join(map(str, classes))


def _columns(old: Manifest, new: Manifest) -> dict[str, list[str]] | None:
    if not old.training.column_fingerprints or not new.training.column_fingerprints:
        return None
    return columns(old.training, new.training)


def _changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, dict[str, Any]]:
    keys = [*old, *(key for key in new if key not in old)]
    return {key: {"old": old.get(key), "new": new.get(key)} for key in keys if old.get(key) != new.get(key)}


def _environment(old: Manifest, new: Manifest) -> Iterator[str]:
    """By what the new version says of itself: it may have been trained under another Python than this one."""
    before, after = old.environment, new.environment
    for what, then, now in (("Python", before.python, after.python), ("platform", before.platform, after.platform)):
        if then != now:
            yield f"{what} {then} then, {now} now"
    for package, then in before.packages.items():
        if after.packages.get(package) not in (then, None):
            yield f"{package} {then} then, {after.packages[package]} now"
