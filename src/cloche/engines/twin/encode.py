"""Categories to numbers, by dictionaries: a level is found as Python finds it, 1 and 1.0 and True being one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cloche.engines.twin.evaluator import Array, Evaluator
from cloche.graph.operators.encode import Encode, Expand, Levels
from cloche.graph.shapes import Shape, Weights

Shapes = tuple[Shape, ...]


def _known(levels: Levels, weights: Weights) -> dict[Any, float]:
    codes = (
        range(len(levels.levels)) if levels.values_array is None else weights.to_dict()[levels.values_array].tolist()
    )
    return dict(zip(levels.levels, map(float, codes), strict=True))


def _coder(levels: Levels, weights: Weights) -> Callable[[Any], float]:
    known = _known(levels, weights)
    missing, unknown = _or_nan(levels.missing), _or_nan(levels.unknown)
    refuses_missing, refuses_unknown = "missing" in levels.rejects, "unknown" in levels.rejects

    def code(x: Any) -> float:
        found = known.get(x)
        if found is not None:
            return found
        if x is None or x != x:
            if refuses_missing:
                raise ValueError("the model takes no missing value here")
            return missing
        if refuses_unknown:
            raise ValueError("the model does not know this level")
        return unknown

    return code


def _with_missing(levels: Levels, weights: Weights) -> dict[Any, float]:
    """The codes of the levels, and of None where the model takes it."""
    known = _known(levels, weights)
    return known if "missing" in levels.rejects else {None: _or_nan(levels.missing)} | known


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _encode_row(op: Encode, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    coders = [_coder(one, weights) for one in op.columns]
    return lambda row: [code(x) for code, x in zip(coders, row, strict=True)]


def _encode_columns(op: Encode, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    coders = [_coder(one, weights) for one in op.columns]
    found_in = [_with_missing(one, weights).get for one in op.columns]
    numbers = inputs[0].kind == "numbers"

    def encode(values: Any) -> Array:
        columns = values.T.tolist() if numbers else values
        n = len(values) if numbers else len(columns[0]) if columns else 0
        found = [list(map(get, column)) for get, column in zip(found_in, columns, strict=True)]
        table = np.array(found, dtype=np.float64).reshape(len(coders), n)
        unsure = np.isnan(table)
        if unsure.any():  # an unknown level, or a code that is NaN
            for place, row in np.argwhere(unsure).tolist():
                table[place, row] = coders[place](columns[place][row])
        return table.T

    return encode


def _expand_row(op: Expand, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    blocks = list(zip(_offsets(op), op.widths, strict=True))
    total = sum(op.widths)

    def sparse(row: list[float]) -> dict[int, float]:
        found = {}
        for x, (offset, width) in zip(row, blocks, strict=True):
            if 0.0 <= x < width and x == int(x):
                found[offset + int(x)] = 1.0
        return found

    def dense(row: list[float]) -> list[float]:
        found = [0.0] * total
        for x, (offset, width) in zip(row, blocks, strict=True):
            if 0.0 <= x < width:
                code = int(x)
                if code == x:
                    found[offset + code] = 1.0
        return found

    return sparse if op.sparse else dense


def _offsets(op: Expand) -> list[int]:
    return [sum(op.widths[:place]) for place in range(len(op.widths))]


def _expand_columns(op: Expand, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    one = _expand_row(op, weights, inputs)
    if op.sparse:
        return lambda table: [one(row) for row in table.tolist()]
    offsets, widths = np.array(_offsets(op), dtype=np.int64)[:, None], np.array(op.widths)[:, None]

    def expand(table: Array) -> Array:
        codes = table.T
        with np.errstate(invalid="ignore"):
            hit = (codes >= 0) & (codes < widths) & (np.floor(codes) == codes)
            columns = np.where(hit, codes, 0.0).astype(np.int64) + offsets
        found = np.zeros((sum(op.widths), len(table)))
        found[columns[hit], np.nonzero(hit)[1]] = 1.0
        return found.T

    return expand


EVALUATORS: dict[type, Evaluator] = {
    Encode: Evaluator(_encode_row, _encode_columns),
    Expand: Evaluator(_expand_row, _expand_columns),
}
