"""How a net is asked: matrices and tokens in, an array of numbers out. Always in eval mode, never with gradients."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from cloche.flavors.tokens.batches import batches
from cloche.flavors.tokens.options import TextOptions

Array = np.ndarray[Any, Any]
#: Rows that are asked together, at most: a whole table would need the memory of all its activations at once.
MAX_BATCH = 4_096
_FLOATS = {"float64": torch.float64, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@contextmanager
def at_rest(module: nn.Module) -> Iterator[nn.Module]:
    """*module* in eval mode; afterwards each part is in the mode it was in."""
    modes = [(part, part.training) for part in module.modules()]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield module.eval()
    finally:
        for part, training in modes:
            part.training = training


def device_of(module: nn.Module) -> torch.device:
    """Where the net's tensors are."""
    return next((one.device for one in (*module.parameters(), *module.buffers())), torch.device("cpu"))


def dtype_of(module: nn.Module) -> str:
    """The number type that the net computes in: that of its first tensor of fractions."""
    for one in (*module.parameters(), *module.buffers()):
        name = str(one.dtype).removeprefix("torch.")
        if name in _FLOATS:
            return name
    return "float32"


def tensor_of(answer: Any) -> torch.Tensor:
    """
    What counts of what `forward` returned: a tensor, the `logits` of an object or a dict, or the first of several.

    Raises:
        ValueError: there is none.
    """
    if isinstance(answer, Mapping):
        answer = answer.get("logits", next(iter(answer.values()), None))
    answer = getattr(answer, "logits", answer)
    if isinstance(answer, (tuple, list)) and answer:
        answer = answer[0]
    if not isinstance(answer, torch.Tensor):
        raise ValueError(f"expected the net to answer a tensor, got {type(answer).__name__}")
    return answer


def numbers(answer: Any, rows: int) -> Array:
    """
    What `forward` returned as (rows, width) float64.

    Raises:
        ValueError: there is not one number, or one vector of them, a row.
    """
    found = tensor_of(answer).detach().to("cpu")
    found = found.to(torch.float64) if found.dtype != torch.float64 else found
    array = found.numpy()
    if array.ndim == 0 and rows == 1:
        array = array.reshape(1, 1)
    if array.ndim == 1:
        array = array.reshape(-1, 1)
    if array.ndim != 2 or len(array) != rows:
        raise ValueError(f"expected one number or one vector a row, got shape {list(array.shape)} for {rows} rows")
    return array


# -- matrices -----------------------------------------------------------------------------------


def ask_matrix(module: nn.Module, matrix: Array, dtype: str, device: torch.device) -> Array:
    """The net's numbers for each row of *matrix* (n, columns) float64; call it in `inference_mode`."""
    kind = _FLOATS[dtype]
    parts = []
    for start in range(0, len(matrix), MAX_BATCH):
        part = torch.from_numpy(np.ascontiguousarray(matrix[start : start + MAX_BATCH])).to(kind).to(device)
        parts.append(numbers(module(part), len(part)))
    return np.concatenate(parts) if len(parts) != 1 else parts[0]


# -- tokens -------------------------------------------------------------------------------------


def ask_tokens(
    module: nn.Module, tokens: Sequence[Sequence[int]], how: TextOptions, pad: int, device: torch.device
) -> Array:
    """The net's numbers for each text, given as its tokens (at least one)."""
    found: Array | None = None
    for places, arrays in batches(tokens, how, pad):
        tensors = [torch.from_numpy(one).to(device) for one in arrays]
        called = module(**dict(zip(how.names, tensors, strict=True))) if how.names else module(*tensors)
        answer = numbers(called, len(places))
        if found is None:
            found = np.empty((len(tokens), answer.shape[1]))
        found[places] = answer
    return np.empty((0, 1)) if found is None else found
