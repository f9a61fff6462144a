"""Numbers to numbers, column by column or within the row; the arithmetic follows scikit-learn's order."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

from cloche.engines.twin.columns import refuse
from cloche.engines.twin.evaluator import Array, Evaluator, by_table, each, exp
from cloche.graph.operators import numeric as ops
from cloche.graph.shapes import Shape, Weights

Shapes = tuple[Shape, ...]

# -- scale --------------------------------------------------------------------------------------


def _scale_row(op: ops.Scale, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    subtract, divide, multiply, add = (
        None if name is None else weights.to_dict()[name].tolist()
        for name in (op.subtract_array, op.divide_array, op.multiply_array, op.add_array)
    )
    if inputs[0].kind == "sparse":
        return _scale_sparse(divide, multiply)
    if subtract and divide and not (multiply or add or op.low is not None or op.high is not None):
        return lambda row: [(x - s) / d for x, s, d in zip(row, subtract, divide, strict=True)]

    def scale(row: list[float]) -> list[float]:
        if subtract is not None:
            row = [x - y for x, y in zip(row, subtract, strict=True)]
        if divide is not None:
            row = [x / y for x, y in zip(row, divide, strict=True)]
        if multiply is not None:
            row = [x * y for x, y in zip(row, multiply, strict=True)]
        if add is not None:
            row = [x + y for x, y in zip(row, add, strict=True)]
        return _clipped(row, op.low, op.high)

    return scale


def _clipped(row: list[float], low: float | None, high: float | None) -> list[float]:
    if low is not None:
        row = [low if x < low else x for x in row]
    return row if high is None else [high if x > high else x for x in row]


def _scale_sparse(divide: list[float] | None, multiply: list[float] | None) -> Callable[..., Any]:
    def scale(row: dict[int, float]) -> dict[int, float]:
        if divide is not None:
            row = {place: x / divide[place] for place, x in row.items()}
        return row if multiply is None else {place: x * multiply[place] for place, x in row.items()}

    return scale


def _scale_columns(op: ops.Scale, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    if inputs[0].kind == "sparse":
        one = _scale_row(op, weights, inputs)
        return lambda rows: [one(row) for row in rows]
    names = (op.subtract_array, op.divide_array, op.multiply_array, op.add_array)
    steps = [
        (ufunc, weights.to_dict()[name])
        for ufunc, name in zip((np.subtract, np.divide, np.multiply, np.add), names, strict=True)
        if name is not None
    ]

    def scale(table: Array) -> Array:
        with np.errstate(all="ignore"):
            for ufunc, values in steps:
                table = ufunc(table, values)
            table = table if op.low is None else np.where(table < op.low, op.low, table)
            return table if op.high is None else np.where(table > op.high, op.high, table)

    return scale


# -- functions ----------------------------------------------------------------------------------


def sigmoid(x: float) -> float:
    """1 / (1 + e⁻ˣ)."""
    return 1.0 / (1.0 + exp(-x))


def _sqrt(x: float) -> float:
    return math.sqrt(x) if x >= 0 else x if x != x else math.nan


#: Those that Python computes to the bits that numpy gives.
_PLAIN: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "negative": lambda x: -x,
    "relu": lambda x: 0.0 if x < 0.0 else x,
    "sigmoid": sigmoid,
    "sqrt": _sqrt,
    "square": lambda x: x * x,
}


def _sigmoids(table: Array) -> Array:
    try:
        return 1.0 / (1.0 + each(math.exp, -table))
    except OverflowError:  # beyond -709, where `exp` takes infinity for it
        return each(sigmoid, table)


_TABLES: dict[str, Callable[[Array], Array]] = {
    "abs": np.abs,
    "float32": lambda table: table.astype(np.float32).astype(np.float64),
    "relu": lambda table: np.where(table < 0.0, 0.0, table),
    "sigmoid": _sigmoids,
}


def _function_columns(op: ops.Function, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    function = _TABLES.get(op.name) or getattr(np, op.name)

    def apply(table: Array) -> Array:
        with np.errstate(all="ignore"):
            found: Array = function(np.ascontiguousarray(table))
            return found

    return apply


def _function_row(op: ops.Function, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    plain = _PLAIN.get(op.name)
    if plain is not None:
        return lambda row: [plain(x) for x in row]
    return by_table(_function_columns).row(op, weights, inputs)


# -- within the row -----------------------------------------------------------------------------


def _normalize_row(op: ops.Normalize, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    norm = _NORMS[op.norm]
    if inputs[0].kind == "sparse":
        return lambda row: _divided(row, norm(row[place] for place in sorted(row)))

    def normalize(row: list[float]) -> list[float]:
        size = norm(row)
        size = 1.0 if size < _TINY else size
        return [x / size for x in row]

    return normalize


def _divided(row: dict[int, float], size: float) -> dict[int, float]:
    return {place: x / size for place, x in row.items()} if size else row


def _l1(row: Any) -> float:
    total = 0.0
    for x in row:
        total += abs(x)
    return total


def _l2(row: Any) -> float:
    total = 0.0
    for x in row:
        total += x * x
    return math.sqrt(total)


def _largest(row: Any) -> float:
    return max((abs(x) for x in row), default=0.0)


_NORMS: dict[str, Callable[[Any], float]] = {"l1": _l1, "l2": _l2, "max": _largest}
#: Norms below this count as zero, as in sklearn.preprocessing (`_handle_zeros_in_scale`).
_TINY = 10 * float(np.finfo(np.float64).eps)


def _normalize_columns(op: ops.Normalize, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    one = _normalize_row(op, weights, inputs)
    if inputs[0].kind == "sparse":
        return lambda rows: [one(row) for row in rows]
    norm = op.norm

    def normalize(table: Array) -> Array:
        sizes = np.zeros(len(table))
        for place in range(table.shape[1]):  # first to last, as in a row
            column = table[:, place]
            sizes = np.maximum(sizes, abs(column)) if norm == "max" else sizes + _part(column, norm)
        sizes = np.sqrt(sizes) if norm == "l2" else sizes
        found: Array = table / np.where(sizes < _TINY, 1.0, sizes)[:, None]
        return found

    return normalize


def _part(column: Array, norm: str) -> Array:
    found: Array = abs(column) if norm == "l1" else column * column
    return found


def _polynomial_row(op: ops.Polynomial, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    pairs, columns = weights.to_dict()[op.pairs_array].tolist(), weights.to_dict()[op.columns_array].tolist()

    def polynomial(row: list[float]) -> list[float]:
        found = list(row)
        for a, b in pairs:
            found.append(found[a] * found[b])
        found.append(1.0)  # place -1
        return [found[column] for column in columns]

    return polynomial


def _polynomial_columns(op: ops.Polynomial, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    pairs, columns = weights.to_dict()[op.pairs_array].tolist(), weights.to_dict()[op.columns_array].tolist()

    def polynomial(table: Array) -> Array:
        found = list(table.T)
        with np.errstate(all="ignore"):
            for a, b in pairs:
                found.append(found[a] * found[b])
        found.append(np.ones(len(table)))
        return np.stack([found[column] for column in columns], axis=1)

    return polynomial


# -- steps --------------------------------------------------------------------------------------


def _bin_row(op: ops.Bin, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    edges = [weights.to_dict()[name].tolist() for name in op.edges_arrays]
    return lambda row: [float(bisect_right(of, x)) for of, x in zip(edges, row, strict=True)]


def _bin_columns(op: ops.Bin, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    edges = [weights.to_dict()[name] for name in op.edges_arrays]

    def bins(table: Array) -> Array:
        found = np.empty_like(table)
        for place, of in enumerate(edges):
            found[:, place] = np.searchsorted(of, table[:, place], side="right")
        return found

    return bins


def _binarize_row(op: ops.Binarize, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    threshold = op.threshold
    if inputs[0].kind == "sparse":
        return lambda row: {place: 1.0 for place, x in row.items() if x > threshold}
    return lambda row: [1.0 if x > threshold else 0.0 for x in row]


def _binarize_columns(op: ops.Binarize, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    if inputs[0].kind == "sparse":
        one = _binarize_row(op, weights, inputs)
        return lambda rows: [one(row) for row in rows]
    return lambda table: (table > op.threshold).astype(np.float64)


# -- curves -------------------------------------------------------------------------------------


def _power(op: ops.Power, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    lambdas = weights.to_dict()[op.lambdas_array].tolist()

    def power(table: Array) -> Array:
        found = np.empty_like(table)
        with np.errstate(all="ignore"):
            for place, rate in enumerate(lambdas):
                column = np.ascontiguousarray(table[:, place])
                found[:, place] = _yeo_johnson(column, rate) if op.method == "yeo-johnson" else _box_cox(column, rate)
        return found

    return power


def _yeo_johnson(x: Array, rate: float) -> Array:
    """As scipy.stats.yeojohnson: above and below zero each by its own curve, in the form that is stable near zero."""
    eps = float(np.finfo(np.float64).eps)
    up = np.log1p(np.where(x >= 0, x, 0.0))
    down = np.log1p(np.where(x >= 0, 0.0, -x))
    above = up if abs(rate) < eps else np.expm1(rate * up) / rate
    below = -np.expm1((2 - rate) * down) / (2 - rate) if abs(rate - 2) > eps else -down
    return np.where(x >= 0, above, below)


def _box_cox(x: Array, rate: float) -> Array:
    """As scipy.special.boxcox."""
    if (x <= 0).any():
        raise refuse()

    def one(value: float) -> float:
        if value != value:
            return value
        log = math.log(value)
        if abs(rate) < 1e-19:
            return log
        if rate * log < 709.78:
            return math.expm1(rate * log) / rate
        return math.copysign(1.0, rate) * exp(rate * log - math.log(abs(rate))) - 1 / rate

    return each(one, x)


#: As in sklearn.preprocessing.QuantileTransformer.
_BOUND = 1e-7
_NORMAL = NormalDist()
_CLIP_LOW = _NORMAL.inv_cdf(_BOUND - float(np.spacing(1)))
_CLIP_HIGH = _NORMAL.inv_cdf(1 - (_BOUND - float(np.spacing(1))))


def _quantile(op: ops.Quantile, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    quantiles, references = weights.to_dict()[op.quantiles_array], weights.to_dict()[op.references_array]

    def transform(table: Array) -> Array:
        found = np.empty_like(table)
        for place in range(table.shape[1]):
            found[:, place] = _one_quantile(table[:, place], quantiles[:, place].copy(), references, op.normal)
        return found

    return transform


def _one_quantile(x: Array, quantiles: Array, references: Array, normal: bool) -> Array:
    low, high = quantiles[0], quantiles[-1]
    found = 0.5 * (np.interp(x, quantiles, references) - np.interp(-x, -quantiles[::-1], -references[::-1]))
    with np.errstate(invalid="ignore"):
        below, above = (x - _BOUND < low, x + _BOUND > high) if normal else (x == low, x == high)
    found[above] = 1.0
    found[below] = 0.0
    found[np.isnan(x)] = np.nan
    return each(_normal_quantile, found) if normal else found


def _normal_quantile(p: float) -> float:
    if p != p:
        return p
    value = _CLIP_LOW if p <= 0.0 else _CLIP_HIGH if p >= 1.0 else _NORMAL.inv_cdf(p)
    return min(max(value, _CLIP_LOW), _CLIP_HIGH)


def _interpolate(op: ops.Interpolate, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    x, y = weights.to_dict()[op.x_array], weights.to_dict()[op.y_array]
    return lambda table: np.interp(table[:, 0], x, y).reshape(-1, 1)


EVALUATORS: dict[type, Evaluator] = {
    ops.Scale: Evaluator(_scale_row, _scale_columns),
    ops.Function: Evaluator(_function_row, _function_columns),
    ops.Normalize: Evaluator(_normalize_row, _normalize_columns),
    ops.Polynomial: Evaluator(_polynomial_row, _polynomial_columns),
    ops.Bin: Evaluator(_bin_row, _bin_columns),
    ops.Binarize: Evaluator(_binarize_row, _binarize_columns),
    ops.Power: by_table(_power),
    ops.Quantile: by_table(_quantile),
    ops.Interpolate: by_table(_interpolate),
}
