"""
Whether the LightGBM found here answers as the one this was written for.

Its C functions and its model text are not ours: another release may read the one or the other differently. A small
ensemble that holds every kind of split is asked once a process.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from cloche.engines.trees.booster import Booster
from cloche.engines.trees.library import Library
from cloche.engines.trees.walker import Walker
from cloche.graph.trees import CATEGORICAL, MISSING_LEFT, Ensemble

Array = np.ndarray[Any, Any]

#: At thresholds and beside them, missing, infinite, around its zero, codes in and out of a set.
_NUMBERS = (0.1, math.nextafter(0.1, 1.0), 0.0, -0.0, 5e-324, -5e-324, 1e-36, 3.0, 4.0, 255.0, 256.0, -1.0, 1e300)
_ROWS = np.array([[x, y] for x in (*_NUMBERS, math.nan, math.inf, -math.inf) for y in (0.5, math.nan, 3.0)])


@cache
def works(library: Library) -> bool:
    """Whether *library* gives the numbers of `Walker`, row by row and for a table."""
    return all(_agrees(library, _ensemble(values)) for values in (_SINGLE, np.column_stack([_SINGLE, _SINGLE[::-1]])))


def _agrees(library: Library, ensemble: Ensemble) -> bool:
    expected = Walker(ensemble).columns(_ROWS)
    try:
        booster = Booster(ensemble, library)
        alone = [booster.row(row) for row in _ROWS.tolist()]
        return bool(np.array_equal(booster.columns(_ROWS), expected) and np.array_equal(alone, expected))
    except RuntimeError:
        return False


_SINGLE = np.array([[0.1], [-1e-300], [1 / 3], [7.0], [5e-324], [1e17], [-0.25], [2.5], [11.0]])


def _ensemble(values: Array) -> Ensemble:
    """A tree with a split of each kind, a lone leaf, and a small tree."""
    return Ensemble(
        features=2,
        starts=np.array([0, 5, 5, 6], dtype=np.int64),
        feature=np.array([0, 0, 1, 0, 0, 1], dtype=np.int32),
        threshold=np.array([0.1, 0.0, math.inf, 0.0, 3.5, 0.5]),
        left=np.array([1, 2, -1, -3, -5, -1], dtype=np.int32),
        right=np.array([3, -4, -2, 4, -6, -2], dtype=np.int32),
        flags=np.array([MISSING_LEFT, 0, 0, CATEGORICAL, MISSING_LEFT, MISSING_LEFT], dtype=np.uint8),
        values=values,
        base=np.full(values.shape[1], 0.7),
        sets=np.array([[8, 0, 0, 0, 0, 0, 0, 1 << 31]], dtype=np.uint32),
        mean=True,
    )
