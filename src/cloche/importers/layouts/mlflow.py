"""A model folder of MLflow: `MLmodel` names the flavors, their files, and the signature of the inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from cloche.errors import ImportRefusedError
from cloche.importers import contained, yaml_home
from cloche.importers.found import Found, FoundField, kind_of_value
from cloche.integrity import read_plain
from cloche.records import Kind

_FILE = "MLmodel"
_MAX_EXAMPLE = 16 << 20
#: Where each flavor of MLflow says its file is; the first that is there is taken.
_FLAVORS: Mapping[str, tuple[str, ...]] = {
    "sklearn": ("pickled_model",),
    "xgboost": ("data",),
    "lightgbm": ("data",),
    "catboost": ("data",),
    "onnx": ("data",),
    "pytorch": ("model_data",),
    "keras": ("data",),
    "tensorflow": ("data", "saved_model_dir"),
    "statsmodels": ("data",),
}
_VERSIONS = {
    "sklearn_version": "scikit-learn",
    "xgb_version": "xgboost",
    "lgb_version": "lightgbm",
    "catboost_version": "catboost",
    "onnx_version": "onnx",
    "pytorch_version": "torch",
    "keras_version": "keras",
    "statsmodels_version": "statsmodels",
}
_KINDS: Mapping[str, Kind] = {
    "boolean": "boolean",
    "integer": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "string": "string",
    "datetime": "datetime",
}


def recognises(folder: Path) -> bool:
    """Whether *folder* is a model that MLflow saved."""
    return (folder / _FILE).is_file()


def read(folder: Path) -> Found:
    """
    What `MLmodel` tells.

    Raises:
        ImportRefusedError: it names no flavor whose files are known here.
        PathEscapeError: it names a file outside the folder.
    """
    document = yaml_home.read(folder / _FILE)
    flavors = document.get("flavors")
    if not isinstance(flavors, dict) or not flavors:
        raise ImportRefusedError(f"{_FILE}: flavors: expected a mapping of at least one flavor")
    name, facts = _flavor(flavors)
    file = _file(folder, name, facts)
    fields = tuple(_fields(document)) or tuple(_example(folder, document))
    return Found(
        kind="mlflow",
        file=contained.model_file(file, f"{_FILE}: {name}"),
        fields=fields,
        saved_with={package: str(facts[key]) for key, package in _VERSIONS.items() if facts.get(key)},
        notes=tuple(_notes(folder, document, facts, fields)),
    )


def _flavor(flavors: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    for name in _FLAVORS:
        if name in flavors:
            return name, flavors[name] if isinstance(flavors[name], dict) else {}
    others = ", ".join(sorted(str(name)[:40] for name in flavors if name != "python_function")[:10])
    if not others:
        loader = flavors.get("python_function")
        module = loader.get("loader_module") if isinstance(loader, dict) else None
        raise ImportRefusedError(
            f"{_FILE}: the only flavor is python_function (loader {module!r}): a model that is Python code of its own, "
            "which is never run on import. Save the estimator inside it, or serve the function by name"
        )
    raise ImportRefusedError(
        f"{_FILE}: no flavor here is one whose files are known ({', '.join(_FLAVORS)}); it has: {others}"
    )


def _file(folder: Path, name: str, facts: Mapping[str, Any]) -> Path:
    for key in _FLAVORS[name]:
        if facts.get(key) is not None:
            return contained.inside(folder, facts[key], f"{_FILE}: flavors.{name}.{key}")
    raise ImportRefusedError(f"{_FILE}: flavors.{name}: expected '{_FLAVORS[name][0]}', which names the model's file")


# -- inputs -------------------------------------------------------------------------------------


def _fields(document: Mapping[str, Any]) -> Iterator[FoundField]:
    """The columns of the signature; a signature of tensors has none."""
    signature = document.get("signature")
    told = signature.get("inputs") if isinstance(signature, dict) else None
    for column in _json_list(told):
        name, type_ = column.get("name"), column.get("type")
        if isinstance(name, str):
            yield FoundField(name, _KINDS.get(type_) if isinstance(type_, str) else None)


def _json_list(told: Any) -> list[dict[str, Any]]:
    if not isinstance(told, str):
        return []
    try:
        return msgspec.json.decode(told, type=list[dict[str, Any]])
    except msgspec.MsgspecError as exc:
        raise ImportRefusedError(f"{_FILE}: signature.inputs: expected a JSON list of columns: {exc}") from exc


def _example(folder: Path, document: Mapping[str, Any]) -> Iterator[FoundField]:
    """The columns of the input example, where there is no signature; one row shows a type, and no more."""
    info = document.get("saved_input_example_info")
    if not isinstance(info, dict) or info.get("type") != "dataframe":
        return
    path = contained.inside(folder, info.get("artifact_path"), f"{_FILE}: saved_input_example_info.artifact_path")
    try:
        example = msgspec.json.decode(read_plain(path, limit=_MAX_EXAMPLE), type=dict[str, Any])
    except msgspec.MsgspecError as exc:
        raise ImportRefusedError(f"{path.name}: expected the JSON of a table: {exc}") from exc
    names, rows = example.get("columns"), example.get("data")
    if not isinstance(names, list) or not isinstance(rows, list):
        return
    first = rows[0] if rows and isinstance(rows[0], list) and len(rows[0]) == len(names) else [None] * len(names)
    for name, value in zip(names, first, strict=True):
        yield FoundField(str(name), kind_of_value(value))


def _notes(
    folder: Path, document: Mapping[str, Any], facts: Mapping[str, Any], fields: tuple[FoundField, ...]
) -> Iterator[str]:
    if facts.get("code") is not None or (folder / "code").is_dir():
        yield "the folder brings Python code of its own (code/), which is neither run nor kept"
    signature = document.get("signature")
    if not isinstance(signature, dict) or not signature.get("inputs"):
        yield "MLflow kept no signature: " + (
            "names and types are those of the input example" if fields else "the model's own names are used"
        )
    elif signature.get("params"):
        yield "the signature has parameters of a call (params), which have no place here: answers are those without any"
    optional = [one.get("name") for one in _json_list((signature or {}).get("inputs")) if one.get("required") is False]
    if optional:
        shown = ", ".join(str(name) for name in optional[:10])
        yield f"optional in the signature: {shown}; here null is taken where the model was seen to take it"
