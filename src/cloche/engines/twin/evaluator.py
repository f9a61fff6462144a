"""How an operator is evaluated: one row at a time in plain Python, or whole columns in numpy, with the same bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cloche.graph.shapes import Shape, Weights

Array = np.ndarray[Any, Any]
#: Makes the function of an operator: `(op, weights, shapes of its inputs)`; it takes the values of the inputs.
Factory = Callable[[Any, Weights, tuple[Shape, ...]], Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Evaluator:
    """
    The two ways of an operator. A row's numbers come out the same to the last bit in both, whatever stands beside it.

    In a row numbers are a list of floats, objects a list, sparse columns a dict from column to number. In columns they
    are a float64 array (n, k), best with each column in one piece of memory (Fortran's order), k lists of n, and a list
    of n dicts.
    """

    row: Factory
    columns: Factory


def pairwise(terms: list[Any]) -> Any:
    """
    The sum of *terms*, numbers or columns, in the order of `numpy.sum` over a contiguous row.

    numpy keeps eight running sums and halves what is longer than 128 (`pairwise_sum` in its loops_utils.h): rows whose
    terms nearly cancel differ in the eighth digit where they are added in another order.
    """
    n = len(terms)
    if n > 128:
        half = n // 2 - n // 2 % 8
        return pairwise(terms[:half]) + pairwise(terms[half:])
    if n < 8:
        total: Any = 0.0
        rest = terms
    else:
        run = list(terms[:8])
        for start in range(8, n - n % 8, 8):
            run = [one + other for one, other in zip(run, terms[start : start + 8], strict=True)]
        total = ((run[0] + run[1]) + (run[2] + run[3])) + ((run[4] + run[5]) + (run[6] + run[7]))
        rest = terms[n - n % 8 :]
    for term in rest:
        total = total + term
    return total


def by_row(factory: Factory) -> Evaluator:
    """The row function used for each row of a batch too: for sparse values, and what numpy has no order for."""

    def columns(op: Any, weights: Weights, inputs: tuple[Shape, ...]) -> Callable[..., Any]:
        one = factory(op, weights, inputs)
        into_objects = [shape.kind == "objects" for shape in inputs]

        def many(*values: Any) -> list[Any]:
            rows = [rows_of(value) if objects else value for value, objects in zip(values, into_objects, strict=True)]
            return [one(*row) for row in zip(*rows, strict=True)]

        return many

    return Evaluator(factory, columns)


def rows_of(objects: list[list[Any]]) -> list[list[Any]]:
    """k lists of n values as n lists of k."""
    return [list(row) for row in zip(*objects, strict=True)]


def exp(x: float) -> float:
    """e to the *x*; infinity where it is too large for a float64."""
    return math.exp(x) if x < 709.0 else _large_exp(x)


def _large_exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def each(function: Callable[[float], float], array: Array) -> Array:
    """*function* of every number: where numpy's own might round otherwise than `math` does."""
    laid = array.T if array.flags.f_contiguous else array  # as the numbers lie in memory: nothing is copied
    found = np.fromiter(map(function, laid.ravel().tolist()), np.float64, laid.size).reshape(laid.shape)
    return found.T if laid is not array else found


def by_table(factory: Factory) -> Evaluator:
    """The column function used for a single row too: a table of one row."""

    def row(op: Any, weights: Weights, inputs: tuple[Shape, ...]) -> Callable[..., Any]:
        many = factory(op, weights, inputs)

        def one(*values: list[float]) -> list[float]:
            found: list[float] = many(*(np.array([value], dtype=np.float64) for value in values))[0].tolist()
            return found

        return one

    return Evaluator(row, factory)
