"""What answers: a model behind plain columns and plain outputs. No model library is imported here."""

from __future__ import annotations

from typing import Protocol

from cloche.engines.native import NativeEngine
from cloche.engines.parity import differences
from cloche.records import Columns, Outputs

#: Engines that may be opened before a fork, or not; of others the flavor says it.
FORK_SAFE = {"twin": True, "onnx": False}

__all__ = ["FORK_SAFE", "Engine", "NativeEngine", "differences"]


class Engine(Protocol):
    """Answers *n* rows given as columns of model values (`None` is missing)."""

    @property
    def name(self) -> str: ...

    def predict(self, columns: Columns, n: int) -> Outputs: ...
