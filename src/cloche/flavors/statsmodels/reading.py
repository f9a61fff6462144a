"""From fitted statsmodels results to data, and the proof that the data answers as the results do."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import statsmodels
from patsy.design_info import DesignInfo
from statsmodels.discrete import discrete_model as discrete
from statsmodels.genmod.families import links
from statsmodels.genmod.generalized_linear_model import GLM
from statsmodels.regression import linear_model
from statsmodels.regression.quantile_regression import QuantReg
from statsmodels.robust.robust_linear_model import RLM

from cloche.errors import ClocheError, SaveRefusedError
from cloche.flavors.statsmodels import formulas
from cloche.flavors.statsmodels.design import Call, Column, Expression, Factor, Fit, Term, check
from cloche.flavors.statsmodels.evaluate import mean
from cloche.flavors.statsmodels.rows import shown

Link = tuple[str, float | None]
_LINEAR = (linear_model.OLS, linear_model.WLS, linear_model.GLS, linear_model.GLSAR, QuantReg, RLM)
_TOLERANCE = 1e-9


def _fixed(name: str) -> Callable[[Any], Link]:
    return lambda _: (name, None)


def _power_link(link: Any) -> Link:
    return ("identity", None) if link.power == 1 else ("power", float(link.power))


#: The inverse link of a model, by its exact class.
_MODELS: dict[type, Callable[[Any], Link]] = {
    **{one: _fixed("identity") for one in _LINEAR},
    GLM: lambda model: _link(model.family.link),
    discrete.Logit: _fixed("logistic"),
    discrete.Probit: _fixed("normal"),
    discrete.MNLogit: _fixed("softmax"),
    discrete.Poisson: _fixed("exp"),
    discrete.NegativeBinomial: _fixed("exp"),
    discrete.GeneralizedPoisson: _fixed("exp"),
    discrete.NegativeBinomialP: _fixed("exp"),
}
#: The inverse of a link of statsmodels, by its exact class; those with a lower-case name are older spellings.
_LINKS: dict[type, Callable[[Any], Link]] = {
    links.Logit: _fixed("logistic"),
    links.Identity: _fixed("identity"),
    links.Log: _fixed("exp"),
    links.LogC: _fixed("logc"),
    links.Probit: _fixed("normal"),
    links.Cauchy: _fixed("cauchy"),
    links.CLogLog: _fixed("cloglog"),
    links.LogLog: _fixed("loglog"),
    **dict.fromkeys((links.Power, links.InversePower, links.InverseSquared, links.Sqrt), _power_link),
    links.NegativeBinomial: lambda link: ("negative_binomial", float(link.alpha)),
}


def _link(link: Any) -> Link:
    found = _LINKS.get(type(link))
    if found is None:
        raise SaveRefusedError(
            f"GLM with the link {type(link).__name__}: expected one of {', '.join(one.__name__ for one in _LINKS)}"
        )
    return found(link)


@dataclass(frozen=True, slots=True)
class _Design:
    """
    What is read of a model: the columns it was fitted on, and the design over them.

    `table` is the training table; its column at `constant` is what `add_constant` put there, and no input.
    """

    names: tuple[str, ...] | None
    n_inputs: int
    factors: tuple[Factor, ...]
    terms: tuple[Term, ...]
    params: Any
    table: Any
    constant: int | None = None


def read(results: Any, options: Mapping[str, Any], given: Any) -> Fit:
    """
    The data of fitted *results*. *options* may name the columns `offset` and `exposure`; *given* is the training table.

    Raises:
        SaveRefusedError: the class, the link or a term is not known here, or the data would answer differently.
    """
    model = getattr(results, "model", None)
    kind = type(model)
    if model is None or not hasattr(results, "params"):
        raise SaveRefusedError(f"{type(results).__name__} is not fitted: pass what fit() gave: results = model.fit()")
    if kind not in _MODELS:
        known = ", ".join(sorted(one.__name__ for one in _MODELS))
        raise SaveRefusedError(
            f"statsmodels' {kind.__name__} has no form as data here; known are {known}. Its predict() in a function of "
            "an installed package can be saved: cloche.save('my_package.module:predict', NAME, inputs=X)"
        )
    link, parameter = _MODELS[kind](model)
    classes = _classes(model)
    params = _parameters(results, model)
    found = _from_formula(model, params, given) if hasattr(model, "formula") else _from_array(model, params, given)
    offset = _offset(model, options, found.names)
    fit = Fit(
        model=kind.__name__,
        version=statsmodels.__version__,
        names=_with_offset(found.names, offset),
        n_inputs=found.n_inputs,
        factors=found.factors,
        terms=found.terms,
        params=tuple(tuple(map(float, row)) for row in found.params),
        link=link,
        link_parameter=parameter,
        classes=classes,
        offset=offset,
        formula=getattr(model, "formula", None),
    )
    check(fit)
    _prove(results, fit, found, options)
    return fit


def _parameters(results: Any, model: Any) -> Any:
    """(columns of the design, m); a count model's own dispersion comes last and is no part of the mean."""
    params = np.asarray(results.params, dtype=np.float64)
    if params.ndim == 1:
        params = params[: len(params) - int(getattr(model, "k_extra", 0) or 0), None]
    return params


def _from_formula(model: Any, params: Any, given: Any) -> _Design:
    info = model.data.model_spec
    if not isinstance(info, DesignInfo):
        raise SaveRefusedError(
            f"the formula was built by {type(info).__module__.partition('.')[0]}; only patsy's designs are read here: "
            "leave SM_FORMULA_ENGINE unset (or 'patsy'), fit again and save"
        )
    table = model.data.frame if model.data.frame is not None else given
    columns = _columns(table)
    factors, terms = formulas.read(info, columns)
    draft = Fit(model="", version="", names=None, n_inputs=0, factors=factors, terms=terms, params=())
    read_ones = draft.columns()
    names = tuple(one for one in columns if one in read_ones) if columns is not None else read_ones
    if not names:
        raise SaveRefusedError("the formula reads no column: its answer is one number for every row")
    return _Design(names, len(names), factors, terms, params, table)


def _columns(table: Any) -> Collection[str] | None:
    names = getattr(table, "columns", None)
    return None if names is None else [str(one) for one in names]


def _from_array(model: Any, params: Any, given: Any) -> _Design:
    """One term a column; the constant of `add_constant` becomes the intercept, and no input."""
    data = model.data
    if data.xnames is None or len(data.xnames) != len(params):
        raise SaveRefusedError(f"{type(model).__name__}: {len(params)} parameters, and another number of columns")
    table = data.orig_exog if data.orig_exog is not None else given
    named = _columns(data.orig_exog if data.orig_exog is not None else given) is not None
    constant = _constant(model, given)
    places = [place for place in range(len(params)) if place != constant]
    if not places:
        raise SaveRefusedError("the model has no column but a constant: its answer is one number for every row")
    names = tuple(str(data.xnames[place]) if named else f"x{number}" for number, place in enumerate(places))
    factors = tuple(Factor(name=name, expression=Column(name=name)) for name in names)
    terms = [Term(factors=(number,), contrasts=(None,)) for number in range(len(names))]
    rows = [params[place] for place in places]
    if constant is not None:
        terms.insert(0, Term())
        rows.insert(0, params[constant] * float(np.asarray(data.exog)[0, constant]))
    return _Design(names if named else None, len(names), factors, tuple(terms), rows, table, constant)


def _constant(model: Any, given: Any) -> int | None:
    """The place of the constant, unless its owner's table of plain numbers holds it."""
    place = model.data.const_idx
    if place is None or model.data.exog is None:
        return None
    shape: tuple[int, ...] = np.shape(given) if given is not None and _columns(given) is None else ()
    return None if len(shape) == 2 and shape[1] == len(model.data.xnames) else int(place)


def _classes(model: Any) -> tuple[Any, ...] | None:
    if type(model) is discrete.MNLogit:
        return _names_of_classes([str(one) for one in model._ynames_map.values()], model)
    binary = type(model) in (discrete.Logit, discrete.Probit)
    family = getattr(getattr(model, "family", None), "__class__", type(None)).__name__
    if not binary and family != "Binomial":
        return None
    truth = getattr(model, "endog", None)
    if truth is None:
        return (0, 1) if binary else None
    if not set(np.unique(np.asarray(truth)).tolist()) <= {0.0, 1.0}:
        return None  # shares, not classes
    return _names_of_two(model.data)


def _names_of_two(data: Any) -> tuple[Any, ...] | None:
    """A formula's text target is two columns of which the first is the success; else 0 and 1."""
    names = data.ynames
    if not isinstance(names, list):
        return (False, True) if np.asarray(data.orig_endog).dtype.kind == "b" else (0, 1)
    found = [re.fullmatch(r".*\[(.*)\]", str(one)) for one in names]
    labels = [one[1] for one in found if one is not None]
    return (labels[1], labels[0]) if len(labels) == 2 else None


def _names_of_classes(labels: Sequence[str], model: Any) -> tuple[Any, ...]:
    kind = np.asarray(model.data.orig_endog).dtype.kind
    if kind in "biuf" and all(re.fullmatch(r"-?\d+(\.0*)?", one) for one in labels):
        return tuple(int(float(one)) for one in labels)
    return tuple(labels)


def _offset(model: Any, options: Mapping[str, Any], names: Collection[str] | None) -> Expression | None:
    """What is added to the linear predictor: the column `offset`, the logarithm of the column `exposure`."""
    parts: list[Expression] = []
    for name in ("offset", "exposure"):
        values: Any = getattr(model, name, None)
        fitted = bool(getattr(model, f"_has_{name}", np.ndim(values) == 1))
        column = options.get(name)
        if fitted is not (column is not None):
            raise SaveRefusedError(
                f"the model was fitted with an {name}, and new rows need theirs: pass {name}='its column'"
                if fitted
                else f"{name}: the model was fitted without"
            )
        if column is not None and names is None:
            raise SaveRefusedError(f"{name}: a model fitted on an array has no column '{column}'; fit on a DataFrame")
        if column is not None:
            read = Column(name=str(column))
            parts.append(read if name == "offset" else Call(function="log", of=(read,)))
    return Call(function="add", of=tuple(parts)) if len(parts) == 2 else next(iter(parts), None)


def _with_offset(names: tuple[str, ...] | None, offset: Expression | None) -> tuple[str, ...] | None:
    if offset is None or names is None:
        return names
    pending, found = [offset], []
    while pending:
        one = pending.pop(0)
        found += [one.name] if isinstance(one, Column) else []
        pending += list(one.of) if isinstance(one, Call) else []
    return tuple(dict.fromkeys((*names, *found)))


def _prove(results: Any, fit: Fit, found: _Design, options: Mapping[str, Any]) -> None:
    """The data must answer the training table as the results do; rows that statsmodels leaves out are passed over."""
    if found.table is None or (fit.offset is not None and _columns(found.table) is None):
        return
    try:
        rows, expected = _expected(results, fit, found, options)
        got = mean(fit, shown(rows, fit, without=found.constant))
    except ClocheError:
        raise
    except Exception as exc:
        raise SaveRefusedError(f"its answers cannot be compared with results.predict: {exc}") from exc
    worst = np.abs(got - expected) - _TOLERANCE * np.abs(expected)
    if not bool((worst <= _TOLERANCE).all()):
        raise SaveRefusedError(
            f"as data the model would answer differently from results.predict (by {float(np.nanmax(worst)):.3g}); "
            "please report the formula; a function of an installed package can hold it meanwhile"
        )


def _expected(results: Any, fit: Fit, found: _Design, options: Mapping[str, Any]) -> tuple[Any, Any]:
    table = found.table
    extra = {
        name: np.asarray(table[options[name]], dtype=float) for name in ("offset", "exposure") if options.get(name)
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.asarray(results.predict(table, **extra), dtype=np.float64)
    whole = np.isfinite(expected.reshape(len(expected), -1)).all(axis=1)
    return (table.loc[whole] if hasattr(table, "loc") else np.asarray(table)[whole]), expected[whole]
