"""What makes an answer of numbers: linear parts, probabilities, places of classes."""

from __future__ import annotations

from typing import ClassVar, Literal

from cloche.graph.operator import Operator
from cloche.graph.shapes import Kind, Shape, Weights, expect


class Linear(Operator, frozen=True, kw_only=True, tag="linear"):
    """
    The sum over the columns, first to last, of the number times its row of `coef_array` (k, m), then plus
    `intercept_array` (m). A row that holds NaN or infinity is refused, unless `unchecked`: then it gives what it gives.
    """

    coef_array: str
    intercept_array: str
    unchecked: bool = False
    takes: ClassVar[tuple[Kind, ...]] = ("numbers", "sparse")

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """One row of coefficients a column."""
        intercept = weights.floats(self.intercept_array, None)
        weights.floats(self.coef_array, inputs[0].width, len(intercept))
        return Shape("numbers", len(intercept))


class Gaussian(Operator, frozen=True, kw_only=True, tag="gaussian"):
    """
    `prior_array` (m) plus what `constant_array` (m) is above half the sum of (x − mean)² / variance, both (m, k).

    That sum alone is added as `numpy.sum` adds a contiguous row.
    """

    mean_array: str
    variance_array: str
    constant_array: str
    prior_array: str

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """Means and positive variances of every column."""
        constant = weights.floats(self.constant_array, None)
        weights.floats(self.prior_array, len(constant))
        weights.floats(self.mean_array, len(constant), inputs[0].width)
        variance = weights.divisors(self.variance_array, len(constant), inputs[0].width)
        expect(bool((variance > 0).all()), "gaussian: a variance that is not positive")
        return Shape("numbers", len(constant))


class Distances(Operator, frozen=True, kw_only=True, tag="distances"):
    """Euclidean distances to the centres (m, k), by |x|² − 2x·c + |c|²; without `root`, |c|² − 2x·c."""

    centers_array: str
    root: bool = False

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """Centres of as many columns."""
        return Shape("numbers", len(weights.floats(self.centers_array, None, inputs[0].width)))


class Softmax(Operator, frozen=True, kw_only=True, tag="softmax"):
    """exp(x − max) over its sum; with `log_sum`, exp(x − log Σ exp x)."""

    log_sum: bool = False

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """At least one column."""
        expect(inputs[0].width > 0, "softmax: no column")
        return inputs[0]


class Share(Operator, frozen=True, kw_only=True, tag="share"):
    """The row by its sum. A sum of zero gives equal shares, or leaves the row (`zeros`)."""

    zeros: Literal["equal", "stay"] = "equal"

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """At least one column."""
        expect(inputs[0].width > 0, "share: no column")
        return inputs[0]


class Complement(Operator, frozen=True, kw_only=True, tag="complement"):
    """One probability p as the two 1 − p and p."""

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """One column."""
        expect(inputs[0].width == 1, "complement: expected one column")
        return Shape("numbers", 2)


class Argmax(Operator, frozen=True, kw_only=True, tag="argmax"):
    """The place of the largest number, or of the smallest (`smallest`); the first of equals."""

    smallest: bool = False

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """At least one column."""
        expect(inputs[0].width > 0, "argmax: no column")
        return Shape("numbers", 1)


class Above(Operator, frozen=True, kw_only=True, tag="above"):
    """1 where the number is above the threshold, or equal where `equal` is set; else 0."""

    threshold: float = 0.0
    equal: bool = False

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """As wide as what it reads."""
        return inputs[0]


class Mean(Operator, frozen=True, kw_only=True, tag="mean"):
    """
    The weighted mean of values of one width: their sum, first to last, each times its weight, divided by `total`.

    Without `weights_array` each weighs 1; without `total` it is their number.
    """

    weights_array: str | None = None
    total: float | None = None
    arity: ClassVar[tuple[int, int]] = (1, 10_000)

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """One width; weights whose sum is not zero."""
        expect(len({one.width for one in inputs}) == 1, "mean: values of several widths")
        expect(self.total is None or self.total != 0, "mean: a total of zero")
        if self.weights_array is not None:
            weights.floats(self.weights_array, len(inputs))
        return inputs[0]


class Vote(Operator, frozen=True, kw_only=True, tag="vote"):
    """The place with the most weighted votes, the first of equals; its inputs are places of classes, a column each."""

    classes: int
    weights_array: str | None = None
    arity: ClassVar[tuple[int, int]] = (1, 10_000)

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """One column each."""
        expect(all(one.width == 1 for one in inputs), "vote: a voter with several columns")
        expect(0 < self.classes <= 1_000_000, f"vote: {self.classes} classes")
        if self.weights_array is not None:
            weights.floats(self.weights_array, len(inputs))
        return Shape("numbers", 1)
