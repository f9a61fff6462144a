"""Decision trees in the twin, by the kernels of `engines/trees`; and the weighted median of several answers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from cloche.engines.trees import Kernel, kernel
from cloche.engines.twin.columns import refuse
from cloche.engines.twin.evaluator import Array, Evaluator, by_row
from cloche.graph.operators.trees import Median, Trees
from cloche.graph.shapes import Shape, Weights

Shapes = tuple[Shape, ...]

#: The kernel of a node, shared by its row and its column function.
_KERNELS: WeakKeyDictionary[Weights, dict[Trees, Kernel]] = WeakKeyDictionary()

#: From here on a float64 is rounded to an infinite float32: the largest one and half a step more.
FLOAT32_END = 2.0**128 - 2.0**103


def _kernel(op: Trees, weights: Weights, inputs: Shapes) -> Kernel:
    known = _KERNELS.setdefault(weights, {})
    if op not in known:
        known[op] = kernel(op.ensemble(inputs[0].width, weights))
    return known[op]


def _limit(op: Trees) -> float:
    return FLOAT32_END if op.float32 else float("inf")


def _trees_row(op: Trees, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    answer, end, missing = _kernel(op, weights, inputs).row, _limit(op), op.accepts == "missing"
    if op.accepts == "any":
        return answer

    def trees(row: list[float]) -> list[float]:
        for x in row:
            if not -end < x < end and not (missing and x != x):
                raise refuse()
        return answer(row)

    return trees


def _trees_columns(op: Trees, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    answer, end, missing = _kernel(op, weights, inputs).columns, _limit(op), op.accepts == "missing"
    if op.accepts == "any":
        return answer

    def trees(table: Array) -> Any:
        taken = np.abs(table) < end
        if missing:
            taken |= np.isnan(table)
        if not taken.all():
            raise refuse()
        return answer(table)

    return trees


def _median_row(op: Median, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    each: list[float] = weights.to_dict()[op.weights_array].tolist()

    def median(row: list[float]) -> list[float]:
        order = sorted(range(len(each)), key=row.__getitem__)
        reached = list(accumulate(each[place] for place in order))
        half = 0.5 * reached[-1]
        return [next(row[place] for place, sum_ in zip(order, reached, strict=True) if sum_ >= half)]

    return median


def _median_columns(op: Median, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    many = by_row(_median_row).columns(op, weights, inputs)
    return lambda table: np.array(many(table.tolist())).reshape(len(table), 1)


EVALUATORS: dict[type, Evaluator] = {
    Trees: Evaluator(_trees_row, _trees_columns),
    Median: Evaluator(_median_row, _median_columns),
}
