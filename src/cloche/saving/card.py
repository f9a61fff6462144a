"""
`README.md` of an artifact: the model card, after the Hugging Face convention, in plain words.

YAML front matter, then prose: https://huggingface.co/docs/hub/model-cards, and for the front matter
https://github.com/huggingface/hub-docs/blob/main/modelcard.md. It holds no real row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from cloche.contract.example import example_row
from cloche.contract.model import Contract, Output
from cloche.errors import UsageError
from cloche.manifest import Manifest, Metric, Script

FILE = "README.md"
_UNSAID = "Its owner did not say; `description=` of `cloche.save` is the place."

#: Hugging Face's names of the libraries and tasks it knows; others go by their own, or without.
_LIBRARIES = {"scikit-learn": "sklearn"}
_PIPELINE_TAGS = {"classification": "tabular-classification", "regression": "tabular-regression"}
_TASKS = {
    "classification": "one class a row",
    "regression": "one number a row",
    "multilabel": "any number of labels a row",
    "multioutput_classification": "several classes a row",
    "multioutput_regression": "several numbers a row",
    "anomaly": "whether a row is an outlier",
    "clustering": "the cluster of a row",
    "embedding": "a vector a row",
}


class Rule(Protocol):
    """A field's rule in words, as `contract.describe` tells it."""

    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def rule(self) -> str: ...


def card(manifest: Manifest, contract: Contract, rules: Iterable[Rule], notes: Sequence[str]) -> str:
    """The whole card."""
    parts = [
        *_front_matter(manifest),
        f"# {manifest.name}\n",
        "## Intended use\n",
        f"{(manifest.description or '').strip() or _UNSAID}\n",
        "## What it predicts\n",
        f"{_predicts(contract.output)}\n",
        "## Fields\n",
        *_fields(rules),
        *([f"\nAccepted and ignored: {', '.join(map(_code, contract.ignored))}.\n"] if contract.ignored else [""]),
        "## Quality\n",
        *_quality(manifest.metrics),
        "\n## How it answers\n",
        *_engines(manifest),
        "\n## How to call it\n",
        *_calls(manifest, contract),
        "\n## Limits\n",
        *_limits(manifest, notes),
        "\n## Where it comes from\n",
        *_provenance(manifest),
    ]
    return "\n".join(parts) + "\n"


def _front_matter(manifest: Manifest) -> Iterator[str]:
    """YAML, with every text as a JSON string (which is YAML too), so that no value can break out."""
    yield "---"
    library = manifest.framework.partition(" ")[0]
    yield f"library_name: {_quoted(_LIBRARIES.get(library, library))}"
    if manifest.license:
        yield f"license: {_quoted(manifest.license.lower())}"
    if manifest.task in _PIPELINE_TAGS:
        yield f"pipeline_tag: {_PIPELINE_TAGS[manifest.task]}"
    yield f"tags: [cloche, {_quoted(manifest.flavor)}, {_quoted(manifest.task)}]"
    if manifest.metrics:
        yield f"model-index:\n- name: {_quoted(manifest.name)}\n  results:"
        for split in dict.fromkeys(one.split for one in manifest.metrics):
            yield f"  - task: {{type: {_quoted(_PIPELINE_TAGS.get(manifest.task, manifest.task))}}}"
            yield f"    dataset: {{{_dataset(manifest, split)}}}\n    metrics:"
            yield from (f"    - {{{_metric(one)}}}" for one in manifest.metrics if one.split == split)
    yield "---\n"


def _dataset(manifest: Manifest, split: str) -> str:
    """The Hub wants a name and a type of every result; the revision is the owner's own word for the data."""
    version = manifest.training.data_version
    known = {"name": "the owner's figures" if split == "user" else "rows kept for the test", "type": "tabular"}
    known |= {"split": split} | ({} if version is None else {"revision": version})
    return ", ".join(f"{key}: {_quoted(value)}" for key, value in known.items())


def _metric(one: Metric) -> str:
    words = [f"type: {_quoted(one.name)}", f"value: {json.dumps(one.value)}", f"name: {_quoted(one.name)}"]
    args = ([f"n: {one.n}"] if one.n else []) + (
        [] if one.interval is None else [f"interval_95: [{one.interval[0]:.6g}, {one.interval[1]:.6g}]"]
    )
    return ", ".join([*words, *([f"args: {{{', '.join(args)}}}"] if args else [])])


def _predicts(output: Output) -> str:
    words = [f"It answers {_TASKS[output.task]}."]
    if output.classes is not None:
        words.append(f"Classes, in the order of the probabilities: {', '.join(_code(one) for one in output.classes)}.")
    if output.names is not None:
        words.append(f"Outputs: {', '.join(_code(one) for one in output.names)}.")
    if output.probabilities:
        words.append("Each answer carries the probability of every class.")
    if output.threshold is not None and output.classes is not None:
        words.append(f"{_code(output.classes[-1])} is predicted from a probability of {output.threshold:g} on.")
    return " ".join(words)


def _fields(rules: Iterable[Rule]) -> Iterator[str]:
    yield "| field | role | what it takes |\n|---|---|---|"
    for one in rules:
        yield f"| {_code(one.name)} | {one.role} | {_cell(one.rule)} |"


def _quality(metrics: Sequence[Metric]) -> Iterator[str]:
    if not metrics:
        yield "Not measured: no test set was given when the model was saved."
        return
    yield "| metric | value | 95 % interval | rows | measured on |\n|---|---|---|---|---|"
    for one in metrics:
        interval = "" if one.interval is None else f"{one.interval[0]:.4g} to {one.interval[1]:.4g}"
        yield f"| {_cell(one.name)} | {one.value:.4g} | {interval} | {one.n or ''} | {_cell(one.split)} |"


def _engines(manifest: Manifest) -> Iterator[str]:
    twin = manifest.twin
    if manifest.engines[:1] == ("twin",):
        compared = "" if twin is None else f", compared with the model on {twin.rows + twin.boundary_rows} rows"
        yield f"- The exact twin answers{compared}: no model library is needed."
    elif manifest.engines[:1] == ("onnx",):
        yield "- An ONNX form of the model answers, compared with it when it was saved."
    else:
        yield f"- {_cell(manifest.framework)} answers."
    if twin is not None and twin.refused is not None:
        yield f"- There is no exact twin: {_cell(twin.refused)}"
    one = manifest.tolerance_of(*manifest.engines[:1])
    yield f"- An answer is within {one.absolute:g} + {one.relative:g} · |y| of the model's own ({one.dtype})."
    yield "- Rows with known answers are in `golden.jsonl`, and are checked at every opening."


def _calls(manifest: Manifest, contract: Contract) -> Iterator[str]:
    try:
        row = json.dumps(example_row(contract), ensure_ascii=False)
    except UsageError:  # a pattern too intricate to make an example of
        row = "{…}"
    fence = "`" * max(3, 1 + max((len(run) for run in _runs_of_ticks(row)), default=0))
    body = row.replace("'", "'\\''")
    yield "The row is made up, field by field.\n"
    yield f"{fence}sh\ncloche serve {manifest.name}"
    yield f"curl http://127.0.0.1:8000/predict -H 'Content-Type: application/json' -d '{body}'\n{fence}\n"
    yield f"{fence}python\nimport cloche\n"
    yield f"answer = cloche.load({_quoted(manifest.name)}).predict({_python(row)})\n{fence}"


def _python(row: str) -> str:
    """The row as Python writes it."""
    return row if row == "{…}" else repr(json.loads(row))


def _limits(manifest: Manifest, notes: Sequence[str]) -> Iterator[str]:
    yield "- It knows what its training table held. Values outside the training range are answered with a warning."
    inside = manifest.training.embeds_training_rows
    if inside:
        yield f"- The model file holds training rows ({_cell(inside)}): treat it as personal data."
    if not any(one.split == "test" for one in manifest.metrics):
        yield "- Its quality on rows it was not fitted on is not known here."
    for note in notes:
        yield f"- {_cell(note)}"


def _provenance(manifest: Manifest) -> Iterator[str]:
    training = manifest.training
    git = training.git or {}
    state = " (with uncommitted changes)" if git.get("dirty") else ""
    known = {
        "saved": f"{manifest.created} by {manifest.created_by}, cloche {manifest.cloche}",
        "framework": f"{manifest.framework}, Python {manifest.environment.python}, {manifest.environment.platform}",
        "training rows": training.rows,
        "data version": training.data_version,
        "data fingerprint": training.fingerprint,
        "seed": training.seed,
        "git commit": f"{git['commit']}{state}" if git.get("commit") else None,
        "git remote": git.get("remote"),
        "training script": _script(training.script),
        "license": manifest.license,
    }
    for label, value in known.items():
        if value is not None:
            yield f"- {label}: {_cell(str(value))}"
    if training.column_fingerprints:
        yield "\nColumns of the training table, by the sha256 of their values:\n"
        yield from (f"- {_code(name)} `{digest[:16]}…`" for name, digest in training.column_fingerprints.items())
    if training.hyperparameters:
        listed = "\n".join(f"{key} = {value}" for key, value in sorted(training.hyperparameters.items()))
        fence = "`" * max(3, 1 + max((len(run) for run in _runs_of_ticks(listed)), default=0))
        yield f"\nHyperparameters:\n\n{fence}text\n{listed}\n{fence}"


def _script(script: Script | None) -> str | None:
    if script is None:
        return None
    where = script.path or script.name
    at = f" at {script.commit[:12]}" if script.commit else ""
    return f"{where}{at}, sha256 {script.sha256[:16]}…" + (f", copied to {script.file}" if script.file else "")


def _runs_of_ticks(text: str) -> list[str]:
    return "".join(char if char == "`" else " " for char in text).split()


def _quoted(text: str) -> str:
    return json.dumps(text)


def _code(value: Any) -> str:
    return f"`{str(value).replace('`', ' ')}`".replace("|", "\\|").replace("\n", " ")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
