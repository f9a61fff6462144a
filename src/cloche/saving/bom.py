"""
The bill of materials of a version: CycloneDX 1.6 with a model card, made from the manifest and the contract alone.

https://cyclonedx.org/docs/1.6/json/ — the same bytes every time: the serial number is derived from the artifact's
identity and the time is that of the save.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from cloche.contract.model import Contract
from cloche.manifest import Manifest, Metric

#: uuid5 of a name of our own, so that equal artifacts get equal serial numbers and nobody else's are met.
_NAMESPACE = uuid.UUID("6f1c1a52-5d0b-5a9e-9a0e-0c9d7c5b1e11")
_MODEL, _DATA, _PYTHON = "model", "training-data", "python"


def bill(manifest: Manifest, contract: Contract, *, digest: str, version: int) -> dict[str, Any]:
    """The document of one version, whose artifact has the identity *digest*."""
    libraries = list(_libraries(manifest))
    data = list(_data(manifest))
    needed = [_PYTHON, *(one["bom-ref"] for one in [*data, *libraries])]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(_NAMESPACE, f"{manifest.name}/{version}/{digest}").urn,
        "version": 1,
        "metadata": {
            "timestamp": manifest.created,
            "tools": {"components": [{"type": "application", "name": "cloche", "version": manifest.cloche}]},
            "component": _model(manifest, contract, digest, version),
        },
        "components": [*data, _python(manifest), *libraries, *_files(manifest)],
        "dependencies": [{"ref": _MODEL, "dependsOn": needed}],
    }


def _model(manifest: Manifest, contract: Contract, digest: str, version: int) -> dict[str, Any]:
    licenses = {} if not manifest.license else {"licenses": [_license(manifest.license)]}
    described = {} if not manifest.description else {"description": manifest.description}
    return {
        "type": "machine-learning-model",
        "bom-ref": _MODEL,
        "name": manifest.name,
        "version": str(version),
        **described,
        "hashes": [_sha256(digest)],
        **licenses,
        "purl": f"pkg:generic/{quote(manifest.name)}@{version}?checksum=sha256:{digest}",
        "modelCard": _card(manifest, contract),
        "properties": _properties(manifest),
    }


def _license(text: str) -> dict[str, Any]:
    """By name: whether it is an SPDX identifier of the list is the owner's affair."""
    return {"license": {"name": text}}


def _card(manifest: Manifest, contract: Contract) -> dict[str, Any]:
    considerations = {
        **({} if not manifest.description else {"useCases": [manifest.description]}),
        "technicalLimitations": list(_limits(manifest)),
    }
    measured = [_metric(one) for one in manifest.metrics]
    return {
        "bom-ref": "model-card",
        "modelParameters": {
            "approach": {"type": "unsupervised" if manifest.task in ("clustering", "anomaly") else "supervised"},
            "task": manifest.task,
            "architectureFamily": manifest.framework.partition(" ")[0],
            **({} if manifest.training.fingerprint is None else {"datasets": [{"ref": _DATA}]}),
            "inputs": [{"format": f"{field.name}: {field.type}"} for field in contract.fields if field.role == "input"],
            "outputs": [{"format": _output(contract)}],
        },
        **({} if not measured else {"quantitativeAnalysis": {"performanceMetrics": measured}}),
        "considerations": considerations,
    }


def _output(contract: Contract) -> str:
    output = contract.output
    classes = f" of {', '.join(map(str, output.classes))}" if output.classes else ""
    return f"{output.task}: {output.type}{classes}"


def _metric(one: Metric) -> dict[str, Any]:
    interval = (
        {} if one.interval is None else dict(zip(("lowerBound", "upperBound"), map(repr, one.interval), strict=True))
    )
    return {
        "type": one.name,
        "value": repr(one.value),
        "slice": f"{one.split}, {one.n} rows" if one.n else one.split,
        **({"confidenceInterval": interval} if interval else {}),
    }


def _limits(manifest: Manifest) -> Iterator[str]:
    yield "It knows what its training table held; values outside the training range are answered with a warning."
    inside = manifest.training.embeds_training_rows
    if inside:
        yield f"The model file holds training rows ({inside})."
    if not any(one.split == "test" for one in manifest.metrics):
        yield "Its quality on rows that it was not fitted on is not known."


def _properties(manifest: Manifest) -> list[dict[str, str]]:
    training = manifest.training
    git = training.git or {}
    known: dict[str, Any] = {
        "cloche:flavor": manifest.flavor,
        "cloche:framework": manifest.framework,
        "cloche:engines": ", ".join(manifest.engines),
        "cloche:training:seed": training.seed,
        "cloche:training:git:commit": git.get("commit"),
        "cloche:training:script:sha256": None if training.script is None else training.script.sha256,
        **{f"cloche:hyperparameter:{key}": value for key, value in sorted(training.hyperparameters.items())},
    }
    return [{"name": key, "value": str(value)} for key, value in known.items() if value is not None]


def _data(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """The training table: by the digests of its columns, never by a value."""
    training = manifest.training
    if training.fingerprint is None:
        return
    columns = [{"name": f"sha256:{name}", "value": digest} for name, digest in training.column_fingerprints.items()]
    properties = [{"name": "rows", "value": str(training.rows)}, *columns]
    dataset = {"type": "dataset", "name": "training table", "contents": {"properties": properties}}
    yield {
        "type": "data",
        "bom-ref": _DATA,
        "name": "training table",
        "version": training.data_version or training.fingerprint[:12],
        "hashes": [_sha256(training.fingerprint)],
        "data": [dataset],
    }


def _python(manifest: Manifest) -> dict[str, Any]:
    environment = manifest.environment
    platform = [{"name": "cloche:platform", "value": environment.platform}]
    return {
        "type": "platform", "bom-ref": _PYTHON, "name": "python", "version": environment.python, "properties": platform,
    }  # fmt: skip


def _libraries(manifest: Manifest) -> Iterator[dict[str, Any]]:
    for name, version in sorted(manifest.environment.packages.items()):
        purl = f"pkg:pypi/{_normal(name)}@{quote(version, safe='.!-')}"
        yield {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _files(manifest: Manifest) -> Iterator[dict[str, Any]]:
    for path, entry in sorted(manifest.files.items()):
        yield {"type": "file", "bom-ref": f"file:{path}", "name": path, "hashes": [_sha256(entry.sha256)]}


def _normal(name: str) -> str:
    """As package URLs spell a name of PyPI: lower-case, one dash for any run of `-_.` (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _sha256(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest}
