"""Neighbour trees, built again from the points the model stores: their raw nodes are never read from a file."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import BallTree, KDTree
from sklearn.neighbors._base import NeighborsBase

from cloche.errors import TamperedModelError
from cloche.flavors.sklearn.walk import walk

_TREES = {"kd_tree": KDTree, "ball_tree": BallTree}


def rebuild(model: Any) -> None:
    """Give every neighbours estimator inside *model* its tree again."""
    for part in walk(model):
        if isinstance(part, NeighborsBase) and hasattr(part, "_fit_method"):
            check_points(part)
            build(part)


def build(part: Any) -> None:
    """The tree that `fit` would have built, where it built one."""
    tree = _TREES.get(part._fit_method)
    if tree is None:
        part._tree = None
        return
    parameters = part.effective_metric_params_ or {}
    part._tree = tree(part._fit_X, part.leaf_size, metric=part.effective_metric_, **parameters)


def check_points(part: Any) -> None:
    """The numbers that scikit-learn's loops follow unchecked: rows, columns and the codes of the classes."""
    kind = type(part).__name__
    rows, columns = part._fit_X.shape
    if part.n_samples_fit_ != rows:
        raise TamperedModelError(f"{kind}: n_samples_fit_ is {part.n_samples_fit_}, and {rows} points are stored")
    if part.effective_metric_ != "precomputed" and part.n_features_in_ != columns:
        raise TamperedModelError(f"{kind}: takes {part.n_features_in_} features, and its points have {columns}")
    codes = getattr(part, "_y", None)
    if codes is None:
        return
    codes = np.asarray(codes)
    if len(codes) != rows:
        raise TamperedModelError(f"{kind}: {len(codes)} targets for {rows} points")
    classes = getattr(part, "classes_", None)
    if classes is not None:
        _check_codes(kind, codes, classes)


def _check_codes(kind: str, codes: Any, classes: Any) -> None:
    counts = [len(one) for one in classes] if isinstance(classes, list) else [len(classes)]
    columns = codes.reshape(len(codes), -1)
    if columns.shape[1] != len(counts):
        raise TamperedModelError(f"{kind}: {columns.shape[1]} columns of codes for {len(counts)} outputs")
    for column, count in zip(columns.T, counts, strict=True):
        if column.size and (column.min() < 0 or column.max() >= count):
            raise TamperedModelError(f"{kind}: a class code points outside the {count} classes")
