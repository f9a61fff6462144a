"""
What makes an answer of numbers.

Sums run over the columns from first to last, in both ways, so that a row's bits do not depend on its neighbours: a
BLAS product would sum in another order for another number of rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from cloche.engines.twin.columns import refuse
from cloche.engines.twin.evaluator import Array, Evaluator, each, pairwise
from cloche.graph.operators import heads as ops
from cloche.graph.shapes import Shape, Weights

Shapes = tuple[Shape, ...]
#: Above so many coefficients numpy's running sum is quicker than a loop; it adds in the same order.
_LOOPED = 240
#: Up to so many products are held at once.
_AT_ONCE = 1 << 15
_Check = Callable[[Iterable[float]], None]

# -- sums ---------------------------------------------------------------------------------------


def _linear_row(op: ops.Linear, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    coef, intercept = weights.to_dict()[op.coef_array], weights.to_dict()[op.intercept_array]
    check = _no_check if op.unchecked else _check_finite
    if inputs[0].kind == "sparse":
        return _linear_sparse(coef, intercept, check)
    if coef.size > _LOOPED:
        return _linear_accumulated(coef, intercept, check)
    if coef.shape[1] == 1:
        return _linear_single(coef[:, 0].tolist(), float(intercept[0]), check)
    outputs = [(column.tolist(), start) for column, start in zip(coef.T, intercept.tolist(), strict=True)]

    def linear(row: list[float]) -> list[float]:
        found = []
        for column, start in outputs:
            total = 0.0
            for x, c in zip(row, column, strict=True):
                total += x * c
            total += start
            if total - total != 0.0:
                check(row)
            found.append(total)
        return found

    return linear


def _linear_single(column: list[float], start: float, check: _Check) -> Callable[..., Any]:
    def linear(row: list[float]) -> list[float]:
        total = 0.0
        for x, c in zip(row, column, strict=True):
            total += x * c
        total += start
        if total - total != 0.0:
            check(row)
        return [total]

    return linear


def _linear_accumulated(coef: Array, intercept: Array, check: _Check) -> Callable[..., Any]:
    def linear(row: list[float]) -> list[float]:
        with np.errstate(all="ignore"):
            products = np.array(row)[:, None] * coef
            found: list[float] = (np.add.accumulate(products, axis=0)[-1] + 0.0 + intercept).tolist()
        if any(x - x != 0.0 for x in found):
            check(row)
        return found

    return linear


def _no_check(row: Iterable[float]) -> None:
    """Whatever a row holds is added."""


def _check_finite(row: Iterable[float]) -> None:
    """A sum that is not finite is an answer where it overflowed, and none where a number was missing or infinite."""
    if any(x - x != 0.0 for x in row):
        raise refuse()


def _linear_sparse(coef: Array, intercept: Array, check: _Check) -> Callable[..., Any]:
    if coef.shape[1] == 1:
        single, start = coef[:, 0].tolist(), float(intercept[0])

        def linear_one(row: dict[int, float]) -> list[float]:
            total = 0.0
            for place in sorted(row):
                total += row[place] * single[place]
            total += start
            if total - total != 0.0:
                check(row.values())
            return [total]

        return linear_one

    def linear(row: dict[int, float]) -> list[float]:
        if not row:
            found: list[float] = intercept.tolist()
            return found
        places = sorted(row)
        with np.errstate(all="ignore"):
            products = coef[places] * np.array([row[place] for place in places])[:, None]
            total: list[float] = (np.add.accumulate(products, axis=0)[-1] + 0.0 + intercept).tolist()
        if any(x - x != 0.0 for x in total):
            check(row.values())
        return total

    return linear


def _linear_columns(op: ops.Linear, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    coef, intercept = weights.to_dict()[op.coef_array], weights.to_dict()[op.intercept_array]
    if inputs[0].kind == "sparse":
        one = _linear_sparse(coef, intercept, _no_check if op.unchecked else _check_finite)
        return lambda rows: np.array([one(row) for row in rows], dtype=np.float64).reshape(len(rows), -1)

    starts, shares = intercept[:, None], np.ascontiguousarray(coef[:, :, None])

    def linear(table: Array) -> Array:
        columns = table.T
        with np.errstate(all="ignore"):
            total = _added(columns, shares) + starts
        if not op.unchecked and not np.isfinite(total).all() and not np.isfinite(table).all():
            raise refuse()
        found: Array = total.T
        return found

    return linear


def _added(columns: Array, shares: Array) -> Array:
    """(m, n): for each output the sum over k *columns*, from the first to the last, of its *shares* (k, m, 1)."""
    n = columns.shape[1]
    if n > 1 and n * shares.size <= _AT_ONCE:
        # Over the first of three axes numpy adds from first to last, where the last is longer than one and the products
        # lie in C's order; left to itself numpy lays them as the columns lie, and then adds in pairs.
        products = np.multiply(columns[:, None, :], shares, order="C")
        found: Array = np.add.reduce(products, axis=0, initial=0.0)
        return found
    total = np.zeros((shares.shape[1], n))
    for column, share in zip(columns, shares, strict=True):
        total += column * share
    return total


def _gaussian_columns(op: ops.Gaussian, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    mean, variance = weights.to_dict()[op.mean_array], weights.to_dict()[op.variance_array]
    constant, prior = weights.to_dict()[op.constant_array], weights.to_dict()[op.prior_array]

    def gaussian(table: Array) -> Array:
        with np.errstate(all="ignore"):
            away = [table[:, place : place + 1] - mean[:, place] for place in range(table.shape[1])]
            total = pairwise([one * one / variance[:, place] for place, one in enumerate(away)])
            found: Array = prior + (constant - 0.5 * total)
            return found

    return gaussian


def _gaussian_row(op: ops.Gaussian, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    mean, variance = weights.to_dict()[op.mean_array].tolist(), weights.to_dict()[op.variance_array].tolist()
    constants, priors = weights.to_dict()[op.constant_array].tolist(), weights.to_dict()[op.prior_array].tolist()
    laws = list(zip(mean, variance, constants, priors, strict=True))

    def gaussian(row: list[float]) -> list[float]:
        found = []
        for means, variances, constant, prior in laws:
            away = [x - m for x, m in zip(row, means, strict=True)]
            total = pairwise([one * one / v for one, v in zip(away, variances, strict=True)])
            found.append(prior + (constant - 0.5 * total))
        return found

    return gaussian


def _distances_columns(op: ops.Distances, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    centers = weights.to_dict()[op.centers_array]

    def distances(table: Array) -> Array:
        total, size, own = np.zeros((len(table), len(centers))), np.zeros(len(table)), np.zeros(len(centers))
        with np.errstate(all="ignore"):
            for place in range(table.shape[1]):
                x, c = table[:, place], centers[:, place]
                total += x[:, None] * c
                size += x * x
                own += c * c
            near = -2.0 * total + own
            found: Array = np.sqrt(np.maximum(near + size[:, None], 0.0)) if op.root else near
            return found

    return distances


def _distances_row(op: ops.Distances, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    many = _distances_columns(op, weights, inputs)
    return lambda row: many(np.array([row]))[0].tolist()


# -- probabilities ------------------------------------------------------------------------------


def _softmax(op: ops.Softmax, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    def softmax(row: list[float]) -> list[float]:
        top = max(row)
        raised = [power(x - top) for x in row]  # never above zero, so that it cannot overflow
        total = 0.0
        for x in raised:
            total += x
        if log_sum:
            log = top + math.log(total)
            return [power(x - log) for x in row]
        return [x / total for x in raised]

    log_sum, power = op.log_sum, math.exp
    return softmax


def _softmax_columns(op: ops.Softmax, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    def softmax(table: Array) -> Array:
        with np.errstate(all="ignore"):
            columns = table.T
            top = np.maximum.reduce(columns)
            raised = each(math.exp, columns - top)
            total = _sum(raised)
            found = each(math.exp, columns - (top + each(math.log, total))) if op.log_sum else raised / total
            return found.T

    return softmax


def _sum(columns: Array) -> Array:
    """(n): the sum of each row from its first number to its last; *columns* are (k, n)."""
    total = np.zeros(columns.shape[1])
    for column in columns:
        total += column
    return total


def _share(op: ops.Share, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    zeros = op.zeros

    def share(row: list[float]) -> list[float]:
        total = 0.0
        for x in row:
            total += x
        if total == 0.0:
            return [1.0 / len(row)] * len(row) if zeros == "equal" else row
        return [x / total for x in row]

    return share


def _share_columns(op: ops.Share, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    def share(table: Array) -> Array:
        total = _sum(table.T)[:, None]
        nothing = total == 0.0
        with np.errstate(all="ignore"):
            found: Array = table / total
        if nothing.any():
            found = np.where(nothing, 1.0 / table.shape[1] if op.zeros == "equal" else table, found)
        return found

    return share


def _complement(op: ops.Complement, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    return lambda row: [1.0 - row[0], row[0]]


def _complement_columns(op: ops.Complement, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    return lambda table: np.concatenate((1.0 - table[:, :1], table[:, :1]), axis=1)


def _argmax(op: ops.Argmax, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    best: Callable[[list[float]], float] = min if op.smallest else max

    def argmax(row: list[float]) -> list[float]:
        for place, x in enumerate(row):
            if x != x:  # as numpy: the first NaN, where there is one
                return [float(place)]
        return [float(row.index(best(row)))]

    return argmax


def _argmax_columns(op: ops.Argmax, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    best = np.argmin if op.smallest else np.argmax
    return lambda table: best(table, axis=1).astype(np.float64).reshape(-1, 1)


def _above_row(op: ops.Above, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    threshold = op.threshold
    if op.equal:
        return lambda row: [1.0 if x >= threshold else 0.0 for x in row]
    return lambda row: [1.0 if x > threshold else 0.0 for x in row]


def _above_columns(op: ops.Above, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    if op.equal:
        return lambda table: (table >= op.threshold).astype(np.float64)
    return lambda table: (table > op.threshold).astype(np.float64)


# -- several models -----------------------------------------------------------------------------


def _mean_row(op: ops.Mean, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    shares, total = _shares(op, weights, len(inputs))

    def mean(*rows: list[float]) -> list[float]:
        found = []
        for values in zip(*rows, strict=True):
            sum_ = 0.0
            for x, share in zip(values, shares, strict=True):
                sum_ += x * share
            found.append(sum_ / total)
        return found

    return mean


def _mean_columns(op: ops.Mean, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    shares, total = _shares(op, weights, len(inputs))

    def mean(*tables: Array) -> Array:
        found = np.zeros(tables[0].shape)
        for table, share in zip(tables, shares, strict=True):
            found += table * share
        return found / total

    return mean


def _shares(op: Any, weights: Weights, count: int) -> tuple[list[float], float]:
    shares = [1.0] * count if op.weights_array is None else weights.to_dict()[op.weights_array].tolist()
    total = getattr(op, "total", None)
    return shares, float(count) if total is None else float(total)


def _vote(op: ops.Vote, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    shares, _ = _shares(op, weights, len(inputs))

    def vote(*rows: list[float]) -> list[float]:
        votes = [0.0] * op.classes
        for row, share in zip(rows, shares, strict=True):
            votes[int(row[0])] += share
        return [float(votes.index(max(votes)))]

    return vote


def rows(factory: Callable[..., Any]) -> Evaluator:
    """The row function for each row of the tables, back into a table."""

    def columns(op: Any, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
        one = factory(op, weights, inputs)

        def many(*tables: Array) -> Array:
            lists = [table.tolist() for table in tables]
            return np.array([one(*row) for row in zip(*lists, strict=True)]).reshape(len(tables[0]), -1)

        return many

    return Evaluator(factory, columns)


EVALUATORS: dict[type, Evaluator] = {
    ops.Linear: Evaluator(_linear_row, _linear_columns),
    ops.Gaussian: Evaluator(_gaussian_row, _gaussian_columns),
    ops.Distances: Evaluator(_distances_row, _distances_columns),
    ops.Softmax: Evaluator(_softmax, _softmax_columns),
    ops.Share: Evaluator(_share, _share_columns),
    ops.Complement: Evaluator(_complement, _complement_columns),
    ops.Argmax: Evaluator(_argmax, _argmax_columns),
    ops.Above: Evaluator(_above_row, _above_columns),
    ops.Mean: Evaluator(_mean_row, _mean_columns),
    ops.Vote: rows(_vote),
}
