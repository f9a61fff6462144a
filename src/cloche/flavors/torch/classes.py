"""
Classes of nets that somebody wrote: named in the artifact, imported only where the operator's own list names them.

The text in the artifact chooses among what is allowed; it never makes something importable.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from cloche.errors import ArtifactError, SaveRefusedError, TamperedModelError, UntrustedTypeError, UsageError
from cloche.trust import TrustPolicy

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
MOVE = (
    "move it to the top level of a package, install that where the model runs (pip install ./mypackage) and import it "
    "from there; the tensors stay as they are (load_state_dict)"
)
_OTHER_WAYS = "a net of PyTorch's own layers in an nn.Sequential, or an ONNX file (torch.onnx.export), needs no class"


def name_of(module: nn.Module) -> str:
    """
    `package.module:Class` of a net whose class another process can import.

    Raises:
        SaveRefusedError: the class exists only here; with the recipe.
    """
    kind = type(module)
    name, where = kind.__qualname__, kind.__module__
    if isinstance(module, torch.jit.ScriptModule):
        raise SaveRefusedError(
            "a TorchScript module brings its own code along, and that is not opened; save the module it was made from"
        )
    if where in ("__main__", "__mp_main__"):
        raise SaveRefusedError(
            f"the class '{name}' is defined in __main__ (a notebook or script) and exists only there; {MOVE}. "
            f"Or do without: {_OTHER_WAYS}"
        )
    if "." in name:
        raise SaveRefusedError(f"the class '{where}.{name}' is local to a function or to another class; {MOVE}")
    return f"{where}:{name}"


def check_allowed(name: str, trust: TrustPolicy, kind: type[SaveRefusedError | ArtifactError]) -> None:
    """
    Raises:
        SaveRefusedError, UntrustedTypeError: the operator's list does not name the class; which one is *kind*.
    """
    dotted = name.replace(":", ".")
    if dotted not in trust.allowed_types:
        raise kind(
            f"the class '{dotted}' is not on the allow-list, so no server would build the net. Where the package is "
            f'installed and its code is trusted, allow it with trust.allowed_types = ["{dotted}"] in the configuration '
            f"of the user or the system (never in the artifact). Or do without: {_OTHER_WAYS}"
        )


def find(name: str, trust: TrustPolicy) -> type[nn.Module]:
    """
    The class called `package.module:Class`.

    Raises:
        UntrustedTypeError: the operator does not allow it.
        TamperedModelError: it cannot be imported here, or is no net.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise TamperedModelError(
            f"manifest.json: options: module: expected package.module:Class, got {str(name)[:80]!r}"
        )
    check_allowed(name, trust, UntrustedTypeError)
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as exc:
        raise TamperedModelError(f"the class '{name}' cannot be imported here: {exc}; install its package") from exc
    if not (
        isinstance(found, type) and issubclass(found, nn.Module) and f"{found.__module__}:{found.__name__}" == name
    ):
        raise TamperedModelError(f"'{name}' is not the class of a net that is defined in that module")
    return found


def checked_config(config: Any) -> dict[str, Any]:
    """
    *config* as JSON would give it back.

    Raises:
        UsageError: it is no dict of plain values.
    """
    try:
        plain: Any = json.loads(json.dumps(dict(config), allow_nan=False))
    except (TypeError, ValueError) as exc:
        raise UsageError(
            f"config: expected the keyword arguments of the net's class as plain values (numbers, texts, lists): {exc}"
        ) from exc
    if not isinstance(config, Mapping) or any(not isinstance(name, str) for name in config):
        raise UsageError("config: expected a dict of keyword arguments")
    return dict(plain)
