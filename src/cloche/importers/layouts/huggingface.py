"""A repository of Hugging Face: `config.json` as skops writes it, or one model file beside a `README.md`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from cloche.errors import ImportRefusedError
from cloche.importers import contained
from cloche.importers.found import Found, FoundField, kind_of_value
from cloche.integrity import read_plain

_FILE = "config.json"
_MAX_BYTES = 16 << 20
#: Models of these that have a config.json are no tables of numbers.
_OTHER = ("architectures", "model_type", "diffusers_version")


def recognises(folder: Path) -> bool:
    """Whether *folder* looks like a repository: a config, or a card."""
    return (folder / _FILE).is_file() or (folder / "README.md").is_file()


def read(folder: Path) -> Found:
    """
    What `config.json` tells; without one the only model file of the folder.

    Raises:
        ImportRefusedError: it describes a model of another kind, or there is not one model file.
    """
    document = _config(folder)
    facts = document.get("sklearn")
    if not isinstance(facts, dict):
        _refuse_other(document)
        return Found(kind="huggingface", file=contained.model_file(folder, folder.name), notes=_NO_CONFIG)
    model = facts.get("model")
    told = model.get("file") if isinstance(model, dict) else None
    return Found(
        kind="skops",
        file=contained.inside(folder, told, f"{_FILE}: sklearn.model.file"),
        fields=tuple(_fields(facts)),
        saved_with=dict(_versions(facts.get("environment"))),
    )


_NO_CONFIG = ("the repository tells no input fields: the model's own names are used",)


def _config(folder: Path) -> dict[str, Any]:
    path = folder / _FILE
    if not path.is_file():
        return {}
    try:
        return msgspec.json.decode(read_plain(path, limit=_MAX_BYTES), type=dict[str, Any])
    except msgspec.MsgspecError as exc:
        raise ImportRefusedError(f"{_FILE}: expected a JSON object: {exc}") from exc


def _refuse_other(document: Mapping[str, Any]) -> None:
    found = next((key for key in _OTHER if key in document), None)
    if found is not None:
        raise ImportRefusedError(
            f"{_FILE}: describes a model by its '{found}' ({str(document[found])[:60]}), for transformers or "
            "diffusers; cloche serves tabular models"
        )


def _fields(facts: Mapping[str, Any]) -> Iterator[FoundField]:
    columns, example = facts.get("columns"), facts.get("example_input")
    shown = example if isinstance(example, dict) else {}
    for name in columns if isinstance(columns, list) else ():
        values = shown.get(name)
        yield FoundField(str(name), kind_of_value(values[0]) if isinstance(values, list) and values else None)


def _versions(environment: Any) -> Iterator[tuple[str, str]]:
    """`scikit-learn=1.9.1` or with two signs."""
    for one in environment if isinstance(environment, list) else ():
        name, _, version = str(one).partition("=")
        if version:
            yield name, version.lstrip("=")
