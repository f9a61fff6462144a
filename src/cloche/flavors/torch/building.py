"""A net from its description and its tensors: built without memory where its class allows that, then filled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from cloche.errors import ClocheError, TamperedModelError
from cloche.flavors.torch import classes, layers, weights
from cloche.flavors.torch.weights import State
from cloche.trust import TrustPolicy


def build(described: Mapping[str, Any], state: State, trust: TrustPolicy, *, meta: bool, name: str) -> nn.Module:
    """
    The net, on the CPU and in eval mode; *name* is the file that *state* came from.

    Shapes are compared before any memory is taken, so that a description cannot ask for more than the file holds.

    Raises:
        UntrustedTypeError: its class is not allowed.
        TamperedModelError: it cannot be built, or *state* does not fit it.
    """
    empty = _empty(described, trust)
    if empty is not None:
        weights.check_fits(empty, state, name)
    if meta:
        if empty is None:
            raise TamperedModelError("the class of the net cannot be built without memory, and was when it was saved")
        return _filled(empty, state, assign=True)
    module = _constructed(described, trust)
    weights.check_fits(module, state, name)
    return _filled(module, state, assign=False)


def is_whole(module: nn.Module) -> bool:
    """Whether every tensor that the net registered has memory: one that is not in the state dict may have none."""
    return not any(one.is_meta for one in (*module.parameters(), *module.buffers()))


def _filled(module: nn.Module, state: State, *, assign: bool) -> nn.Module:
    try:
        module.load_state_dict(dict(state), strict=True, assign=assign)
    except (RuntimeError, TypeError, ValueError, KeyError) as exc:
        raise TamperedModelError(f"the tensors do not fit the net: {str(exc).splitlines()[0]}") from exc
    return module.eval().requires_grad_(False)


def _empty(described: Mapping[str, Any], trust: TrustPolicy) -> nn.Module | None:
    """The net on the meta device; None where its constructor needs real numbers."""
    try:
        with torch.device("meta"):
            return _constructed(described, trust)
    except ClocheError as exc:
        if isinstance(exc.__cause__, Exception) and "layer" not in described:
            return None
        raise


def _constructed(described: Mapping[str, Any], trust: TrustPolicy) -> nn.Module:
    if "layer" in described:
        return layers.build(described)
    kind = classes.find(described.get("class", ""), trust)
    config = described.get("config", {})
    if not isinstance(config, dict):
        raise TamperedModelError("manifest.json: options: module: config: expected keyword arguments")
    try:
        return kind(**config)
    except Exception as exc:  # the constructor of somebody's class
        shown = ", ".join(f"{key}={value!r}" for key, value in config.items())[:200]
        raise TamperedModelError(f"{kind.__name__}({shown}) raises {type(exc).__name__}: {exc}") from exc
