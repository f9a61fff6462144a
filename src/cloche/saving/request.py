"""What `save` is asked for and what it gives back, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloche.contract.compare import Comparison
from cloche.contract.describe import FieldRule
from cloche.contract.model import Contract, LogInputs
from cloche.manifest import Manifest


@dataclass(frozen=True, slots=True)
class SaveRequest:
    """
    The arguments of `cloche.save` that say what to freeze; tables in any container that `tables.read` takes.

    `overrides` are rules by field (`{"age": {"minimum": 0}}`); `classes` labels for the model's classes, in their order
    or by class; `golden` is `"synthetic"` or `"rows"`; `log_inputs` None: as the predecessor's; `engine` is `"auto"`,
    `"twin"`, `"native"` or `"onnx"`; `script` is the training script as `saving.script.record` takes it;
    `model_options` is what the model needs besides (a tokenizer); `lineage` what the manifest says of where the model
    came from. A table of no rows in `inputs` tells names and types, and nothing else.
    """

    inputs: Any = None
    targets: Any = None
    test: tuple[Any, Any] | None = None
    keys: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    classes: Sequence[Any] | Mapping[Any, Any] | None = None
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    data_version: str | None = None
    seed: int | None = None
    description: str | None = None
    license: str | None = None
    script: str | Path | bool | None = None
    golden: str = "synthetic"
    log_inputs: LogInputs | None = None
    engine: str = "auto"
    model_options: Mapping[str, Any] = field(default_factory=dict)
    lineage: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Staged:
    """
    A finished artifact that nobody has published yet.

    `breaks` are the ways in which callers of the predecessor's contract would break; `comparison` is the whole
    difference from it (None for the first of a name).
    """

    directory: Path
    manifest: Manifest
    contract: Contract
    comparison: Comparison | None
    breaks: tuple[str, ...]
    notes: tuple[str, ...]
    rules: tuple[FieldRule, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What `save` would learn: the contract, each field's rule in words, and what the owner should know."""

    contract: Contract
    rules: tuple[FieldRule, ...]
    notes: tuple[str, ...]
    breaks: tuple[str, ...] = ()

    def __str__(self) -> str:
        width = max((len(rule.name) for rule in self.rules), default=0)
        lines = [f"{rule.name:<{width}}  {rule.role:<7}  {rule.rule}" for rule in self.rules]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])
