"""Where a graph begins: fields of the row, as numbers or as they are."""

from __future__ import annotations

from typing import ClassVar

from cloche.graph.operator import Operator
from cloche.graph.shapes import Shape, Weights


class Numbers(Operator, frozen=True, kw_only=True, tag="numbers"):
    """Fields by place in the graph's inputs, each as float64 (a boolean is 0 or 1), NaN where missing."""

    fields: tuple[int, ...]
    arity: ClassVar[tuple[int, int]] = (0, 0)

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """That the fields exist is the graph's own check."""
        return Shape("numbers", len(self.fields))


class Objects(Operator, frozen=True, kw_only=True, tag="objects"):
    """Fields as they came, None where missing or where an input with levels holds another."""

    fields: tuple[int, ...]
    arity: ClassVar[tuple[int, int]] = (0, 0)

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """That the fields exist is the graph's own check."""
        return Shape("objects", len(self.fields))
