"""Fields, columns picked and put side by side, missing values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cloche.engines.twin.evaluator import Array, Evaluator
from cloche.graph.operators import columns as ops
from cloche.graph.operators.inputs import Numbers, Objects
from cloche.graph.shapes import Shape, Weights

_NAN = float("nan")
Shapes = tuple[Shape, ...]


# -- fields -------------------------------------------------------------------------------------


def _numbers_row(op: Numbers, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    fields = op.fields

    def numbers(row: Any) -> list[float]:
        found = [row[field] for field in fields]
        if None in found:
            return [_NAN if x is None else float(x) for x in found]
        return list(map(float, found))

    return numbers


def _numbers_columns(op: Numbers, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    fields = op.fields

    def numbers(columns: list[Any]) -> Array:
        n = len(columns[0]) if columns else 0
        given = [columns[field] for field in fields]
        return np.array(given, dtype=np.float64).reshape(len(fields), n).T  # None becomes NaN

    return numbers


def _objects_row(op: Objects, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    fields = op.fields
    return lambda row: [row[field] for field in fields]


def _objects_columns(op: Objects, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    fields = op.fields
    return lambda columns: [columns[field] for field in fields]


# -- columns ------------------------------------------------------------------------------------


def _select_row(op: ops.Select, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    places = weights.to_dict()[op.columns_array].tolist()
    if inputs[0].kind != "sparse":
        return lambda row: [row[place] for place in places]
    new = {old: place for place, old in enumerate(places)}
    return lambda row: {new[old]: x for old, x in row.items() if old in new}


def _select_columns(op: ops.Select, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    if inputs[0].kind == "numbers":
        places = weights.to_dict()[op.columns_array]
        return lambda table: table.T[places].T
    if inputs[0].kind == "objects":
        return _select_row(op, weights, inputs)
    one = _select_row(op, weights, inputs)
    return lambda rows: [one(row) for row in rows]


def _concat_row(op: ops.Concat, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    if all(shape.kind != "sparse" for shape in inputs):
        return lambda *parts: [x for part in parts for x in part]
    offsets = [sum(shape.width for shape in inputs[:place]) for place in range(len(inputs))]
    sparse = [shape.kind == "sparse" for shape in inputs]

    def concat(*parts: Any) -> dict[int, float]:
        found: dict[int, float] = {}
        for part, offset, is_sparse in zip(parts, offsets, sparse, strict=True):
            items = part.items() if is_sparse else enumerate(part)
            found.update((place + offset, x) for place, x in items if x != 0.0)
        return found

    return concat


def _concat_columns(op: ops.Concat, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    kinds = {shape.kind for shape in inputs}
    if kinds == {"numbers"}:
        return lambda *parts: np.concatenate(parts, axis=1)
    if kinds == {"objects"}:
        return _concat_row(op, weights, inputs)
    one = _concat_row(op, weights, inputs)
    dense = [shape.kind == "numbers" for shape in inputs]

    def concat(*parts: Any) -> list[dict[int, float]]:
        rows = [part.tolist() if is_dense else part for part, is_dense in zip(parts, dense, strict=True)]
        return [one(*row) for row in zip(*rows, strict=True)]

    return concat


def _dense_row(op: ops.Dense, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    width = inputs[0].width

    def dense(row: dict[int, float]) -> list[float]:
        found = [0.0] * width
        for place, x in row.items():
            found[place] = x
        return found

    return dense


def _dense_columns(op: ops.Dense, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    one = _dense_row(op, weights, inputs)
    width = inputs[0].width
    return lambda rows: np.array([one(row) for row in rows], dtype=np.float64).reshape(len(rows), width)


# -- missing ------------------------------------------------------------------------------------


def _fill_row(op: ops.Fill, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    fillers = weights.to_dict()[op.values_array].tolist()
    return lambda row: [x if x == x else filler for x, filler in zip(row, fillers, strict=True)]


def _fill_columns(op: ops.Fill, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    fillers = weights.to_dict()[op.values_array]
    return lambda table: np.where(np.isnan(table), fillers, table)


def _fill_objects_row(op: ops.FillObjects, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    return lambda row: [filler if x is None else x for x, filler in zip(row, op.values, strict=True)]


def _fill_objects_columns(op: ops.FillObjects, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    def fill(columns: list[list[Any]]) -> list[list[Any]]:
        pairs = zip(columns, op.values, strict=True)
        return [[filler if x is None else x for x in column] for column, filler in pairs]

    return fill


def _missing_row(op: ops.Missing, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    if inputs[0].kind == "objects":
        return lambda row: [1.0 if x is None else 0.0 for x in row]
    return lambda row: [0.0 if x == x else 1.0 for x in row]


def _missing_columns(op: ops.Missing, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    if inputs[0].kind == "numbers":
        return lambda table: np.isnan(table).astype(np.float64)

    def missing(columns: list[list[Any]]) -> Array:
        return np.array([[1.0 if x is None else 0.0 for x in column] for column in columns]).T.copy()

    return missing


# -- refusals -----------------------------------------------------------------------------------


def refuse() -> ValueError:
    """What the model's own library raises too: the row holds a number it does not take."""
    return ValueError("the model takes no missing or infinite value here")


def _check_row(op: ops.Check, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    missing = op.missing

    def check(row: list[float]) -> list[float]:
        for x in row:
            if x - x != 0.0 and not (missing and x != x):
                raise refuse()
        return row

    return check


def _check_columns(op: ops.Check, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    def check(table: Array) -> Array:
        wrong = np.isinf(table) if op.missing else ~np.isfinite(table)
        if wrong.any():
            raise refuse()
        return table

    return check


EVALUATORS: dict[type, Evaluator] = {
    Numbers: Evaluator(_numbers_row, _numbers_columns),
    Objects: Evaluator(_objects_row, _objects_columns),
    ops.Select: Evaluator(_select_row, _select_columns),
    ops.Concat: Evaluator(_concat_row, _concat_columns),
    ops.Dense: Evaluator(_dense_row, _dense_columns),
    ops.Fill: Evaluator(_fill_row, _fill_columns),
    ops.FillObjects: Evaluator(_fill_objects_row, _fill_objects_columns),
    ops.Missing: Evaluator(_missing_row, _missing_columns),
    ops.Check: Evaluator(_check_row, _check_columns),
}
