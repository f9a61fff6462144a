"""
What follows decision trees: LightGBM's predictor where it is installed and loads, else numpy.

Both give the same float64 numbers, bit for bit, for a row alone and in a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from cloche.engines.trees.booster import Booster, representable
from cloche.engines.trees.library import library
from cloche.engines.trees.probe import works
from cloche.engines.trees.walker import Walker
from cloche.graph.trees import Ensemble

__all__ = ["Booster", "Kernel", "Walker", "kernel", "library", "representable", "works"]


class Kernel(Protocol):
    """Evaluates an ensemble; safe in several threads, and after a fork."""

    @property
    def name(self) -> str: ...

    def row(self, values: Sequence[float]) -> list[float]: ...

    def columns(self, rows: Any) -> Any: ...


def kernel(ensemble: Ensemble) -> Kernel:
    """The fastest kernel that answers for a checked *ensemble* here."""
    found = library()
    if found is None or not representable(ensemble) or not works(found):
        return Walker(ensemble)
    return Booster(ensemble, found)
