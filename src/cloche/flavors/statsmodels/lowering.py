"""From a fit to its exact twin: terms as products of columns, parameters as a linear part, the link as functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cloche.contract.model import Contract
from cloche.errors import NotLoweredError, TamperedModelError
from cloche.flavors.statsmodels.design import Call, Column, Constant, Expression, Factor, Fit, Shift, Spline
from cloche.graph import Answers, Builder, Input, ValidGraph, Value
from cloche.graph.operators.columns import Concat
from cloche.graph.operators.encode import Encode, Levels
from cloche.graph.operators.heads import Above, Argmax, Complement, Linear, Softmax
from cloche.graph.operators.inputs import Numbers, Objects
from cloche.graph.operators.numeric import FUNCTIONS, Function, Polynomial, Scale
from cloche.records import FrameSpec

_SAME = frozenset(FUNCTIONS) - {"sigmoid", "relu", "float32"}


def lower(fit: Fit, frame: FrameSpec, contract: Contract) -> ValidGraph:
    """
    The twin of *fit*, which is shown *frame* and answers under *contract*.

    Raises:
        NotLoweredError: a transform or a link has no operator.
    """
    try:
        return _Lowering(fit, frame, contract).graph(contract)
    except TamperedModelError as exc:
        raise NotLoweredError(f"a parameter is not as an operator takes it: {exc}") from exc


class _Lowering:
    """The graph of one fit under construction."""

    def __init__(self, fit: Fit, frame: FrameSpec, contract: Contract) -> None:
        self._fit = fit
        names = [column.name for column in frame.columns]
        read = fit.columns() if fit.names is not None else tuple(f"x{place}" for place in range(fit.n_inputs))
        own = names if fit.names is None else list(read)
        fields = [contract.field(name) for name in own]
        if any(field is None or field.role != "input" for field in fields):
            raise NotLoweredError("a column of the fit is no input of the contract")
        self._types = {mine: field.type for mine, field in zip(read, fields, strict=True) if field is not None}
        self._places = {name: place for place, name in enumerate(read)}
        self._builder = Builder([Input(name=name) for name in own])

    def graph(self, contract: Contract) -> ValidGraph:
        """The whole graph."""
        fit, builder, task = self._fit, self._builder, contract.output.task
        answer = self._link(self._predictor())
        if fit.classes is None:
            return builder.finish(Answers(task=task, prediction=(answer.node,)))
        if fit.link == "softmax":
            index, shares = builder.add(Argmax(of=(answer.node,))), answer
        else:
            index = builder.add(Above(of=(answer.node,), threshold=0.5))
            shares = builder.add(Complement(of=(answer.node,)))
        kept = (shares.node,) if contract.output.probabilities else ()
        return builder.finish(
            Answers(task=task, prediction=(index.node,), probabilities=kept, classes=(tuple(fit.classes),))
        )

    # -- the linear predictor -------------------------------------------------------------------

    def _predictor(self) -> Value:
        fit, builder = self._fit, self._builder
        factors: dict[tuple[int, Any], Value] = {}
        parts: list[Value] = []
        places: dict[tuple[int, Any], int] = {}
        for term in fit.terms:
            for key in zip(term.factors, term.contrasts, strict=True):
                if key not in factors:
                    factors[key] = self._factor(fit.factors[key[0]], key[1])
                    places[key] = sum(one.width for one in parts)
                    parts.append(factors[key])
        if not parts:
            raise NotLoweredError("a model of the intercept alone")
        joined = self._concat(parts)
        columns, pairs = self._products(factors, places, joined.width)
        op = Polynomial(of=(joined.node,), pairs_array=builder.ints(pairs), columns_array=builder.ints(columns))
        coef = np.array(fit.params)
        if fit.offset is None:
            return self._linear(builder.add(op), coef, np.zeros(coef.shape[1]))
        whole = self._concat([builder.add(op), self._expression(fit.offset)])
        return self._linear(whole, np.vstack([coef, np.ones(coef.shape[1])]), np.zeros(coef.shape[1]))

    def _products(self, factors: dict[Any, Value], places: dict[Any, int], width: int) -> tuple[list[int], Any]:
        """The design's columns as products of the factors' columns; the intercept is the empty one."""
        columns: list[int] = []
        pairs: list[tuple[int, int]] = []
        for term in self._fit.terms:
            found = [-1]
            for key in zip(term.factors, term.contrasts, strict=True):
                following = []
                for mine in range(places[key], places[key] + factors[key].width):
                    for before in found:
                        if before == -1:
                            following.append(mine)
                            continue
                        pairs.append((before, mine))
                        following.append(width + len(pairs) - 1)
                found = following
            columns += found
        return columns, np.array(pairs, dtype=np.int64).reshape(-1, 2)

    def _factor(self, factor: Factor, contrast: Any) -> Value:
        if contrast is None:
            return self._expression(factor.expression)
        if not isinstance(factor.expression, Column):
            raise NotLoweredError(f"the category {factor.name} has no twin")
        place = self._places[factor.expression.name]
        numeric = self._types[factor.expression.name] in ("number", "integer", "boolean")
        op = Numbers(fields=(place,)) if numeric else Objects(fields=(place,))
        source = self._builder.add(op)
        levels = tuple(float(one) for one in factor.levels or ()) if numeric else tuple(factor.levels or ())
        encoded = [
            self._builder.add(
                Encode(
                    of=(source.node,),
                    columns=(
                        Levels(
                            levels=levels,
                            values_array=self._builder.floats(column),
                            rejects=("missing", "unknown"),
                        ),
                    ),
                )
            )
            for column in np.array(contrast).T
        ]
        return self._concat(encoded)

    def _concat(self, parts: Sequence[Value]) -> Value:
        return parts[0] if len(parts) == 1 else self._builder.add(Concat(of=tuple(one.node for one in parts)))

    def _linear(self, value: Value, coef: Any, intercept: Any) -> Value:
        named, started = self._builder.floats(coef), self._builder.floats(intercept)
        return self._builder.add(Linear(of=(value.node,), coef_array=named, intercept_array=started))

    # -- expressions ----------------------------------------------------------------------------

    def _expression(self, root: Expression) -> Value:
        builder = self._builder
        if isinstance(root, Column):
            if self._types[root.name] not in ("number", "integer", "boolean"):
                raise NotLoweredError(f"field '{root.name}' ({self._types[root.name]}) is read as a number")
            return builder.add(Numbers(fields=(self._places[root.name],)))
        if isinstance(root, Shift):
            less, by = builder.floats([root.subtract]), builder.floats([root.divide])
            return builder.add(Scale(of=(self._expression(root.of).node,), subtract_array=less, divide_array=by))
        if isinstance(root, Call):
            return self._call(root)
        raise NotLoweredError(f"{root.kind if isinstance(root, Spline) else 'a constant term'} has no twin")

    def _call(self, root: Call) -> Value:
        if root.function in _SAME and len(root.of) == 1:
            return self._function(root.function, self._expression(root.of[0]))
        if root.function == "power" and isinstance(root.of[1], Constant):
            return self._power(self._expression(root.of[0]), root.of[1].value)
        known: dict[str, Callable[[Expression, Expression], Value]] = {
            "add": lambda a, b: self._sum(a, b, 1.0),
            "subtract": lambda a, b: self._sum(a, b, -1.0),
            "multiply": self._product,
            "divide": self._quotient,
        }
        if root.function not in known:
            raise NotLoweredError(f"'{root.function}' in the formula has no twin")
        return known[root.function](*root.of)

    def _function(self, name: str, value: Value) -> Value:
        return self._builder.add(Function(of=(value.node,), name=name))

    def _power(self, value: Value, exponent: float | str) -> Value:
        """A whole power as products, which is the same to the last bits."""
        if not isinstance(exponent, float) or exponent not in (2.0, 3.0, 4.0):
            raise NotLoweredError(f"the power {exponent} has no twin")
        pairs = [(place, 0) for place in range(int(exponent) - 1)]
        named = {"pairs_array": self._builder.ints(pairs), "columns_array": self._builder.ints([len(pairs)])}
        return self._builder.add(Polynomial(of=(value.node,), **named))

    def _sum(self, one: Expression, other: Expression, sign: float) -> Value:
        if isinstance(other, Constant) and isinstance(other.value, float):
            return self._affine(self._expression(one), 1.0, sign * other.value)
        if isinstance(one, Constant) and isinstance(one.value, float):
            return self._affine(self._expression(other), sign, one.value)
        joined = self._concat([self._expression(one), self._expression(other)])
        return self._linear(joined, [[1.0], [sign]], [0.0])

    def _product(self, one: Expression, other: Expression) -> Value:
        for constant, rest in ((one, other), (other, one)):
            if isinstance(constant, Constant) and isinstance(constant.value, float):
                return self._affine(self._expression(rest), constant.value, 0.0)
        return self._times(self._expression(one), self._expression(other))

    def _times(self, one: Value, other: Value) -> Value:
        joined = self._concat([one, other])
        named = {"pairs_array": self._builder.ints([(0, 1)]), "columns_array": self._builder.ints([2])}
        return self._builder.add(Polynomial(of=(joined.node,), **named))

    def _quotient(self, one: Expression, other: Expression) -> Value:
        if isinstance(other, Constant) and isinstance(other.value, float) and other.value:
            divide = self._builder.floats([other.value])
            return self._builder.add(Scale(of=(self._expression(one).node,), divide_array=divide))
        below = self._function("reciprocal", self._expression(other))
        if isinstance(one, Constant) and isinstance(one.value, float):
            return self._affine(below, one.value, 0.0)
        return self._times(self._expression(one), below)

    def _affine(self, value: Value, times: float, plus: float) -> Value:
        """`value * times + plus`, of every column."""
        factor, shift = self._builder.floats([times] * value.width), self._builder.floats([plus] * value.width)
        return self._builder.add(Scale(of=(value.node,), multiply_array=factor, add_array=shift))

    # -- links ----------------------------------------------------------------------------------

    def _link(self, value: Value) -> Value:
        function, link = self._function, self._fit.link
        if link == "identity":
            return value
        if link in ("exp", "logistic"):
            return function("exp" if link == "exp" else "sigmoid", value)
        if link == "cloglog":
            return function("negative", function("expm1", function("negative", function("exp", value))))
        if link == "loglog":
            return function("exp", function("negative", function("exp", function("negative", value))))
        if link == "logc":
            return function("negative", function("expm1", value))
        if link == "softmax":
            return self._softmax(value)
        if link == "power":
            return self._inverse_power(value)
        raise NotLoweredError(f"the link {link} has no twin")

    def _softmax(self, value: Value) -> Value:
        """The base class has the predictor 0."""
        base = self._affine(value, 0.0, 0.0)
        first = self._linear(base, np.zeros((base.width, 1)), [0.0])
        return self._builder.add(Softmax(of=(self._concat([first, value]).node,)))

    def _inverse_power(self, value: Value) -> Value:
        power = self._fit.link_parameter
        if power == -1.0:
            return self._function("reciprocal", value)
        if power == 0.5:
            return self._function("square", value)
        if power == -2.0:
            return self._function("reciprocal", self._function("sqrt", value))
        if power == 2.0:
            return self._function("sqrt", value)
        raise NotLoweredError(f"the power link {power} has no twin")
