"""
Decision trees hold raw indices that scikit-learn's compiled code follows without a bounds check: a
crafted file crashes the process, or loops for ever, at the first prediction. Here they are checked.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cloche.errors import TamperedModelError

Array = np.ndarray[Any, Any]


def _refuse(what: str, why: str) -> TamperedModelError:
    return TamperedModelError(f"{what}: {why}")


def check_tree(tree: Any) -> None:
    """
    Check a `sklearn.tree._tree.Tree`.

    Raises:
        TamperedModelError: a node points outside the tree, upwards, or at no feature.
    """
    if not 0 < tree.node_count <= tree.capacity:  # first: every array below is read with node_count
        raise _refuse("Tree", f"declares {tree.node_count} nodes, and holds {tree.capacity}")
    if tree.node_count != tree.capacity:
        raise _refuse("Tree", f"holds {tree.capacity} nodes, and declares {tree.node_count}")
    left, right = tree.children_left, tree.children_right
    leaf = left == -1
    if (leaf != (right == -1)).any():
        raise _refuse("Tree", "a node has one child")
    check_children(left[~leaf], right[~leaf], np.flatnonzero(~leaf), tree.node_count, "Tree")
    check_features(tree.feature[~leaf], tree.n_features, "Tree")


def check_predictor(predictor: Any, n_features: int, is_categorical: Array | None) -> None:
    """Check a `TreePredictor` of hist gradient boosting likewise, with the bit sets of its categories."""
    nodes = predictor.nodes
    if nodes.ndim != 1 or not len(nodes) or set(nodes.dtype.names or ()) < _FIELDS:
        raise _refuse("TreePredictor", "its nodes are no array of nodes")
    inner = nodes["is_leaf"] == 0
    left, right = nodes["left"][inner].astype(np.int64), nodes["right"][inner].astype(np.int64)
    check_children(left, right, np.flatnonzero(inner), len(nodes), "TreePredictor")
    features = nodes["feature_idx"][inner]
    check_features(features, n_features, "TreePredictor")
    bitsets = predictor.raw_left_cat_bitsets
    if bitsets.ndim != 2 or bitsets.shape[1] != 8 or bitsets.dtype != np.uint32:
        raise _refuse("TreePredictor", f"its bit sets have shape {bitsets.shape}")
    splits = nodes["is_categorical"][inner] != 0
    if splits.any():
        _check_bitsets(features[splits], nodes["bitset_idx"][inner][splits], len(bitsets), is_categorical)


_FIELDS = {"value", "feature_idx", "num_threshold", "left", "right", "is_leaf", "is_categorical"}


def _check_bitsets(features: Array, indices: Array, count: int, is_categorical: Array | None) -> None:
    if indices.max() >= count:
        raise _refuse("TreePredictor", f"a node points at bit set {indices.max()} of {count}")
    if is_categorical is None or not np.asarray(is_categorical)[features].all():
        raise _refuse("TreePredictor", "a node splits a number as a category")


def check_children(left: Array, right: Array, parents: Array, count: int, what: str) -> None:
    """Children lie inside, after their parent, and every node but the root has exactly one parent."""
    children = np.concatenate([left, right])
    if len(children) != count - 1:
        raise _refuse(what, f"{count} nodes need {count - 1} parents, got {len(children)}")
    if not len(children):
        return
    if children.min() < 1 or children.max() >= count:
        raise _refuse(what, f"a child lies outside the {count} nodes")
    if (left <= parents).any() or (right <= parents).any():
        raise _refuse(what, "a child comes before its parent")
    if (np.bincount(children, minlength=count)[1:] != 1).any():
        raise _refuse(what, "a node has two parents")


def check_features(features: Array, n_features: int, what: str) -> None:
    """Every split reads one of the columns the model is shown."""
    if len(features) and (features.min() < 0 or features.max() >= n_features):
        raise _refuse(what, f"a split reads column {features.max()} of {n_features}")
