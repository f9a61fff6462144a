"""
Decision trees as plain arrays, and the check that makes them safe to follow.

A kernel follows these indices without looking: one that points outside, or in a circle, would read foreign memory or
never end. `check` therefore looks at every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cloche.graph.shapes import MAX_WIDTH, expect

Array = np.ndarray[Any, Any]

#: Flags of a split: it asks for membership in a set of categories; a missing number goes left.
CATEGORICAL: Final = 1
MISSING_LEFT: Final = 2

#: Words of 32 bits in a set of categories: codes 0 to 255, as hist gradient boosting has at most.
SET_WORDS: Final = 8
CATEGORIES: Final = 32 * SET_WORDS

#: More than these were not lowered from a model: the kernels need some hundred bytes a split.
MAX_TREES: Final = 1_000_000
MAX_SPLITS: Final = 1 << 23
MAX_LEAF_VALUES: Final = 1 << 26


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """
    Trees over rows of `features` float64 columns, and what their leaves add up to.

    The splits of all trees stand one after the other; those of tree t are `starts[t]` up to `starts[t + 1]`, and its
    leaves, one more than splits, begin at `starts[t] + t`. A child ≥ 0 is a split of the same tree, counted from the
    tree's first, and stands after its parent; a child < 0 is leaf `~child` of the tree. A tree without splits is one
    leaf.

    A number goes left where `x <= threshold`, after rounding x to float32 if `float32` is set; NaN goes where the
    flag MISSING_LEFT says. A CATEGORICAL split sends codes that are in row `threshold` of `sets` left, and every other
    value, NaN too, right; a code is the whole part of x.

    `values` (leaves, w): if w is the number of outputs, every tree adds its leaf's row to all outputs; else w is 1 and
    tree t adds to output `t % outputs`. Sums begin at `base` and run over the trees in order; `mean` divides the result
    by the number of trees.
    """

    features: int
    starts: Array  # int64 (trees + 1)
    feature: Array  # int32 (splits)
    threshold: Array  # float64 (splits)
    left: Array  # int32 (splits)
    right: Array  # int32 (splits)
    flags: Array  # uint8 (splits)
    values: Array  # float64 (leaves, w)
    base: Array  # float64 (outputs)
    sets: Array  # uint32 (sets, SET_WORDS)
    mean: bool = False
    float32: bool = False

    @property
    def trees(self) -> int:
        """How many trees there are."""
        return len(self.starts) - 1

    @property
    def splits(self) -> int:
        """How many splits all trees have."""
        return len(self.feature)

    @property
    def outputs(self) -> int:
        """How many numbers a row becomes."""
        return len(self.base)

    @property
    def leaf_starts(self) -> Array:
        """The row of `values` at which the leaves of each tree begin: int64 (trees)."""
        return self.starts[:-1] + np.arange(self.trees)

    @property
    def shared(self) -> bool:
        """Whether a leaf holds numbers for all outputs."""
        return bool(self.values.shape[1] == self.outputs)


def check(ensemble: Ensemble) -> None:
    """
    Check an *ensemble* whose arrays have the dtypes and dimensions that stand beside them.

    Raises:
        TamperedModelError: a tree is no tree, reads a column that is not there, or holds numbers that are none.
    """
    _check_sizes(ensemble)
    tree = np.repeat(np.arange(ensemble.trees), np.diff(ensemble.starts))
    place = np.arange(ensemble.splits) - ensemble.starts[tree]
    _check_children(ensemble, tree, place)
    _check_features(ensemble)
    _check_splits(ensemble)
    expect(bool(np.isfinite(ensemble.values).all()), "trees: a leaf holds no finite number")
    expect(bool(np.isfinite(ensemble.base).all()), "trees: a sum begins at no finite number")


def _check_sizes(one: Ensemble) -> None:
    expect(1 <= one.trees <= MAX_TREES, f"trees: {one.trees} trees, expected 1 to {MAX_TREES}")
    expect(one.splits <= MAX_SPLITS, f"trees: {one.splits} splits, expected at most {MAX_SPLITS}")
    expect(one.values.size <= MAX_LEAF_VALUES, f"trees: {one.values.size} leaf values")
    expect(0 <= one.features <= MAX_WIDTH, f"trees: {one.features} columns")
    expect(one.outputs >= 1, "trees: no output")
    ascending = bool((np.diff(one.starts) >= 0).all()) and one.starts[0] == 0 and one.starts[-1] == one.splits
    expect(ascending, f"trees: their starts do not ascend from 0 to {one.splits}")
    lengths = {len(array) for array in (one.feature, one.threshold, one.left, one.right, one.flags)}
    expect(lengths == {one.splits}, "trees: arrays of splits differ in length")
    leaves, width = one.values.shape
    expect(leaves == one.splits + one.trees, f"trees: {leaves} leaves, expected {one.splits + one.trees}")
    expect(width in (1, one.outputs), f"trees: {width} numbers a leaf for {one.outputs} outputs")
    expect(one.shared or one.trees % one.outputs == 0, f"trees: {one.trees} trees for {one.outputs} outputs")


def _check_children(one: Ensemble, tree: Array, place: Array) -> None:
    """Every split but the first and every leaf is the child of one split, which stands before it."""
    splits = np.diff(one.starts)[tree]
    for child in (one.left, one.right):
        inner = child >= 0
        expect(bool((child[inner] > place[inner]).all()), "trees: a child does not stand after its parent")
        expect(bool((child[inner] < splits[inner]).all()), "trees: a child lies outside its tree")
        expect(bool((~child[~inner] <= splits[~inner]).all()), "trees: a leaf lies outside its tree")
    both = np.concatenate([one.left, one.right]).astype(np.int64)
    twice = np.concatenate([tree, tree])
    inner = both >= 0
    parents = np.bincount(one.starts[twice[inner]] + both[inner], minlength=one.splits)
    roots = one.starts[:-1][np.diff(one.starts) > 0]
    expected = np.ones(one.splits, dtype=np.int64)
    expected[roots] = 0
    expect(bool((parents == expected).all()), "trees: a split has no parent, or two")
    owners = np.bincount(one.leaf_starts[twice[~inner]] + ~both[~inner], minlength=len(one.values))
    alone = one.leaf_starts[np.diff(one.starts) == 0]
    expected = np.ones(len(one.values), dtype=np.int64)
    expected[alone] = 0
    expect(bool((owners == expected).all()), "trees: a leaf has no parent, or two")


def _check_features(one: Ensemble) -> None:
    if one.splits:
        low, high = int(one.feature.min()), int(one.feature.max())
        expect(low >= 0 and high < one.features, f"trees: a split reads column {high} of {one.features}")


def _check_splits(one: Ensemble) -> None:
    expect(bool((one.flags <= max(CATEGORICAL, MISSING_LEFT)).all()), "trees: a split has an unknown flag")
    categorical = one.flags == CATEGORICAL
    numbers, places = one.threshold[~categorical], one.threshold[categorical]
    #: +inf stands where a split only tells missing values from the others.
    expect(bool((numbers > -np.inf).all()), "trees: a threshold is no number")
    inside = (places >= 0) & (places < len(one.sets)) & (places == np.floor(places))
    expect(bool(inside.all()), f"trees: a split names a set of categories that is none of {len(one.sets)}")
