"""
A copy of a model without what a served model does not need.

Neighbour trees are built again at load (their nodes are raw indices, their points are stored anyway);
random states and the distributions of a search belong to fitting.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.stats.distributions import rv_frozen
from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
from sklearn.neighbors import BallTree, KDTree

from cloche.flavors.sklearn.walk import walk

_LEFT_OUT = (KDTree, BallTree, np.random.RandomState, np.random.Generator, rv_frozen)


def slim(model: Any, replaced: Mapping[int, Any] = MappingProxyType({})) -> Any:
    """
    *model*, or a copy that shares its arrays and has None where something was left out.

    *replaced* is what stands for some of its parts in the copy, by their identity.
    """
    dropped: dict[int, Any] = {}
    kept: dict[int, Any] = {}
    patched = False  # early stopping leaves a bound method behind, and skops would follow it for ever
    for value in walk(model):
        if isinstance(value, _LEFT_OUT):
            dropped[id(value)] = None
        elif isinstance(value, np.ndarray) and value.dtype != object:
            kept[id(value)] = value
        elif isinstance(value, BaseHistGradientBoosting) and "_raw_predict" in vars(value):
            patched = True
    if not dropped and not patched and not replaced:
        return model
    copied = copy.deepcopy(model, {**kept, **dropped, **replaced})
    for value in walk(copied) if patched else ():
        if isinstance(value, BaseHistGradientBoosting):
            vars(value).pop("_raw_predict", None)
    return copied
