"""
Keras models as files: every config is walked and every archive measured before Keras sees it.

Foreign files are opened the same way. Keras' `safe_mode` stays on all the while; it is one guard of several.
"""

from __future__ import annotations

import importlib
import io
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import keras

from cloche.errors import (
    ArchiveLimitError,
    ArtifactError,
    SaveRefusedError,
    TamperedModelError,
    UntrustedCodeError,
    UntrustedTypeError,
    WrongFormatError,
)
from cloche.flavors.keras.allowlist import check_config
from cloche.flavors.keras.archive import check_sizes, check_weights, read_archive, read_config
from cloche.integrity import read_plain
from cloche.trust import TrustPolicy

_MAX_BYTES = 8 << 30
_HDF5 = b"\x89HDF\r\n\x1a\n"


def to_bytes(model: Any, trust: TrustPolicy) -> bytes:
    """
    The `.keras` file of *model*, without what only training needs.

    Raises:
        SaveRefusedError: Keras does not write it, or it holds layers that are not allowed; with the recipe.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="cloche-keras-") as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            return read_archive(path.read_bytes(), trust, "model.keras").to_bytes()
    except UntrustedTypeError as exc:
        raise SaveRefusedError(
            f"{exc}. It has to be installed where the model runs, in a package, and be registered "
            "(@keras.saving.register_keras_serializable()); instead of a Lambda layer, which is a program"
        ) from exc
    except ArtifactError as exc:
        raise SaveRefusedError(f"what Keras wrote is not opened again: {exc}") from exc
    except Exception as exc:
        raise SaveRefusedError(f"Keras does not write this model: {type(exc).__name__}: {exc}") from exc


def open_bytes(raw: bytes, trust: TrustPolicy, name: str) -> Any:
    """
    The model of a `.keras` file; its optimizer is left out.

    Raises:
        WrongFormatError, ArchiveLimitError, UntrustedTypeError, TamperedModelError
    """
    archive = read_archive(raw, trust, name)
    with tempfile.TemporaryDirectory(prefix="cloche-keras-") as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(archive.to_bytes())
        return _opened(path, archive.types, name)


def open_file(path: Path, trust: TrustPolicy) -> Any:
    """
    The model in a `.keras` or a whole-model `.h5` file.

    Raises:
        UntrustedCodeError: *path* is the folder of a SavedModel.
        WrongFormatError, ArchiveLimitError, UntrustedTypeError, TamperedModelError
    """
    if path.is_dir():
        raise UntrustedCodeError(
            f"{path}: a SavedModel is a program, and is not opened by its path; in a program of yours call "
            f"cloche.save(tf.saved_model.load('{path}'), NAME, inputs=X)"
        )
    raw = read_plain(path, limit=_MAX_BYTES)
    if len(raw) > _MAX_BYTES:
        raise ArchiveLimitError(f"{path.name}: expected at most {_MAX_BYTES} bytes")
    if path.suffix.lower() == ".keras":
        return open_bytes(raw, trust, path.name)
    return _open_h5(raw, trust, path.name)


def _open_h5(raw: bytes, trust: TrustPolicy, name: str) -> Any:
    if not raw.startswith(_HDF5):
        what = "a pickle" if raw[:1] == b"\x80" else "other bytes"
        raise WrongFormatError(f"{name}: expected HDF5, got {what}; it was not opened")
    numbers = check_weights(raw, name)
    with h5py.File(io.BytesIO(raw), "r") as file:
        config = file.attrs.get("model_config")
    if config is None:
        raise WrongFormatError(f"{name}: holds weights and no model; build the model, call load_weights and save that")
    parsed = read_config(config, name)
    types = check_config(parsed, trust, name)
    check_sizes(parsed, numbers, name)
    with tempfile.TemporaryDirectory(prefix="cloche-keras-") as folder:
        path = Path(folder) / "model.h5"
        path.write_bytes(raw)
        return _opened(path, types, name)


def _opened(path: Path, types: Iterable[str], name: str) -> Any:
    try:
        return keras.saving.load_model(path, custom_objects=_classes(types), compile=False, safe_mode=True)
    except ArtifactError:
        raise
    except Exception as exc:  # whatever a config or weights that do not fit make Keras raise
        told = " ".join(str(exc).split())[:300]
        raise TamperedModelError(f"{name}: Keras does not open it: {type(exc).__name__}: {told}") from exc


def _classes(types: Iterable[str]) -> dict[str, Any]:
    """The allowed classes by the names that files call them."""
    found: dict[str, Any] = {}
    for full in types:
        module, _, attribute = full.rpartition(".")
        try:
            one = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as exc:
            raise UntrustedTypeError(f"{full}: the layer is not installed here: {exc}") from exc
        if not (isinstance(one, type) and issubclass(one, keras.layers.Layer)):
            raise UntrustedTypeError(f"{full}: expected a layer or a model of Keras, got {one!r}")
        found[attribute] = found[keras.saving.get_registered_name(one)] = one
    return found
