"""Categories to numbers."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from cloche.graph.operator import Operator, Scalar, is_scalar
from cloche.graph.shapes import Kind, Shape, Weights, expect


class Levels(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    One column's levels, and what each becomes.

    A level becomes its place, or the number at its place in `values_array`. `missing` and `unknown` are what a missing
    value and any other become; None is NaN. What is listed in `rejects` refuses the row.
    """

    levels: tuple[Scalar, ...]
    values_array: str | None = None
    missing: float | None = None
    unknown: float | None = None
    rejects: tuple[Literal["missing", "unknown"], ...] = ()


class Encode(Operator, frozen=True, kw_only=True, tag="encode"):
    """Each column's levels as numbers: float64, NaN where a rule says so."""

    columns: tuple[Levels, ...]
    takes: ClassVar[tuple[Kind, ...]] = ("objects", "numbers")

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """One list of levels a column, no level twice."""
        expect(len(self.columns) == inputs[0].width, f"encode: {len(self.columns)} lists of levels")
        for one in self.columns:
            expect(all(map(is_scalar, one.levels)), "encode: a level is no plain value")
            expect(len(set(one.levels)) == len(one.levels), "encode: a level stands twice")
            if one.values_array is not None:
                weights.floats(one.values_array, len(one.levels))
        return Shape("numbers", inputs[0].width)

    def arrays(self) -> tuple[str, ...]:
        """The arrays of its columns."""
        return tuple(one.values_array for one in self.columns if one.values_array is not None)


class Expand(Operator, frozen=True, kw_only=True, tag="expand"):
    """
    Codes to indicators: column i becomes `widths[i]` columns, of which the one at the code is 1.

    A code that is no whole number in [0, width) gives zeros.
    """

    widths: tuple[int, ...]
    sparse: bool = False

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """One width a column."""
        expect(len(self.widths) == inputs[0].width, f"expand: {len(self.widths)} widths")
        expect(min(self.widths, default=0) >= 0, "expand: a width below zero")
        return Shape("sparse" if self.sparse else "numbers", sum(self.widths))
