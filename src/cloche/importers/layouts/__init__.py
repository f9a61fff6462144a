"""
Folders as other tools lay them out: one file a tool, one line in the table.

A layout is recognised by a file that only it has; what that file says is material, and its paths stay inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cloche.importers.found import Found
from cloche.importers.layouts import bentoml, huggingface, mlflow, pins


@dataclass(frozen=True, slots=True)
class Layout:
    """`recognises(folder)` looks at names only; `read(folder)` reads the metadata, never the model."""

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], Found]


LAYOUTS: tuple[Layout, ...] = (
    Layout("an MLflow model (MLmodel)", mlflow.recognises, mlflow.read),
    Layout("a pins board or a pin of vetiver (data.txt)", pins.recognises, pins.read),
    Layout("a BentoML model (model.yaml)", bentoml.recognises, bentoml.read),
    Layout("a Hugging Face or skops repository (config.json)", huggingface.recognises, huggingface.read),
)
