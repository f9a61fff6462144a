"""
A formula's design, as patsy built it, read into data: terms, factors, levels, contrasts, memorised transforms.

The code of a factor is parsed, never run, and each name in it is looked up where the formula was written: what is not
numpy's own function from our table, or one of patsy's transforms, is refused.
"""

from __future__ import annotations

import ast
import builtins
import types
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

import numpy as np
import patsy
from patsy.design_info import DesignInfo
from patsy.mgcv_cubic_splines import CC, CR
from patsy.splines import BS
from patsy.state import Center, Standardize
from scipy import linalg

from cloche.errors import SaveRefusedError
from cloche.flavors.statsmodels.design import Call, Column, Constant, Expression, Factor, Shift, Spline, Term
from cloche.flavors.statsmodels.functions import FUNCTIONS

_FUNCTIONS: list[tuple[Any, str]] = [*((getattr(np, name), name) for name in FUNCTIONS), (builtins.abs, "abs")]
_ALIASES: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide", ast.Pow: "power",
    ast.FloorDiv: "floor_divide", ast.Mod: "remainder", ast.USub: "negative", ast.UAdd: "positive",
    ast.Gt: "greater", ast.GtE: "greater_equal", ast.Lt: "less", ast.LtE: "less_equal", ast.Eq: "equal",
    ast.NotEq: "not_equal", ast.BitAnd: "logical_and", ast.BitOr: "logical_or", ast.Invert: "logical_not",
}  # fmt: skip
_LOGICAL = (ast.BitAnd, ast.BitOr, ast.Invert)


def read(info: DesignInfo, columns: Collection[str] | None) -> tuple[tuple[Factor, ...], tuple[Term, ...]]:
    """
    The factors and terms of a design; *columns* are those of its table, None where they are not known.

    Raises:
        SaveRefusedError: a factor computes what is not in the table of functions; the message holds the recipe.
    """
    order = {factor: place for place, factor in enumerate(info.factor_infos)}
    factors = tuple(_factor(one, known, columns) for one, known in info.factor_infos.items())
    terms = [_term(sub, order, factors) for subterms in info.term_codings.values() for sub in subterms]
    return factors, tuple(terms)


def _term(subterm: Any, order: Mapping[Any, int], factors: tuple[Factor, ...]) -> Term:
    places = tuple(order[factor] for factor in subterm.factors)
    contrasts = []
    for factor, place in zip(subterm.factors, places, strict=True):
        known = subterm.contrast_matrices.get(factor)
        rows = None if known is None else tuple(tuple(map(float, row)) for row in np.asarray(known.matrix))
        contrasts.append(rows if factors[place].levels is not None else None)
    return Term(factors=places, contrasts=tuple(contrasts))


def _factor(factor: Any, known: Any, columns: Collection[str] | None) -> Factor:
    state = known.state
    reader = _Reader(factor.name(), state["transforms"], state["eval_env"].namespace, columns)
    expression = reader.read(ast.parse(state["eval_code"], mode="eval").body)
    levels = None if known.type == "numerical" else tuple(_level(one, factor.name()) for one in known.categories)
    found = Factor(name=factor.name(), expression=expression, levels=levels)
    if levels is None and known.num_columns != found.width:
        raise SaveRefusedError(f"the formula's term {factor.name()} has {known.num_columns} columns; write one a term")
    return found


def _level(value: Any, name: str) -> Any:
    found = value.item() if isinstance(value, np.generic) else value
    if not isinstance(found, (str, bool, int, float)):
        raise SaveRefusedError(
            f"the formula's term {name} has a level of type {type(found).__name__}; make its column text before fitting"
        )
    return found


class _Reader:
    """Reads the code of one factor."""

    def __init__(self, name: str, transforms: Mapping[str, Any], outside: Any, columns: Collection[str] | None) -> None:
        self._name = name
        self._transforms = transforms
        self._outside = outside
        self._columns = columns

    def read(self, node: ast.AST) -> Expression:
        """The expression of *node*; what is not known is refused."""
        if isinstance(node, ast.Name):
            return self._variable(node.id)
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str)):
            return Constant(value=node.value if isinstance(node.value, str) else float(node.value))
        if isinstance(node, ast.BinOp) and type(node.op) in _ALIASES:
            return self._call(_ALIASES[type(node.op)], [node.left, node.right], logical=isinstance(node.op, _LOGICAL))
        if isinstance(node, ast.UnaryOp) and type(node.op) in _ALIASES:
            return self._call(_ALIASES[type(node.op)], [node.operand], logical=isinstance(node.op, _LOGICAL))
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _ALIASES:
            return self._call(_ALIASES[type(node.ops[0])], [node.left, node.comparators[0]])
        if isinstance(node, ast.Call):
            return self._called(node)
        return self._refuse(ast.unparse(node))

    def _call(self, function: str, nodes: list[ast.expr], *, logical: bool = False) -> Expression:
        """`&` of numbers is no logic: only of comparisons it means the same here."""
        of = tuple(self.read(one) for one in nodes)
        if logical and not all(isinstance(one, ast.Compare | ast.BinOp | ast.UnaryOp) for one in nodes):
            self._refuse(ast.unparse(nodes[0]))
        return Call(function=function, of=of)

    def _variable(self, name: str) -> Expression:
        if self._columns is not None and name in self._columns:
            return Column(name=name)
        value = self._outside.get(name)
        if isinstance(value, (int, float, np.integer, np.floating)):
            return Constant(value=float(value))
        if value is None and self._columns is None:
            return Column(name=name)
        raise SaveRefusedError(
            f"the formula's term {self._name} reads '{name}', which is no column of its table; "
            "make it a column of the table, fit again and save"
        )

    def _called(self, node: ast.Call) -> Expression:
        function = node.func
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            transform = self._transforms.get(function.value.id)
            if transform is not None:
                return self._transform(transform, node)
        known = self._resolve(function)
        if known is patsy.builtins.Q and isinstance(node.args[0], ast.Constant):
            return Column(name=str(node.args[0].value))
        if known is patsy.builtins.I or known is patsy.builtins.C:  # C's levels and contrasts stand in the design
            return self.read(node.args[0])
        name = next((name for one, name in _FUNCTIONS if one is known), None)
        if name is None or node.keywords or len(node.args) != FUNCTIONS[name].arity:
            self._refuse(ast.unparse(function))
        return self._call(name, node.args)

    def _resolve(self, node: ast.AST) -> Any:
        """What a dotted name means where the formula was written; attributes of modules only."""
        if isinstance(node, ast.Name):
            return self._outside.get(node.id)
        owner = self._resolve(node.value) if isinstance(node, ast.Attribute) else None
        found = isinstance(node, ast.Attribute) and isinstance(owner, types.ModuleType)
        return getattr(owner, node.attr, None) if found and isinstance(node, ast.Attribute) else None

    def _transform(self, transform: Any, node: ast.Call) -> Expression:
        of = self.read(node.args[0] if node.args else next(one.value for one in node.keywords if one.arg == "x"))
        kind = type(transform)
        if kind is Center:
            return Shift(of=of, subtract=_single(transform._sum / transform._count))
        if kind is Standardize:
            return _standardized(transform, of, _options(node, ("center", "rescale", "ddof")))
        if kind is BS:
            first = bool(_options(node, ("df", "knots", "degree", "include_intercept")).get("include_intercept", False))
            knots = tuple(map(float, transform._all_knots))
            return Spline(of=of, kind="bs", knots=knots, degree=int(transform._degree), first=first)
        if kind in (CR, CC):
            kept = None if transform._constraints is None else _kept(transform._constraints)
            knots = tuple(map(float, transform._all_knots))
            return Spline(of=of, kind="cc" if transform._cyclic else "cr", knots=knots, kept=kept)
        return self._refuse(kind.__name__)

    def _refuse(self, what: str) -> NoReturn:
        raise SaveRefusedError(
            f"the formula's term {self._name} computes '{what}', which is code and not data. Compute it as a column of "
            f"the table before fitting (df['z'] = …; formula 'y ~ z'), or use I(), C(), Q(), center, standardize, bs, "
            "cr, cc, comparisons, or numpy's functions of numbers (np.log, np.exp, np.sqrt, np.maximum, np.where, …)"
        )


def _single(value: Any) -> float:
    found = np.asarray(value, dtype=np.float64).ravel()
    if len(found) != 1:
        raise SaveRefusedError("a transform of several columns at once; write one a term")
    return float(found[0])


def _standardized(transform: Any, of: Expression, options: Mapping[str, Any]) -> Shift:
    """As patsy's `Standardize.transform` has it, with the options that were given to it."""
    spread = np.sqrt(transform.current_M2 / (transform.current_n - int(options.get("ddof", 0))))
    return Shift(
        of=of,
        subtract=_single(transform.current_mean) if options.get("center", True) else 0.0,
        divide=_single(spread) if options.get("rescale", True) else 1.0,
    )


def _options(node: ast.Call, names: tuple[str, ...]) -> dict[str, Any]:
    """The literal options of a call, by position after the first or by keyword; `patsy.scale` has the same."""
    given = dict(zip(names, node.args[1:], strict=False)) | {one.arg: one.value for one in node.keywords if one.arg}
    return {name: one.value for name, one in given.items() if isinstance(one, ast.Constant)}


def _kept(constraints: Any) -> tuple[tuple[float, ...], ...]:
    """What is left of a basis under linear constraints: the last columns of Q in the QR of their transpose."""
    rows = np.atleast_2d(np.asarray(constraints, dtype=np.float64))
    q = linalg.qr(rows.T)[0][:, len(rows) :]
    return tuple(tuple(map(float, row)) for row in q)
