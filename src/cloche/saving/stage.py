"""
From a fitted model and its tables to a finished artifact in a folder of its own. Nothing is published here.

Every step works on the staging folder only, so a save that dies at any of them leaves no trace but that folder.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from cloche import tables
from cloche.contract import infer as learning
from cloche.contract.compare import Comparison, compare
from cloche.contract.compiled import CompiledContract, compile_contract
from cloche.contract.describe import describe
from cloche.contract.inherit import inherit
from cloche.contract.model import Contract
from cloche.contract.overrides import apply_overrides
from cloche.engines import differences
from cloche.errors import SaveRefusedError, UsageError
from cloche.flavors import Carried, Flavor, flavor_of
from cloche.manifest import Tolerance
from cloche.profile import profile
from cloche.records import Column, Table
from cloche.saving import answering, labels, writing
from cloche.saving.engines import check_choice, engines
from cloche.saving.guarding import Trial
from cloche.saving.material import Material, gather
from cloche.saving.measuring import Measured, measure
from cloche.saving.rehearsal import Rehearsal, RehearsalError
from cloche.saving.request import Inspection, SaveRequest, Staged
from cloche.saving.steps import Steps
from cloche.trust import TrustPolicy

_DEFAULT_TRUST = TrustPolicy()


@dataclass(frozen=True, slots=True)
class _Learnt:
    """The contract a version is to be published with, and how it came about."""

    contract: Contract
    comparison: Comparison | None
    breaks: tuple[str, ...]
    notes: tuple[str, ...]


def stage(
    model: Any,
    name: str,
    request: SaveRequest,
    *,
    previous: Contract | None,
    root: Path,
    trust: TrustPolicy,
    created_by: str,
    progress: Callable[[str], None] | None = None,
) -> Staged:
    """
    Freeze *model* in a new folder under *root*, prove in a fresh process that it opens and answers, describe it.

    *previous* is the contract that the new version inherits. *progress* is told the step under way once all
    of it has taken a second.

    Raises:
        SaveRefusedError: the model or its tables cannot be frozen; the message holds the recipe.
    """
    if request.golden not in ("synthetic", "rows"):
        raise UsageError(f"golden: expected 'synthetic' or 'rows', got {request.golden!r}")
    check_choice(request.engine)
    directory = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=root))
    try:
        with Steps(progress) as step:
            return _stage(model, name, request, previous, directory, trust, created_by, step)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def preview(
    model: Any, request: SaveRequest, *, previous: Contract | None = None, trust: TrustPolicy = _DEFAULT_TRUST
) -> Inspection:
    """
    What `stage` would learn, and nothing kept.

    Raises:
        SaveRefusedError: as `stage` would.
    """
    flavor = flavor_of(model, trust.flavors)
    model = _bundled(flavor, model, request)
    request, facts = _with_carried(request, flavor.carried(model)), flavor.facts(model)
    with (
        tempfile.TemporaryDirectory(prefix="cloche-inspect-") as folder,
        Rehearsal(Path(folder), flavor.name, trust) as rehearsal,
    ):
        material = gather(request, facts)
        _load(rehearsal, flavor.dump(model, Path(folder), trust=trust), material)
        learnt = _learn(request, material, rehearsal, previous)
    notes = (*learnt.notes, *facts.notes)
    return Inspection(learnt.contract, tuple(describe(learnt.contract)), notes, learnt.breaks)


def _stage(
    model: Any,
    name: str,
    request: SaveRequest,
    previous: Contract | None,
    directory: Path,
    trust: TrustPolicy,
    created_by: str,
    step: Callable[[str], None],
) -> Staged:
    flavor = flavor_of(model, trust.flavors)
    model = _bundled(flavor, model, request)
    request, facts = _with_carried(request, flavor.carried(model)), flavor.facts(model)
    with Rehearsal(directory, flavor.name, trust) as rehearsal:
        step("reading the tables")
        material = gather(request, facts)
        step("storing the model")
        options = flavor.dump(model, directory, trust=trust)
        step("loading it back in a fresh process")
        _load(rehearsal, options, material)
        step("probing the model")
        learnt = _learn(request, material, rehearsal, previous)
        compiled = compile_contract(learnt.contract)
        step("checking the contract against the training table")
        answering.check_training_rows(compiled, material.table)
        inputs = profile(material.table, learnt.contract)
        step("answering golden rows")
        digests = tables.fingerprint(material.table) if material.given else (None, {})
        seed = digests[0] or "cloche"
        golden = _golden(rehearsal, compiled, request, material, inputs, flavor.tolerance(model), seed=seed)
        step("comparing the engines with the model")
        trial = Trial(compiled, rehearsal, material.table, golden.rows)
        answering_engines = engines(request.engine, model, flavor, directory, material.frame, trial)
        step("measuring on the test set")
        measured = measure(rehearsal, learnt.contract, _test(request, material))
        notes = (*learnt.notes, *_notes(material, golden, measured))
        step("writing the card and the manifest")
        draft = writing.Draft(
            name, model, flavor, options, request, material, learnt.contract, digests, created_by, answering_engines
        )
        manifest = writing.write(directory, draft, golden, measured, inputs, notes)
        step("opening the artifact as a server will")
        _open(rehearsal, directory)
    notes = (*notes, *writing.advice(manifest))
    rules = tuple(describe(learnt.contract))
    return Staged(directory, manifest, learnt.contract, learnt.comparison, learnt.breaks, notes, rules)


def _with_carried(request: SaveRequest, carried: Carried) -> SaveRequest:
    """The tables inside the model file, where the owner names no others."""
    if request.inputs is None and carried.inputs is not None:
        targets = carried.targets if request.targets is None else request.targets
        request = replace(request, inputs=carried.inputs, targets=targets)
    return replace(request, test=carried.test) if request.test is None else request


def _bundled(flavor: Flavor, model: Any, request: SaveRequest) -> Any:
    return flavor.bundle(
        model,
        request.model_options,
        request.inputs,
        targets=request.targets,
        classes=request.classes,
        aside=(*request.keys, *request.context),
    )


def _test(request: SaveRequest, material: Material) -> tuple[Table, Column | Table] | None:
    if material.test is None:
        return None
    table, truth = material.test
    return table, labels.translated(truth, material.facts, labels.named(request.classes, material.facts))


def _load(rehearsal: Rehearsal, options: dict[str, Any], material: Material) -> None:
    try:
        rehearsal.load(options, material.frame)
    except RehearsalError as exc:
        raise SaveRefusedError(
            f"the model does not load in a fresh process, so no server could load it: {exc}. "
            "Put its own classes and functions into a package that is installed where the model runs "
            "(pip install ./mypackage), import them from there, fit again and save; and allow the types: "
            "cloche trust --type mypackage.module.Class"
        ) from exc


def _open(rehearsal: Rehearsal, directory: Path) -> None:
    try:
        rehearsal.open(directory)
    except RehearsalError as exc:
        raise SaveRefusedError(f"the finished artifact does not open in a fresh process: {exc.kind}: {exc}") from exc


def _learn(request: SaveRequest, material: Material, rehearsal: Rehearsal, previous: Contract | None) -> _Learnt:
    """Infer, name the classes, inherit from the predecessor, apply the owner's rules."""
    classes = labels.named(request.classes, material.facts)
    answers = rehearsal.prober(learning.output_of(material.facts, classes))
    found = learning.infer(
        material.table,
        material.facts,
        answers=answers,
        targets=material.target,
        keys=request.keys,
        context=request.context,
        classes=classes,
        private=request.private,
    )
    contract = found.contract if previous is None else inherit(previous, found.contract, answers)[0]
    contract = apply_overrides(contract, request.overrides) if request.overrides else contract
    if request.log_inputs is not None:
        contract = msgspec.structs.replace(contract, log_inputs=request.log_inputs)
    comparison = None if previous is None else compare(previous, contract)
    breaks = () if comparison is None else tuple(comparison.breaks)
    return _Learnt(contract, comparison, breaks, tuple(found.notes))


def _golden(
    rehearsal: Rehearsal,
    compiled: CompiledContract,
    request: SaveRequest,
    material: Material,
    inputs: Mapping[str, Any],
    tolerance: Tolerance,
    *,
    seed: str,
) -> answering.Answered:
    if request.golden == "rows" and not material.table.rows:
        raise SaveRefusedError("golden='rows' needs the training table: pass inputs=X")
    words = {name: one.words for name, one in material.facts.inputs.items() if one.words}
    found = answering.golden(rehearsal, compiled, material.table, inputs, kind=request.golden, seed=seed, words=words)
    again = answering.answer(rehearsal, compiled, found.rows)
    moved = differences(found.outputs, again.outputs, tolerance)
    if moved:
        raise SaveRefusedError(
            f"the model answers the same rows differently each time ({moved[0]}), so its answers cannot be checked "
            "or replayed; give its random step a fixed random_state, fit again and save"
        )
    return found


def _notes(material: Material, golden: answering.Answered, measured: Measured) -> list[str]:
    """What the owner should know beyond what learning said."""
    found = [*material.facts.notes, *measured.notes]
    if material.test is None:
        found.append(
            "no test set: quality, calibration and the reference of the answers are unknown; pass test=(X_test, y_test)"
        )
    inside = material.facts.training_rows_inside
    if inside:
        found.append(f"privacy: the model file holds training rows ({inside})")
    if golden.refused:
        found.append(f"some rows that the contract allows were not answered: {golden.refused}")
    return found
