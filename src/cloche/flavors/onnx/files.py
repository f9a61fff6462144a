"""The home of the library onnx: files as their owner has them, brought to the form that is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import onnx.inliner

from cloche.errors import ArchiveLimitError, SaveRefusedError, WrongFormatError
from cloche.integrity import read_plain
from cloche.onnx.checks import MAX_BYTES, check_model

_NAMES = {"skl2onnx": "scikit-learn", "pytorch": "PyTorch", "tf2onnx": "TensorFlow", "keras": "Keras"}


def open_file(path: Path) -> onnx.ModelProto:
    """
    The model in the file *path*; tensors that lie beside it are not read.

    Raises:
        WrongFormatError, ArchiveLimitError, TamperedModelError, UntrustedTypeError: as for our own files.
    """
    raw = read_plain(path, limit=MAX_BYTES)
    if len(raw) > MAX_BYTES:
        raise ArchiveLimitError(f"{path.name}: expected at most {MAX_BYTES} bytes")
    check_model(raw, functions=True)
    return parsed(raw, path.name)


def parsed(raw: bytes, name: str) -> onnx.ModelProto:
    """
    Raises:
        WrongFormatError: *raw* is no ONNX model.
    """
    model = onnx.ModelProto()
    try:
        model.ParseFromString(raw)
    except Exception as exc:  # protobuf's DecodeError, which has no other ancestor
        raise WrongFormatError(f"{name}: expected an ONNX model: {exc}") from exc
    return model


def to_bytes(model: Any) -> bytes:
    """
    The bytes that are stored: functions written into the graph, checked.

    Raises:
        SaveRefusedError: it is no ONNX model.
        ArtifactError: it is refused.
    """
    if not isinstance(model, onnx.ModelProto):
        raise SaveRefusedError(f"expected an onnx.ModelProto or the path of an .onnx file, got {type(model).__name__}")
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    raw: bytes = model.SerializeToString()
    check_model(raw)
    return raw


def framework(model: onnx.ModelProto) -> str:
    """`ONNX (opset 17), made by PyTorch 2.13.0`."""
    opset = next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), None)
    told = "ONNX" if opset is None else f"ONNX (opset {opset})"
    producer = _NAMES.get(model.producer_name, model.producer_name)
    return f"{told}, made by {producer} {model.producer_version}".rstrip() if producer else told
