"""Models as other tools lay them out, written by hand after their documentation; and files that attack the reader."""

from __future__ import annotations

import functools
import io
import json
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import artifacts

SIGNATURE = json.dumps(
    [{"type": "double", "name": name, "required": True} for name in artifacts.COLUMNS], separators=(",", ":")
)


@functools.cache
def pickled() -> bytes:
    """A pickle of a fitted pipeline."""
    return pickle.dumps(artifacts.linear())


def mlflow(folder: Path, content: bytes, file: str = "model.pkl", **changes: Any) -> Path:
    """A model folder of MLflow; `changes` replace keys of `MLmodel` or, as `told`, the name of the model's file."""
    folder.mkdir(parents=True, exist_ok=True)
    told = changes.pop("told", file)
    flavors = {
        "python_function": {"loader_module": "mlflow.sklearn", "model_path": told},
        "sklearn": {"pickled_model": told, "sklearn_version": "1.9.1", "serialization_format": "pickle", "code": None},
    }
    document = {"flavors": flavors, "mlflow_version": "3.17.2", "signature": {"inputs": SIGNATURE}} | changes
    (folder / "MLmodel").write_text(json.dumps(document))
    if "/" not in file:
        (folder / file).write_bytes(content)
    return folder


def pin(board: Path, content: bytes, **changes: Any) -> Path:
    """A board of one pin as vetiver writes it."""
    version = board / "boxes" / "20261124T233716Z-0ef77"
    version.mkdir(parents=True)
    meta = {"prototype": '{"length": 1.5, "width": 2.0}', "required_pkgs": ["scikit-learn"], "python_version": [3, 11]}
    document = {"type": "joblib", "api_version": 1, "file": "boxes.joblib", "user": {"user": {}, "vetiver_meta": meta}}
    (version / "data.txt").write_text(json.dumps(document | changes))
    (version / "boxes.joblib").write_bytes(content)
    return board


def bento(folder: Path, content: bytes, file: str = "saved_model.pkl") -> Path:
    """A model of BentoML's store, by hand in its documented layout."""
    version = folder / "boxes" / "v1"
    version.mkdir(parents=True)
    context = {
        "framework_name": "sklearn",
        "framework_versions": {"scikit-learn": "1.9.1"},
        "bentoml_version": "1.4.40",
    }
    document = {"name": "boxes", "version": "v1", "module": "bentoml.sklearn", "context": context, "api_version": "v1"}
    (version / "model.yaml").write_text(json.dumps(document))
    (version / file).write_bytes(content)
    (folder / "boxes" / "latest").write_text("v1")
    return version


def hub(folder: Path, content: bytes, file: str = "model.skops", **changes: Any) -> Path:
    """A repository of skops for the Hugging Face hub."""
    folder.mkdir(parents=True)
    facts = {
        "model": {"file": file},
        "model_format": "skops",
        "columns": list(artifacts.COLUMNS),
        "environment": ["scikit-learn=1.9.1"],
        "example_input": {"length": [1.5], "width": [2.0]},
    }
    (folder / "config.json").write_text(json.dumps({"sklearn": facts | changes}))
    (folder / "README.md").write_text("---\nlibrary_name: sklearn\n---\n")
    (folder / file.rpartition("/")[2]).write_bytes(content)
    return folder


# -- attacks ------------------------------------------------------------------------------------


class Calls:
    """Pickles as a call of *function* with *given*."""

    def __init__(self, function: Callable[..., Any], *given: Any) -> None:
        self._call = (function, given)

    def __reduce__(self) -> Any:
        return self._call


def gadget(canary: Path) -> bytes:
    """A pickle that writes *canary* when it is opened."""
    return pickle.dumps(Calls(os.system, f"touch {canary}"))


def named(module: str, name: str, *given: str) -> bytes:
    """A pickle, protocol 0, that calls a function by name, without importing it here."""
    arguments = "".join(f"V{one}\n" for one in given)
    return f"c{module}\n{name}\n({arguments}tR.".encode()


def tar(path: Path, members: Mapping[str, bytes | tarfile.TarInfo], mode: str = "w:xz") -> Path:
    """A tar archive; a `TarInfo` is a member of another kind."""
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content if isinstance(content, bytes) else b""))
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A member that is no plain file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zipped(path: Path, members: Mapping[str, bytes]) -> Path:
    """A zip archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path
