"""Nodes of fitted trees in the layout of the twin: splits and leaves apart, and only what an answer needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cloche.graph.trees import CATEGORICAL, MISSING_LEFT, SET_WORDS

Array = np.ndarray[Any, Any]


@dataclass
class Nodes:
    """The trees gathered so far; `sets` are those of categorical splits, over all trees."""

    feature: list[Array] = field(default_factory=list)
    threshold: list[Array] = field(default_factory=list)
    left: list[Array] = field(default_factory=list)
    right: list[Array] = field(default_factory=list)
    flags: list[Array] = field(default_factory=list)
    values: list[Array] = field(default_factory=list)
    sets: list[Array] = field(default_factory=list)

    def add_tree(self, tree: Any, values: Array, features: Array | None = None) -> None:
        """
        Add a `sklearn.tree._tree.Tree` with *values* (nodes, k), of which those of leaves are kept.

        *features* are the columns it was shown, where it was not shown all.
        """
        leaf = tree.children_left == -1
        inner, place = ~leaf, _places(leaf)
        columns = tree.feature[inner]
        self.feature.append(columns if features is None else np.asarray(features)[columns])
        self.threshold.append(tree.threshold[inner])
        self.left.append(place[tree.children_left[inner]])
        self.right.append(place[tree.children_right[inner]])
        self.flags.append(np.where(tree.missing_go_to_left[inner] != 0, MISSING_LEFT, 0))
        self.values.append(values[leaf])

    def add_predictor(self, predictor: Any, known: Array, rows: Array) -> None:
        """
        Add a `TreePredictor` of hist gradient boosting; *known* (m, 8) are the categories that were met, of the column
        c those in row `rows[c]`.

        Where missing and unknown categories go left the split is turned round: the twin sends them right.
        """
        nodes = predictor.nodes
        leaf = nodes["is_leaf"] != 0
        inner, place = nodes[~leaf], _places(leaf)
        left, right = place[inner["left"]], place[inner["right"]]
        threshold = inner["num_threshold"].copy()
        missing_left, categorical = inner["missing_go_to_left"] != 0, inner["is_categorical"] != 0
        flags = np.where(missing_left, MISSING_LEFT, 0)
        for at in np.flatnonzero(categorical):
            members = predictor.raw_left_cat_bitsets[inner["bitset_idx"][at]]
            if missing_left[at]:
                members = known[rows[inner["feature_idx"][at]]] & ~members
                left[at], right[at] = right[at], left[at]
            flags[at], threshold[at] = CATEGORICAL, len(self.sets)
            self.sets.append(members)
        self.feature.append(inner["feature_idx"])
        self.threshold.append(threshold)
        self.left.append(left)
        self.right.append(right)
        self.flags.append(flags)
        self.values.append(nodes["value"][leaf][:, None])

    def arrays(self, base: Sequence[float] | Array) -> dict[str, Array]:
        """The arrays of an `Ensemble` whose sums begin at *base*; those without sets have none."""
        starts = np.cumsum([0, *map(len, self.feature)], dtype=np.int64)
        found = {
            "starts": starts,
            "feature": _joined(self.feature, np.int32),
            "threshold": _joined(self.threshold, np.float64),
            "left": _joined(self.left, np.int32),
            "right": _joined(self.right, np.int32),
            "flags": _joined(self.flags, np.uint8),
            "values": np.concatenate(self.values).astype(np.float64),
            "base": np.asarray(base, dtype=np.float64).reshape(-1) + 0.0,
        }
        if self.sets:
            found["sets"] = np.array(self.sets, dtype=np.uint32).reshape(-1, SET_WORDS)
        return found


def _places(leaf: Array) -> Array:
    """Where a node stands among the splits of its tree, or `~place` among its leaves."""
    places: Array = np.where(leaf, ~(np.cumsum(leaf) - 1), np.cumsum(~leaf) - 1)
    return places


def _joined(parts: list[Array], dtype: Any) -> Array:
    return np.concatenate(parts).astype(dtype)
