"""What answers: a model behind plain columns and plain outputs. No model library is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.first_use import on_first_use

if TYPE_CHECKING:
    from cloche.engines.engine import Engine
    from cloche.engines.native import NativeEngine
    from cloche.engines.onnx import open_onnx
    from cloche.engines.parity import differences

#: Engines that may be opened before a fork, or not; of others the flavor says it.
FORK_SAFE = {"twin": True, "onnx": False}

__all__ = ["FORK_SAFE", "Engine", "NativeEngine", "differences", "open_onnx"]

__getattr__ = on_first_use(
    __name__,
    {
        "engine": ("Engine",),
        "native": ("NativeEngine",),
        "onnx": ("open_onnx",),
        "parity": ("differences",),
    },
)
