"""A model of BentoML's store: `model.yaml` beside the file that its framework wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cloche.errors import ImportRefusedError
from cloche.importers import contained, yaml_home
from cloche.importers.found import Found

_FILE = "model.yaml"
#: What a custom model brings beside itself: a cloudpickle of objects of its own.
_CUSTOM = "custom_objects.pkl"


def recognises(folder: Path) -> bool:
    """Whether *folder* is a model, or the folder of a model's versions."""
    return (folder / _FILE).is_file() or (folder / "latest").is_file()


def read(folder: Path) -> Found:
    """
    What `model.yaml` tells.

    Raises:
        ImportRefusedError: `latest` names no version, or there is not exactly one model file.
    """
    version = folder if (folder / _FILE).is_file() else _latest(folder)
    document = yaml_home.read(version / _FILE)
    return Found(
        kind="bentoml",
        file=version / _model_file(version),
        saved_with=dict(_versions(document.get("context"))),
        notes=tuple(_notes(version, document)),
    )


def _latest(folder: Path) -> Path:
    told = (folder / "latest").read_text(encoding="utf-8", errors="replace")[:200].strip()
    return contained.inside(folder, told, "latest")


def _model_file(version: Path) -> str:
    """`saved_model.*` of BentoML's own frameworks, else the only model file."""
    names = [name for name in contained.check_folder(version) if name not in (_FILE, _CUSTOM)]
    saved = [name for name in names if name.startswith("saved_model.") and "/" not in name]
    if len(saved) == 1:
        return saved[0]
    if len(names) == 1:
        return names[0]
    models = [name for name in names if contained.is_model(version / name)]
    if len(models) == 1:
        return models[0]
    shown = ", ".join((models or names)[:10]) or "none"
    raise ImportRefusedError(f"{_FILE}: expected one model file beside it, found: {shown}; name the file itself")


def _versions(context: Any) -> Iterator[tuple[str, str]]:
    found = context.get("framework_versions") if isinstance(context, Mapping) else None
    if isinstance(found, Mapping):
        yield from ((str(name), str(version)) for name, version in found.items())


def _notes(version: Path, document: Mapping[str, Any]) -> Iterator[str]:
    yield f"BentoML model {document.get('name')}:{document.get('version')}"
    if (version / _CUSTOM).exists():
        yield f"{_CUSTOM} (objects of your own, pickled) is neither opened nor kept"
    yield "BentoML keeps no input fields: the model's own names are used"
