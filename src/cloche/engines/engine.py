"""The face of everything that answers."""

from __future__ import annotations

from typing import Protocol

from cloche.records import Columns, Outputs


class Engine(Protocol):
    """Answers *n* rows given as columns of model values (`None` is missing)."""

    @property
    def name(self) -> str: ...

    def predict(self, columns: Columns, n: int) -> Outputs: ...
