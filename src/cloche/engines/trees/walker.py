"""Trees in numpy, all of them at once, a step down at a time: slower, and needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cloche.engines.trees.sums import leaf_sums
from cloche.graph.trees import CATEGORICAL, CATEGORIES, MISSING_LEFT, Ensemble

Array = np.ndarray[Any, Any]

#: So many walkers (a row in a tree) are moved together: what they read stays in the cache.
WALKERS = 1 << 15


class Walker:
    """Evaluates an `Ensemble`; every split of every tree has one place here, and every leaf one after all splits."""

    name = "numpy"

    def __init__(self, ensemble: Ensemble) -> None:
        one = ensemble
        self._ensemble = one
        self._dtype = np.float32 if one.float32 else np.float64
        tree = np.repeat(np.arange(one.trees), np.diff(one.starts))
        self._feature = one.feature.astype(np.intp)
        self._left = _places(one, tree, one.left)
        self._right = _places(one, tree, one.right)
        roots = np.where(np.diff(one.starts) > 0, one.starts[:-1], one.splits + one.leaf_starts)
        self._roots = roots.astype(np.intp)
        self._missing_left = one.flags == MISSING_LEFT
        self._members = _members(one)
        #: The row of `_members` of a split; the last one stands for "compares numbers".
        self._set = np.full(one.splits, -1, dtype=np.intp)
        categorical = one.flags == CATEGORICAL
        self._set[categorical] = one.threshold[categorical].astype(np.intp)

    def row(self, values: Sequence[float]) -> list[float]:
        """What one row becomes; the same numbers as in a batch."""
        found: list[float] = self.columns(np.array([values], dtype=np.float64))[0].tolist()
        return found

    def columns(self, rows: Array) -> Array:
        """What *rows* (n, features) of float64 become: float64 (n, outputs)."""
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(rows, dtype=self._dtype)
        step = max(1, WALKERS // self._ensemble.trees)
        parts = [self._some(rows[at : at + step]) for at in range(0, len(rows), step)]
        found = np.concatenate(parts) if parts else np.zeros((0, self._ensemble.outputs))
        return found / self._ensemble.trees if self._ensemble.mean else found

    def _some(self, rows: Array) -> Array:
        n, splits = len(rows), self._ensemble.splits
        places = np.repeat(self._roots, n)
        first = np.tile(np.arange(n) * rows.shape[1], self._ensemble.trees)
        flat = rows.reshape(-1)
        walking = np.flatnonzero(places < splits)
        while walking.size:
            at = places[walking]
            values = flat.take(first[walking] + self._feature[at])
            places[walking] = np.where(self._go_left(at, values), self._left[at], self._right[at])
            walking = walking[places[walking] < splits]
        return leaf_sums(self._ensemble, places.reshape(self._ensemble.trees, n) - splits)

    def _go_left(self, at: Array, values: Array) -> Array:
        left: Array = (values <= self._ensemble.threshold[at]) | (np.isnan(values) & self._missing_left[at])
        if len(self._ensemble.sets):
            sets = self._set[at]
            known = (values > -1) & (values < CATEGORIES)
            codes = np.where(known, values, CATEGORIES).astype(np.intp)
            left = np.where(sets >= 0, self._members[sets, codes], left)
        return left


def _places(one: Ensemble, tree: Array, child: Array) -> Array:
    """Where each child stands: splits first, then leaves."""
    split = one.starts[tree] + child
    leaf = one.splits + one.leaf_starts[tree] + ~child
    found: Array = np.where(child >= 0, split, leaf).astype(np.intp)
    return found


def _members(one: Ensemble) -> Array:
    """Whether a set holds a code: bool (sets + 1, CATEGORIES + 1); what is no code is in none."""
    bits = np.unpackbits(one.sets.astype("<u4").view(np.uint8), axis=1, bitorder="little").astype(bool)
    return np.pad(bits, ((0, 1), (0, 1)))
