"""The tensors of a net as safetensors: on the CPU, contiguous, each piece of memory once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from cloche.errors import SaveRefusedError, TamperedModelError, WrongFormatError

State = Mapping[str, torch.Tensor]


def to_bytes(state: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
    """
    The bytes of *state*, and the names of tensors that share the memory of another: name → the name that is stored.

    Raises:
        SaveRefusedError: it holds something that is no plain tensor.
    """
    kept: dict[str, torch.Tensor] = {}
    tied: dict[str, str] = {}
    seen: dict[Any, str] = {}
    for name, value in state.items():
        _check(name, value)
        same = (value.data_ptr(), value.shape, value.stride(), value.dtype) if value.numel() else name
        if same in seen:
            tied[name] = seen[same]
            continue
        seen[same] = name
        kept[name] = value.detach().to("cpu", copy=True).contiguous()
    try:
        return save(kept), tied
    except (SafetensorError, RuntimeError, ValueError, KeyError) as exc:
        raise SaveRefusedError(f"the tensors of the net cannot be stored: {exc}") from exc


def _check(name: str, value: Any) -> None:
    if not isinstance(value, torch.Tensor):
        raise SaveRefusedError(
            f"state_dict: '{name}' is {type(value).__name__}, not a tensor; only tensors are stored. Keep such state "
            "out of the net (get_extra_state), or make it a buffer"
        )
    if value.is_quantized or value.layout is not torch.strided or value.device.type == "meta":
        raise SaveRefusedError(
            f"state_dict: '{name}' is a quantized, sparse or empty tensor; only dense ones are stored"
        )


def from_bytes(raw: bytes, name: str) -> dict[str, torch.Tensor]:
    """
    The tensors in the safetensors file *raw*, which messages call *name*.

    Raises:
        WrongFormatError: it is no safetensors file.
    """
    try:
        return dict(load(raw))
    except (SafetensorError, RuntimeError, ValueError, TypeError, KeyError, OverflowError, MemoryError) as exc:
        raise WrongFormatError(f"{name}: expected a safetensors file: {exc}") from exc


def untied(state: State, tied: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """
    *state* with the names that share another's tensor.

    Raises:
        TamperedModelError: a name is there twice, or shares one that is not there.
    """
    whole = dict(state)
    for name, other in tied.items():
        if name in state or other not in state:
            raise TamperedModelError(f"manifest.json: options: tied: '{name}' cannot be '{other}'")
        whole[name] = state[other]
    return whole


def check_fits(module: torch.nn.Module, state: State, name: str) -> None:
    """
    Raises:
        TamperedModelError: *state* has other names or shapes than *module*.
    """
    expected = {key: tuple(one.shape) for key, one in module.state_dict().items() if isinstance(one, torch.Tensor)}
    got = {key: tuple(one.shape) for key, one in state.items()}
    if expected == got:
        return
    for key in sorted({*expected, *got}):
        if expected.get(key) != got.get(key):
            raise TamperedModelError(
                f"{name}: '{key}': expected {_shape(expected.get(key))} as the net has, got {_shape(got.get(key))}"
            )


def _shape(shape: tuple[int, ...] | None) -> str:
    return "no such tensor" if shape is None else f"shape {list(shape)}"
