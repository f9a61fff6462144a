"""What a server tells about itself: health, readiness, the models it holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from cloche.contract.model import Field
from cloche.errors import DrainingError, LogUnavailableError, NotReadyError
from cloche.protocols.served import ServedModel
from cloche.serving.deployment import Deployment
from cloche.serving.deployments import Deployments, Held
from cloche.web.gate import Admitted, Gate
from cloche.web.recording import LogState, Records


def live() -> dict[str, Any]:
    """The process answers."""
    return {"status": "live"}


def ready(deployments: Deployments, gate: Gate, records: Records | None = None) -> dict[str, Any]:
    """
    Whether this replica should get requests; what does not work and no other replica could do better is `degraded`.

    Raises:
        DrainingError: the server is shutting down.
        NotReadyError: a model has no version that answers.
        LogUnavailableError: this host cannot keep records, and answers nothing without them.
    """
    if gate.phase != "serving":
        raise DrainingError("the server is shutting down")
    if not deployments.ready:
        raise NotReadyError("a model is not loaded yet")
    if records is not None and not records.able:
        raise LogUnavailableError("records of answers cannot be kept: the spool cannot be written")
    answer: dict[str, Any] = {"status": "ready"}
    degraded = sorted(deployments.degraded | ({"models"} if any(held.refused for held in deployments) else set()))
    return answer | ({"degraded": degraded} if degraded else {})


def models(deployments: Deployments, admitted: Admitted) -> dict[str, Any]:
    """The models that the caller's key covers, and which of them `/predict` means."""
    seen = [held for held in deployments if admitted.may_see(held.name)]
    return {"models": [_summary(held) for held in seen], "default": deployments.default_name}


def _summary(held: Held) -> dict[str, Any]:
    found = held.default
    return {
        "name": held.name,
        "version": None if found is None else str(found.version),
        "contract": None if found is None else found.number,
        "route": held.route,
        "versions": sorted({one.version for one in held}),
    }


def metadata(held: Held, log: LogState = "off") -> dict[str, Any]:
    """
    Everything a caller may know of a model.

    `log` is "full", "partial" or "off"; `serving.refused` says why a wanted version is not served.
    """
    found = held.default
    if found is None:
        raise NotReadyError(f"no version of '{held.name}' is loaded")
    manifest = found.manifest
    return {
        "model_name": held.name,
        "model_version": str(found.version),
        "framework": manifest.framework,
        "last_trained": manifest.created,
        "task": manifest.task,
        "contract": _contract(found),
        "classes": found.compiled.contract.output.classes,
        "metrics": msgspec.to_builtins(manifest.metrics),
        "guaranteed": {
            "tolerance": msgspec.to_builtins(manifest.tolerance_of(found.engine)),
            "engine": found.engine,
        },
        "log": log,
        "serving": _serving(held),
    }


def _contract(found: Deployment) -> dict[str, Any]:
    contract = found.compiled.contract
    return {
        "number": found.number,
        "fields": [_field(field) for field in contract.fields],
        "output": msgspec.to_builtins(contract.output),
        "ignored": list(contract.ignored),
        "strict": found.compiled.strict,
    }


def _field(field: Field) -> dict[str, Any]:
    """The rule without how it was learnt; of a private field nothing that was seen in the table."""
    rule: dict[str, Any] = msgspec.to_builtins(field)
    hidden = ("evidence", "levels", "training_range", "minimum", "maximum") if field.private else ("evidence",)
    return {key: value for key, value in rule.items() if key not in hidden}


def _serving(held: Held) -> dict[str, Any]:
    return {
        "route": held.route,
        "wanted": {str(number): version for number, version in held.wanted.items()},
        "serving": {str(number): one.version for number, one in held.answering.items()},
        "warm": sorted(one.version for one in held.warm),
        "refused": {str(version): why for version, why in held.refused.items()},
    }


def served(deployments: Deployments, admitted: Admitted) -> list[ServedModel]:
    """The models as the OpenAPI document and the docs page want them, the default one first."""
    visible = [held for held in deployments if admitted.may_see(held.name)]
    visible.sort(key=lambda held: held.name != deployments.default_name)
    return [one for held in visible for one in _versions(held, default=held.name == deployments.default_name)]


def _versions(held: Held, *, default: bool) -> Iterator[ServedModel]:
    first = held.default
    for one in sorted(held.answering.values(), key=lambda one: (one is not first, one.number)):
        yield ServedModel.of(
            held.name,
            one.version,
            one.number,
            one.compiled.contract,
            one.manifest,
            route=held.route,
            default=default,
            strict=one.compiled.strict,
            promises=held.promises,
        )
