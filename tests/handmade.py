"""Artifacts written by hand: what the registry stores, without a model library."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from cloche.contract.model import Contract, Field, Output
from cloche.manifest import Environment, FileEntry, Manifest, Metric, Training
from cloche.records import FrameColumn, FrameSpec


def contract(*names: str, **changes: Any) -> Contract:
    """A regression on number fields."""
    fields = tuple(Field(name=name, type="number", **changes.get(name, {})) for name in names or ("x",))
    return Contract(fields=fields, output=Output(task="regression", type="number"))


def artifact(
    directory: Path,
    *,
    name: str = "penguins",
    content: bytes = b"model",
    made: Contract | None = None,
    accuracy: float = 0.9,
    packages: dict[str, str] | None = None,
    reference: bytes | None = None,
    **hyperparameters: Any,
) -> Path:
    """Write an artifact folder; other *content* makes another artifact."""
    directory.mkdir(parents=True)
    made = made or contract()
    files = {"contract.json": made.to_json(), "model.bin": content, "twin/graph.json": b"{}"}
    if reference is not None:
        files["reference.json"] = reference
    for path, raw in files.items():
        (directory / path).parent.mkdir(exist_ok=True)
        (directory / path).write_bytes(raw)
    manifest = Manifest(
        name=name,
        task="regression",
        flavor="sklearn",
        framework="scikit-learn 1.9.1",
        created="2026-01-01T00:00:00Z",
        created_by="test",
        cloche="0.1.0",
        frame=FrameSpec("pandas", (FrameColumn("x", "float64"),)),
        files={path: FileEntry(hashlib.sha256(raw).hexdigest(), len(raw)) for path, raw in files.items()},
        environment=Environment("3.11.0", "linux", packages or {"scikit-learn": "1.9.1"}),
        metrics=(Metric("accuracy", accuracy, "test", 100),),
        training=Training(rows=200, hyperparameters=hyperparameters),
    )
    (directory / "manifest.json").write_bytes(manifest.to_json())
    return directory
