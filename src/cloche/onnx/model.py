"""An ONNX model and its interface: what a flavor makes, an artifact holds, and the engine opens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cloche.onnx.interface import INTERFACE, MODEL, Interface


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """The bytes of a `.onnx` file, and what its tensors mean."""

    raw: bytes
    interface: Interface

    def write(self, directory: Path) -> None:
        """Write `onnx/` into *directory*."""
        (directory / MODEL).parent.mkdir(exist_ok=True)
        (directory / MODEL).write_bytes(self.raw)
        (directory / INTERFACE).write_bytes(self.interface.to_json())
