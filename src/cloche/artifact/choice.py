"""Which engine is asked for, and where it is to compute."""

from __future__ import annotations

from typing import Literal

#: "auto": the first that the manifest lists.
EngineChoice = Literal["auto", "twin", "native", "onnx"]
Device = Literal["cpu", "cuda", "mps", "auto"]
