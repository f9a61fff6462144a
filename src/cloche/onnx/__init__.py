"""
ONNX as an engine: the model's bytes, what its tensors mean, and whether both may be opened.

The bytes are walked as plain protobuf before any library sees them; onnxruntime has its home in `session.py`, and the
library `onnx` is not needed to serve.
"""

from __future__ import annotations

from cloche.onnx.interface import FORMAT, INTERFACE, MODEL, Interface, Prepared, Result, Tensor
from cloche.onnx.model import OnnxModel

__all__ = ["FORMAT", "INTERFACE", "MODEL", "Interface", "OnnxModel", "Prepared", "Result", "Tensor"]
