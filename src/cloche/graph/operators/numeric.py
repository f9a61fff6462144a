"""Numbers to numbers, column by column or within the row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np

from cloche.graph.operator import EVERY, Operator
from cloche.graph.shapes import Array, Kind, Shape, Weights, expect

FUNCTIONS = (
    "abs", "cbrt", "ceil", "cos", "exp", "exp2", "expm1", "floor", "log", "log10", "log1p", "log2", "negative",
    "reciprocal", "rint", "sigmoid", "sign", "sin", "sqrt", "square", "tan", "tanh", "relu", "float32",
)  # fmt: skip
MAX_PRODUCTS = 100_000


class Scale(Operator, frozen=True, kw_only=True, tag="scale"):
    """
    Each column less `subtract`, by `divide`, times `multiply`, plus `add`, then between `low` and `high`: so ordered.

    Arrays have one float64 a column. Sparse columns are only divided or multiplied.
    """

    subtract_array: str | None = None
    divide_array: str | None = None
    multiply_array: str | None = None
    add_array: str | None = None
    low: float | None = None
    high: float | None = None
    takes: ClassVar[tuple[Kind, ...]] = ("numbers", "sparse")

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """One number a column, none of the divisors zero."""
        width = inputs[0].width
        for name in (self.subtract_array, self.multiply_array, self.add_array):
            if name is not None:
                weights.floats(name, width)
        if self.divide_array is not None:
            weights.divisors(self.divide_array, width)
        shifts = (self.subtract_array, self.add_array, self.low, self.high)
        expect(inputs[0].kind == "numbers" or shifts == (None,) * 4, "scale: sparse columns are not shifted")
        return inputs[0]


class Function(Operator, frozen=True, kw_only=True, tag="function"):
    """A function of every number; `float32` rounds to the nearest float32."""

    name: str

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """The function is one of the closed list."""
        expect(self.name in FUNCTIONS, f"function: expected one of {', '.join(FUNCTIONS)}, got {self.name!r}")
        return inputs[0]


class Normalize(Operator, frozen=True, kw_only=True, tag="normalize"):
    """The row divided by its norm; a row of zeros stays."""

    norm: Literal["l1", "l2", "max"] = "l2"
    takes: ClassVar[tuple[Kind, ...]] = ("numbers", "sparse")

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """As wide as what it reads."""
        return inputs[0]


class Bin(Operator, frozen=True, kw_only=True, tag="bin"):
    """The bin of each number: how many of its column's ascending edges are not above it."""

    edges_arrays: tuple[str, ...]

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """One array of edges a column."""
        expect(len(self.edges_arrays) == inputs[0].width, f"bin: {len(self.edges_arrays)} arrays of edges")
        for name in self.edges_arrays:
            weights.ascending(name, None)
        return inputs[0]

    def thresholds(self, weights: Weights) -> Iterable[tuple[int, Array]]:
        """The edges."""
        return [(place, weights.to_dict()[name]) for place, name in enumerate(self.edges_arrays)]


class Binarize(Operator, frozen=True, kw_only=True, tag="binarize"):
    """1 where the number is above the threshold, else 0."""

    threshold: float = 0.0
    takes: ClassVar[tuple[Kind, ...]] = ("numbers", "sparse")

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """Sparse zeros stay zeros."""
        expect(inputs[0].kind == "numbers" or self.threshold >= 0, "binarize: a threshold below zero on sparse columns")
        return inputs[0]

    def thresholds(self, weights: Weights) -> Iterable[tuple[int, Array]]:
        """The threshold, in every column."""
        return [(EVERY, np.array([self.threshold]))]


class Polynomial(Operator, frozen=True, kw_only=True, tag="polynomial"):
    """
    Products of columns. The list begins with the columns of the input; each pair (a, b) of `pairs_array` (m, 2)
    appends the product of two that stand before it. Of the list, the places in `columns_array` are given; -1 is one.
    """

    pairs_array: str
    columns_array: str

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """Each pair points at what stands before it."""
        width = inputs[0].width
        pairs = weights.array(self.pairs_array, np.int64, None, 2)
        columns = weights.array(self.columns_array, np.int64, None)
        expect(len(pairs) <= MAX_PRODUCTS, f"polynomial: {len(pairs)} products")
        before = np.arange(width, width + len(pairs))[:, None]
        expect(bool(((pairs >= 0) & (pairs < before)).all()), "polynomial: a product of columns that come later")
        expect(bool(((columns >= -1) & (columns < width + len(pairs))).all()), "polynomial: a column that is not there")
        return Shape("numbers", len(columns))


class Power(Operator, frozen=True, kw_only=True, tag="power"):
    """The power transform of each column with its own λ (Yeo-Johnson 2000, Box-Cox 1964); NaN stays."""

    method: Literal["yeo-johnson", "box-cox"]
    lambdas_array: str

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """One λ a column."""
        weights.floats(self.lambdas_array, inputs[0].width)
        return inputs[0]


class Quantile(Operator, frozen=True, kw_only=True, tag="quantile"):
    """
    Each number's place among its column's quantiles (r, k), between 0 and 1: the mean of the interpolations from
    below and from above over the references (r). With `normal` the quantile of the normal law at that place.
    """

    quantiles_array: str
    references_array: str
    normal: bool = False

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """Ascending quantiles and references."""
        references = weights.ascending(self.references_array, None)
        expect(len(references) >= 1, "quantile: no references")
        weights.ascending(self.quantiles_array, len(references), inputs[0].width)
        return inputs[0]

    def thresholds(self, weights: Weights) -> Iterable[tuple[int, Array]]:
        """The quantiles."""
        return list(enumerate(weights.to_dict()[self.quantiles_array].T))


class Interpolate(Operator, frozen=True, kw_only=True, tag="interpolate"):
    """One column by linear interpolation between points, held at the ends."""

    x_array: str
    y_array: str

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """As many y as ascending x, and one column."""
        x = weights.ascending(self.x_array, None)
        expect(len(x) >= 1 and inputs[0].width == 1, "interpolate: expected one column and at least one point")
        weights.floats(self.y_array, len(x))
        return inputs[0]

    def thresholds(self, weights: Weights) -> Iterable[tuple[int, Array]]:
        """The points."""
        return [(0, weights.to_dict()[self.x_array])]
