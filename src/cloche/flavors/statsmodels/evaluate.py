"""The design matrix of new rows, and the answers: the same arithmetic as the formula's, without its libraries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from scipy.interpolate import BSpline, CubicSpline

from cloche.flavors.statsmodels.design import Column, Constant, Expression, Factor, Fit, Shift, Spline, Term
from cloche.flavors.statsmodels.functions import FUNCTIONS, INVERSE_LINKS

Array = np.ndarray[Any, Any]


class Rows(Protocol):
    """A table by column name: one array of n values each."""

    def __getitem__(self, name: str) -> Any: ...
    def __len__(self) -> int: ...


def mean(fit: Fit, rows: Rows) -> Array:
    """
    What `results.predict` gives: (n,), or (n, classes) of a multinomial logit.

    Raises:
        ValueError: a term of a row is missing or not finite, a level is unknown, a spline is asked outside its knots.
    """
    matrix = design(fit, rows)
    with np.errstate(all="ignore"):
        predictor = matrix @ np.array(fit.params)
        if fit.offset is not None:
            predictor = predictor + _finite("offset", _column(fit.offset, rows))[:, None]
        answer = INVERSE_LINKS[fit.link].compute(predictor, fit.link_parameter)
    return answer if fit.link == "softmax" else answer[:, 0]


def design(fit: Fit, rows: Rows) -> Array:
    """The design matrix (n, columns); raises as `mean`."""
    used = {place for term in fit.terms for place in term.factors}
    values = {place: _factor(fit.factors[place], rows) for place in used}
    parts = [_term(term, fit.factors, values, len(rows)) for term in fit.terms]
    return np.column_stack(parts)


def _term(term: Term, factors: Sequence[Factor], values: dict[int, Array], count: int) -> Array:
    """The product's columns, those of the first factor running fastest, as R has them."""
    found = np.ones((count, 1))
    for place, contrast in zip(term.factors, term.contrasts, strict=True):
        mine = values[place] if contrast is None else np.array(contrast)[values[place]]
        found = _outer(found, mine)
    return found


def _outer(slow_so_far: Array, mine: Array) -> Array:
    """Column (j, i) is `slow_so_far[:, i] * mine[:, j]`, i running fastest."""
    found: Array = (mine[:, :, None] * slow_so_far[:, None, :]).reshape(len(mine), -1)
    return found


def _factor(factor: Factor, rows: Rows) -> Array:
    """(n, width) numbers, or the places (n,) of its levels."""
    if factor.levels is None:
        values = evaluate(factor.expression, rows)
        return _finite(factor.name, values.reshape(len(rows), -1) if values.ndim == 2 else _long(values, len(rows)))
    known = {level: place for place, level in enumerate(factor.levels)}
    raw = _raw(factor.expression, rows)
    places = np.array([known.get(_plain(value), -1) for value in raw.tolist()], dtype=np.int64)
    if (places < 0).any():
        first = int(np.flatnonzero(places < 0)[0])
        raise ValueError(f"row {first}: {factor.name}: missing, or none of the levels of the fit")
    return places


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float)) else None


def _long(values: Array, count: int) -> Array:
    return np.broadcast_to(np.asarray(values, dtype=np.float64), (count,)).reshape(count, 1)


def _finite(name: str, values: Array) -> Array:
    bad = ~np.isfinite(values)
    if bad.any():
        first = int(np.flatnonzero(bad.reshape(len(values), -1).any(axis=1))[0])
        raise ValueError(f"row {first}: {name}: missing, or not a finite number")
    return values


def _raw(root: Expression, rows: Rows) -> Array:
    """The values of a category, as they are."""
    return np.asarray(rows[root.name]) if isinstance(root, Column) else np.asarray(evaluate(root, rows))


def _column(root: Expression, rows: Rows) -> Array:
    return _long(evaluate(root, rows), len(rows))[:, 0]


def evaluate(root: Expression, rows: Rows) -> Array:
    """The values (n,) of an expression, or (n, width) of a spline's basis; missing ones are NaN."""
    if isinstance(root, Column):
        return np.asarray(rows[root.name], dtype=np.float64)
    if isinstance(root, Constant):
        return np.asarray(root.value)
    if isinstance(root, Spline):
        return _spline(root, _column(root.of, rows))
    if isinstance(root, Shift):
        return (evaluate(root.of, rows) - root.subtract) / root.divide
    textual = any(isinstance(one, Constant) and isinstance(one.value, str) for one in root.of)
    arguments = [_raw(one, rows) if textual else evaluate(one, rows) for one in root.of]
    with np.errstate(all="ignore"):
        return np.asarray(FUNCTIONS[root.function].compute(*arguments))


def _spline(part: Spline, x: Array) -> Array:
    basis = _BASES[part.kind](part, _finite(part.kind, x))
    return basis if part.kept is None else basis @ np.array(part.kept)


def _b_spline(part: Spline, x: Array) -> Array:
    knots = np.array(part.knots)
    if len(x) and (x.min() < knots[0] or x.max() > knots[-1]):
        raise ValueError(f"bs: a value outside [{knots[0]:g}, {knots[-1]:g}], where the spline ends")
    count = len(knots) - part.degree - 1
    basis: Array = BSpline(knots, np.eye(count), part.degree)(x)
    return basis if part.first else basis[:, 1:]


def _natural(part: Spline, x: Array) -> Array:
    """Beyond its knots a natural spline is a straight line."""
    knots = np.array(part.knots)
    spline = CubicSpline(knots, np.eye(len(knots)), bc_type="natural")
    inside = np.clip(x, knots[0], knots[-1])
    found: Array = spline(inside) + (x - inside)[:, None] * spline(inside, 1)
    return found


def _cyclic(part: Spline, x: Array) -> Array:
    knots = np.array(part.knots)
    values = np.eye(len(knots) - 1)
    spline = CubicSpline(knots, np.vstack([values, values[:1]]), bc_type="periodic")
    found: Array = spline(knots[0] + np.mod(x - knots[0], knots[-1] - knots[0]))
    return found


_BASES = {"bs": _b_spline, "cr": _natural, "cc": _cyclic}
