"""What `cloche show` and `cloche diff` tell a reader: what matters, in words; the whole is in `--json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from cloche.contract.describe import describe
from cloche.contract.model import Contract, Output
from cloche.contract.model import Field as ContractField
from cloche.manifest import Manifest


def shown(document: Mapping[str, Any]) -> Iterator[str]:
    """One version: what it is, what it was made of, how good it is, what it takes and answers."""
    state = ", ".join(document["routes"]) or "on no route"
    yield f"{document['name']} version {document['version']} (contract {_contract(document)}, {state})"
    yield from _entries(
        {
            "framework": f"{document['framework']}, {document['task']}",
            "published": f"{document['published_at']} by {document['published_by']}",
            "artifact": f"{document['artifact']} ({'signed' if document['signed'] else 'not signed'})",
            "size": _size(sum(document["files"].values())),
            "trained on": _training(document.get("training") or {}),
            "code": _code((document.get("training") or {}).get("git")),
            "script": _script((document.get("training") or {}).get("script")),
            "license": document.get("license"),
            "description": document.get("description"),
        }
    )
    yield ""
    yield from _metrics(document.get("metrics") or [])
    yield from _evaluations(document["evaluations"])
    yield ""
    why = document["not_replayable"]
    yield "logged answers can be replayed" if why is None else f"logged answers cannot be replayed: {why}"
    yield from contract_lines(_contract_of(document))


def contract_lines(contract: Contract) -> Iterator[str]:
    """Each field's rule, what is ignored, what is answered."""
    rules = describe(contract)
    width = max((len(rule.name) for rule in rules), default=0)
    roles = max((len(rule.role) for rule in rules), default=0)
    yield from (f"  {rule.name:<{width}}  {rule.role:<{roles}}  {rule.rule}" for rule in rules)
    if contract.ignored:
        yield f"accepted and ignored: {', '.join(contract.ignored)}"
    if contract.log_inputs != "keep":
        kept = "in which bin of the reference each lies" if contract.log_inputs == "summary" else "nothing"
        yield f"of the inputs the prediction log keeps: {kept}"
    output = contract.output
    yield f"answers: {output.task}" + ("" if not output.classes else f": {', '.join(map(str, output.classes))}")


def differences(document: Mapping[str, Any]) -> Iterator[str]:
    """Two versions: a section for what differs, and one line where nothing does."""
    yield f"{document['name']}: version {document['old']} → {document['new']}"
    if document["same_artifact"]:
        yield "the same artifact"
        return
    sections = list(_sections(document))
    yield from sections or ["no difference in contract, metrics, hyperparameters or environment"]


def _sections(document: Mapping[str, Any]) -> Iterator[str]:
    fields = document["fields"]
    lines = [f"  + {name}" for name in fields["added"]] + [f"  - {name}" for name in fields["removed"]]
    for name, changes in fields["changed"].items():
        lines += _changes(changes, prefix=f"{name}.")
    yield from _section("contract", [*lines, *_changes(document["output"], prefix="output.")])
    yield from _section("metrics", list(_metric_changes(document["metrics"])))
    yield from _section("hyperparameters", list(_steps(document["hyperparameters"])))
    yield from _section("training", _changes(document["training"]))
    yield from _section("training table", list(column_changes(document["columns"])))
    yield from _section("environment", _changes(document["environment"]))


def column_changes(columns: Mapping[str, list[str]]) -> Iterator[str]:
    """Which columns of the training table came, went, or hold other values."""
    yield from (f"  + {name}" for name in columns["added"])
    yield from (f"  - {name}" for name in columns["removed"])
    yield from (f"  {name}: other values" for name in columns["changed"])
    if columns["order"]:
        yield f"  in another order: {', '.join(columns['order'])}"


def _steps(changes: Mapping[str, Any]) -> Iterator[str]:
    """A step of a pipeline that came or went is one line; of one that stayed, each setting that changed."""
    steps: dict[str, dict[str, Any]] = {}
    for key, both in changes.items():
        steps.setdefault(key.rpartition("__")[0], {})[key] = both
    for step, settings in steps.items():
        gone = all(both["new"] is None for both in settings.values())
        came = all(both["old"] is None for both in settings.values())
        if step and len(settings) > 1 and (gone or came):
            yield f"  {'-' if gone else '+'} {step} ({len(settings)} settings)"
        else:
            yield from _changes(settings)


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield title
        yield from lines


def _changes(changes: Mapping[str, Any], prefix: str = "") -> list[str]:
    return [f"  {prefix}{key}: {_value(both['old'])} → {_value(both['new'])}" for key, both in changes.items()]


def _metric_changes(metrics: list[dict[str, Any]]) -> Iterator[str]:
    """What moved, of the whole test set; single classes are in `--json`."""
    moved = [one for one in metrics if one["change"] != 0 and "[" not in one["name"]]
    width = max((len(one["name"]) for one in moved), default=0)
    for one in moved:
        change = "" if one["change"] is None else f"  ({one['change']:+.4g})"
        yield f"  {one['name']:<{width}}  {_value(one['old'])} → {_value(one['new'])}{change}  {one['split']}"


def _value(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _contract(document: Mapping[str, Any]) -> str:
    return f"{document['contract']}.{document['revision']}" if document["revision"] else str(document["contract"])


def _contract_of(document: Mapping[str, Any]) -> Contract:
    return Contract(
        fields=msgspec.convert(document["fields"], tuple[ContractField, ...]),
        output=msgspec.convert(document["output"], Output),
        ignored=tuple(document["ignored"]),
    )


def _entries(entries: Mapping[str, Any]) -> Iterator[str]:
    told = {key: value for key, value in entries.items() if value}
    width = max(map(len, told))
    yield from (f"  {key:<{width}}  {value}" for key, value in told.items())


def _training(training: Mapping[str, Any]) -> str:
    rows = training.get("rows")
    words = ["no table was given" if rows is None else f"{rows} rows"]
    if training.get("data_version"):
        words.append(f"data version {training['data_version']}")
    if training.get("seed") is not None:
        words.append(f"seed {training['seed']}")
    return ", ".join(words)


def _code(git: Any) -> str | None:
    if not isinstance(git, Mapping) or not git.get("commit"):
        return None
    return f"git {str(git['commit'])[:12]}{' with local changes' if git.get('dirty') else ''}"


def _script(script: Any) -> str | None:
    if not isinstance(script, Mapping):
        return None
    at = f" at {str(script['commit'])[:12]}" if script.get("commit") else ""
    return f"{script.get('path') or script['name']}{at}{', copied' if script.get('file') else ''}"


def _metrics(metrics: list[dict[str, Any]]) -> Iterator[str]:
    """The figures of the whole; those of single classes are in `--json`."""
    whole = [one for one in metrics if "[" not in one["name"]]
    if not whole:
        yield "no metrics: it was saved without a test set"
        return
    width = max(len(one["name"]) for one in whole)
    for one in whole:
        interval = one.get("interval")
        words = [f"{one['value']:<9.4g}", "" if not interval else f"95 % {interval[0]:.4g}…{interval[1]:.4g}"]
        n = "" if one.get("n") is None else f"n {one['n']}"
        yield f"  {one['name']:<{width}}  {words[0]}  {words[1]:<23}  {one['split']} {n}".rstrip()


def _evaluations(evaluations: list[dict[str, Any]]) -> Iterator[str]:
    """The last ones, each with its first figure; the others are in `--json`."""
    for one in evaluations:
        where = "logged rows" if one["source"] == "log" else one["data"] or "a table"
        against = "" if one["against"] is None else f", against version {one['against']}"
        yield f"evaluated {one['at'][:10]} on {one['measured']} rows of {where}{against}"
        yield from (f"  {line.strip()}" for line in list(_metrics(one["metrics"]))[:1] if one["metrics"])


def _size(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB" if size >= 100_000 else f"{size / 1000:.1f} kB"


def lock_lines(manifest: Manifest, reference: str) -> Iterator[str]:
    """The environment of a version as pinned requirements: what was imported when it was saved."""
    environment = manifest.environment
    yield f"# {reference}: what was imported when it was saved"
    yield f"# Python {environment.python}, {environment.platform}"
    yield from (f"{name}=={version}" for name, version in sorted(environment.packages.items()))
