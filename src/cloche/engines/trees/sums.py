"""Leaf values added up in the order of the trees: the one place that decides how an ensemble's sum is rounded."""

from __future__ import annotations

from typing import Any

import numpy as np

from cloche.graph.trees import Ensemble

Array = np.ndarray[Any, Any]


def in_order(terms: Array) -> Array:
    """
    The sum of *terms* (t, …) over the first axis, first to last: ((a + b) + c) + …

    numpy adds pairwise where the axis is the only one that is longer than one, so that a lone row would be rounded
    differently from the same row in a batch; there the running sum, which has no choice, is taken.
    """
    alone = terms[0].size == 1
    found: Array = np.add.accumulate(terms, axis=0)[-1] if alone else np.add.reduce(terms, axis=0)
    return found


def leaf_sums(ensemble: Ensemble, leaves: Array) -> Array:
    """
    What the rows become whose leaves are *leaves* (trees, n), rows of `values`: (n, outputs), not yet divided.
    """
    terms = ensemble.values.take(leaves, axis=0)
    if not ensemble.shared:
        turns = ensemble.trees // ensemble.outputs
        terms = np.ascontiguousarray(terms.reshape(turns, ensemble.outputs, -1).transpose(0, 2, 1))
    terms[0] += ensemble.base
    return in_order(terms) + 0.0  # as if begun at 0.0: no sum is -0.0


def leaf_sum(ensemble: Ensemble, leaves: Array) -> list[float]:
    """The same for one row whose *leaves* (trees) hold numbers for several outputs; quicker by half."""
    terms = ensemble.values.take(leaves, axis=0)
    terms[0] += ensemble.base
    return [value + 0.0 for value in np.add.reduce(terms, axis=0).tolist()]
