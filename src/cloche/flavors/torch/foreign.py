"""
Files that PyTorch wrote: state dicts are opened (tensors only), everything that would bring code along is refused.

`.pt` is a zip with a pickle in it. It is opened with `weights_only`, which builds tensors and plain containers and
refuses every other name; versions before 2.10 had ways around that.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from cloche.errors import SaveRefusedError, UsageError, WrongFormatError
from cloche.flavors.torch import building, classes, weights
from cloche.integrity.archive import check_archive
from cloche.trust import TrustPolicy

_OLD = b"\x80\x02\x8a\x0a"  # a pickle that begins with a number of ten bytes
_OLDEST = (2, 10)
_INSIDE = ("state_dict", "model_state_dict", "model_state", "model", "net", "module")
_PREFIXES = ("module.", "_orig_mod.")
_RECIPE = (
    "save the tensors (torch.save(net.state_dict(), 'net.pt')) and name the class: "
    "cloche save net.pt --module package.module:Class --config config.json"
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tensors of a net, and what else lay beside them."""

    state: dict[str, torch.Tensor]
    rest: dict[str, Any] = field(default_factory=dict)


def open_module(path: Path, module: str | None, config: Mapping[str, Any] | None, trust: TrustPolicy) -> Any:
    """
    The net whose tensors are in *path*, built as `package.module:Class(**config)`; and the rest of a checkpoint.

    Raises:
        UsageError: no class was named.
        SaveRefusedError: the file brings code along, or does not fit the class; with the recipe.
        WrongFormatError, ArchiveLimitError, UntrustedTypeError, TamperedModelError
    """
    checkpoint = read(path)
    if module is None:
        raise UsageError(
            f"{path}: holds tensors and not the class of the net; name it: --module package.module:Class, and the "
            "arguments of its constructor: --config config.json"
        )
    described = {"class": module, "config": classes.checked_config(config or {})}
    return building.build(described, checkpoint.state, trust, meta=False, name=path.name), checkpoint.rest


def read(path: Path) -> Checkpoint:
    """The tensors in a `.safetensors`, `.pt` or `.pth` file."""
    raw = path.read_bytes()
    if path.suffix.lower() == ".pt2":
        raise SaveRefusedError(
            f"{path}: an exported program runs code when it is opened (torch.export.load falls back to an unsafe "
            f"unpickler), so it is not opened; {_RECIPE}, or torch.onnx.export and save the .onnx file"
        )
    if path.suffix.lower() == ".safetensors":
        return Checkpoint(_bare(weights.from_bytes(raw, path.name)))
    return _checkpoint(_unpickled(raw, path), path)


def _unpickled(raw: bytes, path: Path) -> Any:
    if raw.startswith(_OLD):
        raise SaveRefusedError(
            f"{path}: one pickle after the other, as torch.save wrote it before PyTorch 1.6; not opened. Write it "
            "again: torch.save(torch.load(path, weights_only=True), 'net.pt')"
        )
    check_archive(raw, path.name)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        names = archive.namelist()
    if any(re.search(r"(^|/)(code/|constants\.pkl$)", name) for name in names):
        raise SaveRefusedError(
            f"{path}: a TorchScript module brings its own code along, so it is not opened; {_RECIPE}"
        )
    if any(
        re.search(r"(^|/)(archive_format|models/[^/]*\.json|serialized_exported_program\.json)$", name)
        for name in names
    ):
        raise SaveRefusedError(f"{path}: an exported program runs code when it is opened; {_RECIPE}")
    found = tuple(int(one) for one in re.findall(r"\d+", torch.__version__)[:2])
    if found < _OLDEST:
        raise SaveRefusedError(
            f"{path}: PyTorch {torch.__version__} does not open such files safely; install torch>=2.10, or save the "
            "tensors as .safetensors"
        )
    try:
        return torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except Exception as exc:  # a broken archive makes the reader raise anything
        raise _unreadable(exc, path) from exc


def _unreadable(exc: Exception, path: Path) -> WrongFormatError:
    if type(exc).__name__ != "UnpicklingError":
        return WrongFormatError(f"{path.name}: expected a state dict of PyTorch: {type(exc).__name__}: {exc}")
    named = re.search(r"(?:GLOBAL|global) ([\w.]+)", str(exc))
    what = f" ({named[1]})" if named else ""
    return WrongFormatError(
        f"{path.name}: holds more than tensors{what}: a pickle of a whole module or of other objects runs code "
        f"when it is opened, so it is not opened; in the program that made it {_RECIPE}"
    )


def _checkpoint(found: Any, path: Path) -> Checkpoint:
    if isinstance(found, Mapping) and found and _is_state(found):
        return Checkpoint(_bare(dict(found)))
    if isinstance(found, Mapping):
        for name in _INSIDE:
            if isinstance(found.get(name), Mapping) and found[name] and _is_state(found[name]):
                rest = {str(key): one for key, one in found.items() if key != name}
                return Checkpoint(_bare(dict(found[name])), rest)
    raise SaveRefusedError(
        f"{path}: expected a state dict (names and tensors), alone or under one of {', '.join(_INSIDE)}; {_RECIPE}"
    )


def _is_state(found: Mapping[Any, Any]) -> bool:
    return all(isinstance(name, str) and isinstance(one, torch.Tensor) for name, one in found.items())


def _bare(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Without the prefix that a wrapper put before every name."""
    for prefix in _PREFIXES:
        if state and all(name.startswith(prefix) for name in state):
            return _bare({name.removeprefix(prefix): one for name, one in state.items()})
    return state
