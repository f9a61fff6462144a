"""
`README.md` of an artifact: the model card, after the Hugging Face convention, in plain words.

https://huggingface.co/docs/hub/model-cards — YAML front matter, then prose. It holds no real row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from cloche.contract.model import Contract, Output
from cloche.manifest import Manifest, Metric

FILE = "README.md"

#: Hugging Face's names of the tasks it knows; others go without.
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
        *([f"{manifest.description.strip()}\n"] if manifest.description else []),
        "## What it predicts\n",
        f"{_predicts(contract.output)}\n",
        "## Fields\n",
        *_fields(rules),
        *([f"\nAccepted and ignored: {', '.join(map(_code, contract.ignored))}.\n"] if contract.ignored else [""]),
        "## Quality\n",
        *_quality(manifest.metrics),
        "\n## Limits\n",
        *_limits(manifest, notes),
        "\n## Where it comes from\n",
        *_provenance(manifest),
    ]
    return "\n".join(parts) + "\n"


def _front_matter(manifest: Manifest) -> Iterator[str]:
    """YAML, with every text as a JSON string (which is YAML too), so that no value can break out."""
    yield "---"
    yield f"library_name: {_quoted(manifest.framework.partition(' ')[0])}"
    if manifest.task in _PIPELINE_TAGS:
        yield f"pipeline_tag: {_PIPELINE_TAGS[manifest.task]}"
    yield f"tags: [cloche, {_quoted(manifest.flavor)}, {_quoted(manifest.task)}]"
    if manifest.metrics:
        yield f"model-index:\n- name: {_quoted(manifest.name)}\n  results:"
        yield f"  - task: {{type: {_quoted(manifest.task)}}}"
        yield "    dataset: {name: own data, type: tabular}\n    metrics:"
        for one in manifest.metrics:
            yield f"    - {{type: {_quoted(one.name)}, value: {json.dumps(one.value)}, name: {_quoted(one.split)}}}"
    yield "---\n"


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
    }
    for label, value in known.items():
        if value is not None:
            yield f"- {label}: {_cell(str(value))}"
    if training.hyperparameters:
        listed = "\n".join(f"{key} = {value}" for key, value in sorted(training.hyperparameters.items()))
        fence = "`" * max(3, 1 + max((len(run) for run in _runs_of_ticks(listed)), default=0))
        yield f"\nHyperparameters:\n\n{fence}text\n{listed}\n{fence}"


def _runs_of_ticks(text: str) -> list[str]:
    return "".join(char if char == "`" else " " for char in text).split()


def _quoted(text: str) -> str:
    return json.dumps(text)


def _code(value: Any) -> str:
    return f"`{str(value).replace('`', ' ')}`".replace("|", "\\|").replace("\n", " ")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
