"""What is known about models and versions, as plain data: for `list`, `show` and `diff`."""

from __future__ import annotations

from typing import Any

import msgspec

from cloche.contract.model import Contract
from cloche.manifest import Manifest, Metric, Training
from cloche.prediction_log.rows import not_kept
from cloche.registry import evaluations
from cloche.registry.model import RouteState, VersionRecord
from cloche.registry.reader import Reader

#: Of the training, what has a section of its own, or a line for each of its parts.
_OF_THEIR_OWN = frozenset({"hyperparameters", "column_fingerprints", "target_fingerprints", "git", "script"})
#: Of a field, what is evidence and no promise.
_NOT_COMPARED = frozenset({"name", "evidence"})


def models(reader: Reader) -> list[dict[str, Any]]:
    """One row a model: how many versions, which one is live."""
    rows = []
    for name in reader.models():
        records = reader.versions(name) or reader.records(name)[0]
        rows.append(
            {
                "name": name,
                "versions": len(records),
                "latest": records[-1].version,
                "live": _live(reader.routes(name)),
                "updated": records[-1].at,
            }
        )
    return rows


def versions(reader: Reader, name: str) -> list[dict[str, Any]]:
    """
    One row a version of *name*, oldest first.

    Raises:
        ModelNotFoundError: no such model.
    """
    records, deleted = reader.records(name)
    if not records:
        raise reader.no_model(name)
    routes = reader.routes(name)
    return [
        _deleted_row(reader, record) if record.version in deleted else _row(reader, record, routes)
        for record in records
    ]


def show(reader: Reader, record: VersionRecord) -> dict[str, Any]:
    """Everything that is known about one version."""
    manifest, contract = reader.manifest_of(record), reader.contract_of(record)
    told: dict[str, Any] = msgspec.to_builtins(manifest)
    added = [{"key": one.key_id, "by": one.by, "at": one.at} for one in reader.signatures_of(record)]
    return {
        "name": record.name,
        "version": record.version,
        "routes": _routes(reader.routes(record.name), record.version),
        "contract": record.contract,
        "revision": record.revision,
        "artifact": record.manifest,
        "signed": record.signature is not None or bool(added),
        **({"signatures": added} if added else {}),
        "published_by": record.by,
        "published_at": record.at,
        **({} if record.copied_from is None else {"copied_from": msgspec.to_builtins(record.copied_from)}),
        **{key: value for key, value in told.items() if key not in ("name", "files", "frame", "schema")},
        "fields": [msgspec.to_builtins(field) for field in contract.fields],
        "ignored": list(contract.ignored),
        "output": msgspec.to_builtins(contract.output),
        "files": {path: entry["size"] for path, entry in told["files"].items()},
        "evaluations": [one.summary() for one in evaluations.latest(reader.store, record.name, record.version)],
        "not_replayable": not_kept(contract),
    }


def diff(reader: Reader, old: VersionRecord, new: VersionRecord) -> dict[str, Any]:
    """What differs between two versions; a section without differences is empty."""
    before, after = reader.manifest_of(old), reader.manifest_of(new)
    old_contract, new_contract = reader.contract_of(old), reader.contract_of(new)
    return {
        "name": new.name,
        "old": old.version,
        "new": new.version,
        "same_artifact": old.manifest == new.manifest,
        "fields": _fields(old_contract, new_contract),
        "output": _changes(msgspec.to_builtins(old_contract.output), msgspec.to_builtins(new_contract.output)),
        "metrics": _metrics(before, after),
        "hyperparameters": _changes(before.training.hyperparameters, after.training.hyperparameters),
        "training": _changes(_training(before), _training(after)),
        "columns": columns(before.training, after.training),
        "environment": _changes(_environment(before), _environment(after)),
    }


def _row(reader: Reader, record: VersionRecord, routes: RouteState | None) -> dict[str, Any]:
    manifest = reader.manifest_of(record)
    return {
        "version": record.version,
        "contract": record.contract,
        "routes": ", ".join(_routes(routes, record.version)) or None,
        "framework": manifest.framework,
        "metric": next((f"{m.name} {m.value:.4g} ({m.split})" for m in manifest.metrics), None),
        "by": record.by,
        "at": record.at,
        "artifact": record.manifest[:12],
    }


def _deleted_row(reader: Reader, record: VersionRecord) -> dict[str, Any]:
    """The same columns; the artifact may be gone."""
    return {
        "version": record.version,
        "contract": record.contract,
        "routes": str(reader.tombstone(record.name, record.version) or "") or None,
        "framework": None,
        "metric": None,
        "by": record.by,
        "at": record.at,
        "artifact": record.manifest[:12],
    }


def _routes(routes: RouteState | None, version: int) -> list[str]:
    return [] if routes is None else routes.routes_of(version)


def _live(routes: RouteState | None) -> str | None:
    if routes is None or not routes.live:
        return None
    if len(routes.live) == 1:
        return str(next(iter(routes.live.values())))
    return ", ".join(f"{version} (contract {contract})" for contract, version in sorted(routes.live.items()))


def _fields(old: Contract, new: Contract) -> dict[str, Any]:
    before, after = ({f.name: msgspec.to_builtins(f) for f in one.fields} for one in (old, new))
    changed = {}
    for name in before.keys() & after.keys():
        changes = {key: value for key, value in _changes(before[name], after[name]).items() if key not in _NOT_COMPARED}
        if changes:
            changed[name] = changes
    return {
        "added": [name for name in after if name not in before],
        "removed": [name for name in before if name not in after],
        "changed": {name: changed[name] for name in after if name in changed},
    }


def _metrics(before: Manifest, after: Manifest) -> list[dict[str, Any]]:
    old, new = ({(m.name, m.split): m for m in one.metrics} for one in (before, after))
    keys = [*old, *(key for key in new if key not in old)]
    return [_metric(name, split, old.get((name, split)), new.get((name, split))) for name, split in keys]


def _metric(name: str, split: str, old: Metric | None, new: Metric | None) -> dict[str, Any]:
    return {
        "name": name,
        "split": split,
        "old": None if old is None else old.value,
        "new": None if new is None else new.value,
        "change": None if old is None or new is None else new.value - old.value,
    }


def _training(manifest: Manifest) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(manifest.training)
    flat = {key: value for key, value in told.items() if key not in _OF_THEIR_OWN}
    for name in ("git", "script"):
        flat |= {f"{name}.{key}": value for key, value in (told.get(name) or {}).items()}
    return flat


def columns(old: Training, new: Training) -> dict[str, list[str]]:
    """
    The columns of the training table that came, went, or hold other values, by name; a target's says so.

    `order` lists the columns where only their order is another one; rows in another order change every column.
    """
    before, after = _fingerprints(old), _fingerprints(new)
    changed = [name for name in after if name in before and before[name] != after[name]]
    return {
        "added": [name for name in after if name not in before],
        "removed": [name for name in before if name not in after],
        "changed": changed,
        "order": list(after) if before.keys() == after.keys() and list(before) != list(after) else [],
    }


def _fingerprints(training: Training) -> dict[str, str]:
    targets = {f"{name or 'unnamed'} (target)": digest for name, digest in training.target_fingerprints.items()}
    return {**training.column_fingerprints, **targets}


def _environment(manifest: Manifest) -> dict[str, Any]:
    env = manifest.environment
    return {"python": env.python, "platform": env.platform, "cloche": manifest.cloche, **env.packages}


def _changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, dict[str, Any]]:
    keys = [*old, *(key for key in new if key not in old)]
    return {key: {"old": old.get(key), "new": new.get(key)} for key in keys if old.get(key) != new.get(key)}
