"""Made-up ensembles of trees, and the rows on which an evaluator of trees goes wrong first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cloche.graph.trees import CATEGORICAL, MISSING_LEFT, SET_WORDS, Ensemble

Array = np.ndarray[Any, Any]

THRESHOLDS = (0.0, -0.0, 0.5, 1e-34, -1e-34, 3.0, 2.0**24, 1e300, -1e300, np.inf, 0.1, 1 / 3)
#: What a careless evaluator takes for something else: zeros, denormals, what a float32 cannot hold, codes at the edges.
ODD = (
    0.0, -0.0, 1e-36, -1e-36, 1e-35, -1e-35, float(np.float32(1e-35)), 5e-324, -5e-324, 1e-40, 1e-46, np.nan, np.inf,
    -np.inf, 1e39, -1e39, 1e300, 2.0**24 + 1, 2.0**53 + 1, 0.1, 1 / 3, float(np.float32(0.1)), 255.0, 256.0, 254.5,
    -1.0, -0.5,
)  # fmt: skip


@dataclass
class Growing:
    """One tree after the other, node by node."""

    rng: np.random.Generator
    features: int
    categories: bool
    starts: list[int] = field(default_factory=lambda: [0])
    splits: list[list[Any]] = field(default_factory=list)
    sets: list[Array] = field(default_factory=list)
    leaves: int = 0

    def tree(self, depth: int) -> None:
        self.first, self.own_leaves = len(self.splits), 0
        self._node(depth)
        self.starts.append(len(self.splits))
        self.leaves += self.own_leaves

    def _node(self, depth: int) -> int:
        if depth == 0 or self.rng.random() < 0.15:
            self.own_leaves += 1
            return ~(self.own_leaves - 1)
        place = len(self.splits)
        flags, threshold = int(self.rng.choice([0, MISSING_LEFT])), float(self.rng.choice(THRESHOLDS))
        if self.rng.random() < 0.5:
            threshold = float(self.rng.normal())
        if self.categories and self.rng.random() < 0.4:
            flags, threshold = CATEGORICAL, float(len(self.sets))
            self.sets.append(self.rng.integers(0, 2**32, SET_WORDS, dtype=np.uint32))
        self.splits.append([int(self.rng.integers(self.features)), threshold, 0, 0, flags])
        self.splits[place][2] = self._node(depth - 1)
        self.splits[place][3] = self._node(depth - 1)
        return place - self.first


def ensemble(
    seed: int,
    *,
    trees: int = 12,
    depth: int = 5,
    features: int = 4,
    outputs: int = 1,
    width: int = 1,
    categories: bool = False,
    **options: Any,
) -> Ensemble:
    """A random ensemble of *trees* (a multiple of *outputs*) whose leaves hold *width* numbers."""
    rng = np.random.default_rng(seed)
    grown = Growing(rng, features, categories)
    for _ in range(trees):
        grown.tree(depth)
    feature, threshold, left, right, flags = zip(*grown.splits, strict=True) if grown.splits else ((),) * 5
    return Ensemble(
        features=features,
        starts=np.array(grown.starts, dtype=np.int64),
        feature=np.array(feature, dtype=np.int32),
        threshold=np.array(threshold, dtype=np.float64),
        left=np.array(left, dtype=np.int32),
        right=np.array(right, dtype=np.int32),
        flags=np.array(flags, dtype=np.uint8),
        values=rng.normal(size=(grown.leaves, width)) * 10.0 ** rng.integers(-3, 4, size=(grown.leaves, width)),
        base=rng.normal(size=outputs),
        sets=np.array(grown.sets, dtype=np.uint32).reshape(-1, SET_WORDS),
        **options,
    )


def rows(seed: int, n: int, features: int, thresholds: Any = (), odd: Any = ODD) -> Array:
    """Random rows strewn with odd numbers, *thresholds* and the neighbours of those in float64 and float32."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(n, features)) * rng.choice([1.0, 40.0, 300.0], size=(n, 1))
    strange = np.array([*odd, *neighbours(thresholds)])
    put = rng.random(found.shape) < 0.5
    found[put] = rng.choice(strange, size=int(put.sum()))
    return found


def neighbours(thresholds: Any) -> list[float]:
    """Each threshold, and what stands next to it on both sides."""
    found: list[float] = []
    for value in np.unique(np.asarray(thresholds, dtype=np.float64)):
        with np.errstate(over="ignore", under="ignore"):
            single = np.float32(value)
            near = [np.nextafter(single, np.float32(side)) for side in (-np.inf, np.inf)]
            both = [np.nextafter(value, side) for side in (-np.inf, np.inf)]
        found += [float(one) for one in (value, single, *near, *both)]
    return found
