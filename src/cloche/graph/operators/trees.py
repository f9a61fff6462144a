"""Decision trees, and the weighted median of several answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from cloche.graph.operator import Operator
from cloche.graph.shapes import Shape, Weights, expect
from cloche.graph.trees import CATEGORICAL, SET_WORDS, Array, Ensemble, check


class Trees(Operator, frozen=True, kw_only=True, tag="trees"):
    """
    An `Ensemble` of trees; what the arrays hold is said there.

    `accepts` is what the row may hold, after rounding to float32 where that is set: `finite` numbers, also `missing`
    ones, or `any`. Other rows are refused.
    """

    starts_array: str
    feature_array: str
    threshold_array: str
    left_array: str
    right_array: str
    flags_array: str
    values_array: str
    base_array: str
    sets_array: str | None = None
    mean: bool = False
    float32: bool = False
    accepts: Literal["finite", "missing", "any"] = "missing"

    def ensemble(self, features: int, weights: Weights) -> Ensemble:
        """The trees over rows of *features* columns, each array of the right type; their content is not looked at."""
        no_sets: Array = np.zeros((0, SET_WORDS), dtype=np.uint32)
        return Ensemble(
            features=features,
            starts=weights.array(self.starts_array, np.int64, None),
            feature=weights.array(self.feature_array, np.int32, None),
            threshold=weights.array(self.threshold_array, np.float64, None),
            left=weights.array(self.left_array, np.int32, None),
            right=weights.array(self.right_array, np.int32, None),
            flags=weights.array(self.flags_array, np.uint8, None),
            values=weights.array(self.values_array, np.float64, None, None),
            base=weights.array(self.base_array, np.float64, None),
            sets=no_sets if self.sets_array is None else weights.array(self.sets_array, np.uint32, None, SET_WORDS),
            mean=self.mean,
            float32=self.float32,
        )

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """Proper trees over the columns of the input."""
        ensemble = self.ensemble(inputs[0].width, weights)
        check(ensemble)
        return Shape("numbers", ensemble.outputs)

    def thresholds(self, weights: Weights) -> Iterator[tuple[int, Array]]:
        """Where a column is split, each number once; sets of categories have no thresholds."""
        feature = weights.array(self.feature_array, np.int32, None)
        threshold = weights.array(self.threshold_array, np.float64, None)
        numbers = (weights.array(self.flags_array, np.uint8, None) != CATEGORICAL) & np.isfinite(threshold)
        for column in np.unique(feature[numbers]).tolist():
            yield column, np.unique(threshold[numbers & (feature == column)])


class Median(Operator, frozen=True, kw_only=True, tag="median"):
    """
    The weighted median over the columns: in ascending order, the first number up to which at least half of the weight
    lies. One weight a column.
    """

    weights_array: str

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """Weights that are not negative, with a sum above zero."""
        expect(inputs[0].width > 0, "median: no column")
        found = weights.floats(self.weights_array, inputs[0].width)
        expect(bool((found >= 0).all()) and bool(found.sum() > 0), "median: weights that are negative or all zero")
        return Shape("numbers", 1)
