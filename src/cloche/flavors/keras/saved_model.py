"""
The home of TensorFlow: a SavedModel, which is a program (its graph reads and writes files if it likes), kept as it is.

It is opened only where its digest or its signer is trusted.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cloche.errors import MissingFileError, SaveRefusedError
from cloche.flavors.keras.session import Ports
from cloche.onnx import Interface
from cloche.onnx.feeds import Feeds

FOLDER = "saved_model"
_SIGNATURE = "serving_default"
_TYPES = {
    "float32": "tensor(float)",
    "float64": "tensor(double)",
    "int64": "tensor(int64)",
    "int32": "tensor(int32)",
    "bool": "tensor(bool)",
    "string": "tensor(string)",
}


def _tensorflow() -> Any:
    return importlib.import_module("tensorflow")


def is_saved_model(model: Any) -> bool:
    """Whether *model* is what `tf.saved_model.load` gives, with a signature to serve."""
    return _SIGNATURE in (getattr(model, "signatures", None) or {})


def write(model: Any, directory: Path) -> None:
    """
    Write *model* below `saved_model/` in *directory*.

    Raises:
        SaveRefusedError: TensorFlow does not write it.
    """
    try:
        _tensorflow().saved_model.save(model, str(directory / FOLDER), signatures=dict(model.signatures))
    except Exception as exc:
        raise SaveRefusedError(f"TensorFlow does not write the SavedModel: {type(exc).__name__}: {exc}") from exc
    for folder in sorted((directory / FOLDER).glob("**/"), reverse=True):  # an artifact holds files, no empty folders
        if not any(folder.iterdir()):
            folder.rmdir()


def read(directory: Path, files: Mapping[str, bytes] | None) -> Any:
    """
    Open what `write` wrote; *files* are its verified bytes.

    Raises:
        MissingFileError: there is none.
    """
    if files is None:
        return _tensorflow().saved_model.load(str(directory / FOLDER))
    own = {name: raw for name, raw in files.items() if name.startswith(f"{FOLDER}/")}
    if not own:
        raise MissingFileError(f"{FOLDER}/: expected the model, but the manifest lists no such files")
    with tempfile.TemporaryDirectory(prefix="cloche-saved-model-") as folder:
        for name, raw in own.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw)
        return _tensorflow().saved_model.load(str(Path(folder) / FOLDER))


class SavedModelSession:
    """The signature `serving_default`, whose tensors have names."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._call = model.signatures[_SIGNATURE]
        taken = self._call.structured_input_signature[1]
        self.inputs: Ports = {name: _port(spec) for name, spec in taken.items()}
        self.outputs: Ports = {name: _port(spec) for name, spec in self._call.structured_outputs.items()}

    def check(self, interface: Interface) -> None:
        """Interfaces are made of this model itself."""

    def run(self, names: list[str], feeds: Feeds) -> dict[str, Any]:
        """
        The output tensors called *names*.

        Raises:
            ValueError: the model takes no such tensors; the message is TensorFlow's own.
        """
        constant = _tensorflow().constant
        tensors = {
            name: constant(array.astype(np.str_) if array.dtype == object else array) for name, array in feeds.items()
        }
        try:
            answered = self._call(**tensors)
        except Exception as exc:  # TensorFlow raises classes of its own
            raise ValueError(" ".join(str(exc).split())[:300]) from exc
        return {name: answered[name].numpy() for name in names}


def _port(spec: Any) -> tuple[str, tuple[Any, ...]]:
    shape = (None,) if spec.shape.rank is None else tuple(spec.shape.as_list())
    return _TYPES.get(spec.dtype.name, f"tensor({spec.dtype.name})"), shape
