"""ONNX as an engine: columns in, the answers of the model's own library out, within the recorded tolerance."""

from cloche.engines.onnx.engine import OnnxEngine, open_onnx

__all__ = ["OnnxEngine", "open_onnx"]
