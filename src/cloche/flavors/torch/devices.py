"""Where a net computes."""

from __future__ import annotations

from collections.abc import Callable

import torch

from cloche.errors import DeviceMissingError


def device(name: str) -> torch.device:
    """
    `cpu`, `cuda`, `mps`, or `auto`: the first of cuda and mps that is there, else the CPU.

    Raises:
        DeviceMissingError: there is no such device here.
    """
    there: dict[str, Callable[[], bool]] = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if name == "auto":
        name = next((one for one, is_there in there.items() if is_there()), "cpu")
    elif name in there and not there[name]():
        found = [one for one, is_there in there.items() if is_there()]
        raise DeviceMissingError(
            f"device '{name}': PyTorch {torch.__version__} finds none here; there is: {', '.join(['cpu', *found])}. "
            "Say --device auto to take what there is"
        )
    if name == "cuda":  # answers are to be those of the CPU: no arithmetic of 10 bits in matrix products
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    return torch.device(name)
