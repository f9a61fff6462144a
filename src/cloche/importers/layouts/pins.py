"""
A board of pins in a local folder, as vetiver writes it from Python or R: `NAME/VERSION/data.txt` beside the file.

The folder may be the board, a pin (its newest version is taken), or one version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from cloche.errors import ImportRefusedError
from cloche.importers import contained, yaml_home
from cloche.importers.found import Found, FoundField, kind_of_value

_FILE = "data.txt"
#: The pin types that hold models.
_TYPES = ("joblib", "rds", "qs", "file")


def recognises(folder: Path) -> bool:
    """Whether *folder* is a board, a pin or a version of one."""
    return (folder / _FILE).is_file() or any(_versions(folder)) or any(map(_newest, _folders(folder)))


def read(folder: Path) -> Found:
    """
    What `data.txt` tells of the newest version.

    Raises:
        ImportRefusedError: the board holds several pins, or the pin is no model.
    """
    version = _version(folder)
    document = yaml_home.read(version / _FILE)
    type_, name = document.get("type"), document.get("file")
    if type_ not in _TYPES:
        raise ImportRefusedError(f"{version.name}/{_FILE}: expected a pin of a model (joblib, rds), got type {type_!r}")
    if isinstance(name, list) and len(name) == 1:
        name = name[0]
    file = contained.inside(version, name, f"{version.name}/{_FILE}: file")
    user = document.get("user")
    vetiver = user.get("vetiver_meta", user) if isinstance(user, dict) else {}
    facts = vetiver if isinstance(vetiver, dict) else {}
    fields = tuple(_fields(facts.get("prototype") or facts.get("ptype")))
    return Found(
        kind="vetiver" if facts else "pins",
        file=contained.model_file(file, f"{version.name}/{_FILE}"),
        fields=fields,
        description=_text(document.get("description")),
        notes=tuple(_notes(version, facts, shown=bool(fields) or type_ == "rds")),
    )


def _version(folder: Path) -> Path:
    if (folder / _FILE).is_file():
        return folder
    newest = _newest(folder)
    if newest is not None:
        return newest
    pins = {one.name: found for one in _folders(folder) if (found := _newest(one)) is not None}
    if len(pins) == 1:
        return next(iter(pins.values()))
    raise ImportRefusedError(
        f"{folder}: the board holds several pins ({', '.join(sorted(pins)[:10])}); name the folder of one"
    )


def _versions(pin: Path) -> Iterator[Path]:
    return (one for one in _folders(pin) if (one / _FILE).is_file())


def _newest(pin: Path) -> Path | None:
    """The newest version of a pin: their names begin with the time."""
    return max(_versions(pin), key=lambda one: one.name, default=None)


def _folders(folder: Path) -> Iterator[Path]:
    return (one for one in sorted(folder.iterdir()) if one.is_dir() and not one.is_symlink())


def _fields(prototype: Any) -> Iterator[FoundField]:
    """The columns of the prototype: Python's vetiver writes one row as JSON."""
    if not isinstance(prototype, str):
        return
    try:
        row = msgspec.json.decode(prototype)
    except msgspec.MsgspecError as exc:
        raise ImportRefusedError(f"{_FILE}: user.vetiver_meta.prototype: expected one row as JSON: {exc}") from exc
    if isinstance(row, list) and row:
        row = row[0]
    if isinstance(row, dict):
        for name, value in row.items():
            yield FoundField(name, kind_of_value(_example_of(value)))


def _example_of(value: Any) -> Any:
    """Later prototypes describe a field: `{"type": "number", "example": 1.5}`."""
    return value.get("example", value.get("default")) if isinstance(value, Mapping) else value


def _notes(version: Path, facts: Mapping[str, Any], *, shown: bool) -> Iterator[str]:
    """What its owner should know; *shown*: the prototype tells the inputs (R's lies in the pinned file itself)."""
    yield f"pin version {version.name}"
    packages = facts.get("required_pkgs")
    if isinstance(packages, list) and packages:
        yield f"vetiver names these packages, without versions: {', '.join(str(one) for one in packages[:20])}"
    if not shown:
        yield "the pin has no prototype: the model's own names are used"


def _text(told: Any) -> str | None:
    return told if isinstance(told, str) and told else None
