"""
The state of a training run (optimizer, epoch, best score), kept beside the net and never opened to answer.

`training/state.json` is the tree as JSON, `training/state.safetensors` the tensors in it. In the tree a dict with a
single key that begins with `$` is no dict: `{"$tensor": name}`, `{"$tuple": […]}`, `{"$items": [[key, value], …]}` for
a dict whose keys are not all texts (an optimizer numbers its parameters) and `{"$float": "nan"}`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import save

from cloche.errors import MissingFileError, SaveRefusedError, TamperedModelError, WrongFormatError
from cloche.flavors.torch import weights

STATE = "training/state.json"
TENSORS = "training/state.safetensors"


def write(state: Mapping[str, Any], directory: Path) -> None:
    """
    Raises:
        SaveRefusedError: it holds something else than tensors and plain values.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = _written(dict(state), "training_state", tensors)
    (directory / STATE).parent.mkdir(exist_ok=True)
    (directory / STATE).write_bytes(msgspec.json.format(msgspec.json.encode(tree), indent=1) + b"\n")
    try:
        (directory / TENSORS).write_bytes(save(tensors))
    except (SafetensorError, RuntimeError, ValueError) as exc:
        raise SaveRefusedError(f"training_state: its tensors cannot be stored: {exc}") from exc


def _written(value: Any, where: str, tensors: dict[str, torch.Tensor]) -> Any:
    if hasattr(value, "state_dict") and not isinstance(value, Mapping):
        value = value.state_dict()  # an optimizer, a scheduler
    if isinstance(value, torch.Tensor):
        name = f"{len(tensors)}"
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"$tensor": name}
    if isinstance(value, Mapping):
        plain = all(isinstance(key, str) and not key.startswith("$") for key in value)
        items = [(key, _written(one, f"{where}.{key}", tensors)) for key, one in value.items()]
        return dict(items) if plain else {"$items": [[_written(key, where, tensors), one] for key, one in items]}
    if isinstance(value, (list, tuple)):
        found = [_written(one, f"{where}[{place}]", tensors) for place, one in enumerate(value)]
        return found if isinstance(value, list) else {"$tuple": found}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    if value is None or isinstance(value, (bool, str, float)) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    item = getattr(value, "item", None)
    if item is not None and getattr(value, "shape", None) == ():  # a number of numpy
        return _written(item(), where, tensors)
    raise SaveRefusedError(
        f"{where}: expected tensors and plain values (numbers, texts, lists, dicts), got {type(value).__name__}; "
        "leave it out, or give what it is made of (optimizer.state_dict())"
    )


def read(files: Mapping[str, bytes]) -> dict[str, Any]:
    """
    What was given to `write`, tensors on the CPU; *files* are verified bytes by path.

    Raises:
        MissingFileError: the artifact keeps no training state.
        WrongFormatError, TamperedModelError: its files are not what `write` made.
    """
    if STATE not in files or TENSORS not in files:
        raise MissingFileError(
            f"{STATE}: this version keeps no training state; save(..., training_state={{…}}) keeps it"
        )
    try:
        tree = msgspec.json.decode(files[STATE])
        found = _read(tree, weights.from_bytes(files[TENSORS], TENSORS))
    except (msgspec.MsgspecError, ValueError, RecursionError, TypeError, KeyError) as exc:
        raise WrongFormatError(f"{STATE}: expected a training state: {type(exc).__name__}: {exc}") from exc
    if not isinstance(found, dict):
        raise TamperedModelError(f"{STATE}: expected a dict")
    return found


def _read(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    if isinstance(value, list):
        return [_read(one, tensors) for one in value]
    if not isinstance(value, dict):
        return value
    mark = next(iter(value), "") if len(value) == 1 else ""
    inner: Any = value.get(mark)
    if mark == "$tensor":
        return tensors[inner]
    if mark == "$tuple":
        return tuple(_read(inner, tensors))
    if mark == "$items":
        return {_read(key, tensors): _read(one, tensors) for key, one in inner}
    if mark == "$float":
        return float(inner)
    return {key: _read(one, tensors) for key, one in value.items()}
