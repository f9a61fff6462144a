"""Columns picked, put side by side, and what is missing in them."""

from __future__ import annotations

from typing import ClassVar

from cloche.graph.operator import Operator, Scalar, is_scalar
from cloche.graph.shapes import Kind, Shape, Weights, expect

MAX_DENSE = 20_000


class Select(Operator, frozen=True, kw_only=True, tag="select"):
    """The columns at these places, in this order."""

    columns_array: str
    takes: ClassVar[tuple[Kind, ...]] = ("numbers", "objects", "sparse")

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """Every place lies inside; a column is picked once from sparse ones."""
        columns = weights.indices(self.columns_array, inputs[0].width, None)
        if inputs[0].kind == "sparse":
            expect(len(set(columns.tolist())) == len(columns), "select: a sparse column is picked twice")
        return Shape(inputs[0].kind, len(columns))


class Concat(Operator, frozen=True, kw_only=True, tag="concat"):
    """Values side by side; sparse if one of them is."""

    takes: ClassVar[tuple[Kind, ...]] = ("numbers", "objects", "sparse")
    arity: ClassVar[tuple[int, int]] = (1, 10_000)

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """Objects stand beside objects only."""
        kinds = {one.kind for one in inputs}
        expect("objects" not in kinds or kinds == {"objects"}, "concat: objects beside numbers")
        kind: Kind = "objects" if "objects" in kinds else "sparse" if "sparse" in kinds else "numbers"
        return Shape(kind, sum(one.width for one in inputs))


class Dense(Operator, frozen=True, kw_only=True, tag="dense"):
    """Sparse columns written out."""

    takes: ClassVar[tuple[Kind, ...]] = ("sparse",)

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """Not more columns than a row may be written out to."""
        expect(inputs[0].width <= MAX_DENSE, f"dense: {inputs[0].width} columns, expected at most {MAX_DENSE}")
        return Shape("numbers", inputs[0].width)


class Fill(Operator, frozen=True, kw_only=True, tag="fill"):
    """Numbers, and one of `values_array` (k) where they are missing."""

    values_array: str

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """One filler a column."""
        weights.floats(self.values_array, inputs[0].width)
        return inputs[0]


class FillObjects(Operator, frozen=True, kw_only=True, tag="fill_objects"):
    """Objects, and one of `values` where they are missing."""

    values: tuple[Scalar, ...]
    takes: ClassVar[tuple[Kind, ...]] = ("objects",)

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """One filler a column."""
        expect(len(self.values) == inputs[0].width, f"fill_objects: {len(self.values)} fillers")
        expect(all(map(is_scalar, self.values)), "fill_objects: a filler is no plain value")
        return inputs[0]


class Missing(Operator, frozen=True, kw_only=True, tag="missing"):
    """1 where the column is missing, else 0."""

    takes: ClassVar[tuple[Kind, ...]] = ("numbers", "objects")

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """As wide as what it reads."""
        return Shape("numbers", inputs[0].width)


class Check(Operator, frozen=True, kw_only=True, tag="check"):
    """The same numbers, unless one is infinite or (where `missing` is False) NaN: then the row is refused."""

    missing: bool = False

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """As wide as what it reads."""
        return inputs[0]
