"""A new version with the same model and other rules: `cloche contract NAME --set FIELD.KEY=VALUE`."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from cloche.artifact import golden as golden_rows
from cloche.artifact import open_artifact
from cloche.contract.compare import compare
from cloche.contract.compiled import CompiledContract, compile_contract
from cloche.contract.describe import describe
from cloche.contract.model import LogInputs
from cloche.contract.overrides import apply_overrides
from cloche.errors import InvalidInputError, SaveRefusedError
from cloche.manifest import MANIFEST, SIGNATURE, identity
from cloche.records import Outputs
from cloche.saving import card, reference, synthetic, writing
from cloche.saving.reference import FILE as REFERENCE
from cloche.saving.request import Staged
from cloche.trust import TrustPolicy


def recontract(
    directory: Path,
    overrides: Mapping[str, Mapping[str, Any]],
    *,
    root: Path,
    trust: TrustPolicy,
    created_by: str,
    log_inputs: LogInputs | None = None,
) -> Staged:
    """
    Copy the artifact in *directory* to a new folder under *root*, with *overrides* in its contract.

    *log_inputs* sets what the prediction log keeps of its inputs; None leaves that.

    The model, its reference and its metrics stay; golden rows that the new rules refuse are left out, and where none is
    left new ones are drawn and answered. `lineage.from` names the artifact it was made from.

    Raises:
        UsageError: no such field or rule.
        SaveRefusedError: no row is left that the contract takes and the model answers.
        ArtifactError: the artifact does not open.
    """
    opened = open_artifact(directory, trust, engine="native")  # the model itself answers new golden rows
    contract = apply_overrides(opened.contract, overrides)
    if log_inputs is not None:
        contract = msgspec.structs.replace(contract, log_inputs=log_inputs)
    compiled = compile_contract(contract)
    target = Path(tempfile.mkdtemp(prefix=f"{opened.manifest.name}-", dir=root))
    try:
        shutil.copytree(directory, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MANIFEST, SIGNATURE))
        rows, outputs = _golden(target, compiled, opened.engine)
        golden_rows.write(target / writing.GOLDEN, rows, outputs)
        (target / writing.CONTRACT).write_bytes(contract.to_json())
        (target / REFERENCE).write_bytes(reference.for_rules((target / REFERENCE).read_bytes(), contract))
        manifest = writing.with_changes(
            opened.manifest, created=writing.now(), created_by=created_by, lineage={"from": opened.identity}
        )
        notes = (
            f"the same model as artifact {opened.identity[:12]}, with changed rules: {_listed(overrides, log_inputs)}",
        )
        text = card.card(manifest, contract, describe(contract), notes)
        (target / card.FILE).write_text(text, encoding="utf-8")
        manifest = writing.seal(target, manifest)
        open_artifact(target, trust.names_only().with_digest(identity((target / MANIFEST).read_bytes())))
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    comparison = compare(opened.contract, contract)
    return Staged(target, manifest, contract, comparison, tuple(comparison.breaks), notes, tuple(describe(contract)))


def _golden(directory: Path, compiled: CompiledContract, engine: Any) -> tuple[list[dict[str, Any]], Outputs]:
    """The old golden rows that the new rules take, else newly drawn ones, with the model's answers."""
    old = [row for row, _ in golden_rows.read(directory / writing.GOLDEN)]
    rows = [row for row in old if _takes(compiled, row)]
    if not rows:
        inputs = json.loads((directory / REFERENCE).read_bytes())["inputs"]
        rows = [row for row in synthetic.draw(compiled.contract, inputs, "recontract") if _takes(compiled, row)]
    if not rows:
        raise SaveRefusedError("the changed contract takes none of the golden rows: a rule contradicts the others")
    valid = compiled.validate(rows, single=False)
    return rows, engine.predict(valid.columns(), len(rows))


def _takes(compiled: CompiledContract, row: dict[str, Any]) -> bool:
    try:
        compiled.validate([row], single=True)
    except InvalidInputError:
        return False
    return True


def _listed(overrides: Mapping[str, Mapping[str, Any]], log_inputs: LogInputs | None) -> str:
    rules = [f"{field}.{key} = {value!r}" for field, rules in overrides.items() for key, value in rules.items()]
    return ", ".join([*rules, *([] if log_inputs is None else [f"log_inputs = {log_inputs!r}"])])
