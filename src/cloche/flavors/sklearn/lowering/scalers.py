"""Steps from numbers to numbers: imputers, scalers, polynomials, bins, projections, selectors."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.feature_selection import (
    RFE,
    RFECV,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils import get_tags

from cloche.errors import NotLoweredError
from cloche.flavors.sklearn.lowering.flow import Flow, joined, plain
from cloche.graph import Value
from cloche.graph.operators import columns as cols
from cloche.graph.operators import inputs
from cloche.graph.operators import numeric as num
from cloche.graph.operators.encode import Encode, Expand
from cloche.graph.operators.heads import Linear

MAX_POLYNOMIAL = 20_000


def finite(flow: Flow) -> Value:
    """The columns as dense numbers, refusing NaN as the step itself would."""
    value = flow.numbers()
    return value if _has_no_gap(flow, value) else flow.builder.add(cols.Check(of=(value.node,)))


def _has_no_gap(flow: Flow, value: Value) -> bool:
    """Whether *value* cannot hold NaN, as far as the nodes before it tell."""
    op = flow.builder.node(value)
    if isinstance(op, cols.Fill | cols.Check | cols.Missing | Expand | Linear):
        return True
    if isinstance(op, num.Scale | cols.Select | cols.Concat | num.Normalize | cols.Dense):
        parts = [flow.builder.value(one) for one in op.of]
        return all(part.kind == "sparse" or _has_no_gap(flow, part) for part in parts)
    return False


#: Operators that give scikit-learn's own bits; sums and curves may differ in the last.
_EXACT = (
    *(inputs.Numbers, inputs.Objects, Encode, Expand),
    *(cols.Check, cols.Concat, cols.Dense, cols.Fill, cols.FillObjects, cols.Missing, cols.Select),
    *(num.Bin, num.Binarize, num.Polynomial, num.Scale),
)


def exact(step: Any, flow: Flow, value: Value) -> Value:
    """
    *value*, which *step* with its edges is shown: no step before it may differ from its own in a bit.

    Raises:
        NotLoweredError: one may; a value that should lie on an edge would fall to its other side.
    """
    pending = [value.node]
    while pending:
        op = flow.builder.node(flow.builder.value(pending.pop()))
        if not isinstance(op, _EXACT) and not (isinstance(op, num.Quantile) and not op.normal):
            raise NotLoweredError(f"{type(step).__name__} has edges, and stands behind '{op.__struct_config__.tag}'")
        pending.extend(op.of)
    return value


# -- missing ------------------------------------------------------------------------------------


def _imputer(step: SimpleImputer, flow: Flow) -> Flow:
    filled = _imputed_numbers(step, flow) if flow.has_numbers else _imputed_objects(step, flow)
    if not step.add_indicator:
        return filled
    return joined(flow.builder, [filled, _indicator(step.indicator_, flow)])


def _is_nan(value: Any) -> bool:
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def _kept(step: SimpleImputer) -> list[int]:
    gone = [not step.keep_empty_features and _is_nan(one) for one in step.statistics_.tolist()]
    return [place for place, empty in enumerate(gone) if not empty]


def _imputed_numbers(step: SimpleImputer, flow: Flow) -> Flow:
    if not _is_nan(step.missing_values):
        raise NotLoweredError(f"SimpleImputer(missing_values={step.missing_values!r})")
    kept = _kept(step)
    value = flow.pick(kept).numbers()
    try:
        fillers = np.asarray(step.statistics_)[kept].astype(np.float64)
    except (TypeError, ValueError) as exc:
        raise NotLoweredError("SimpleImputer fills numbers with text") from exc
    return flow.to(cols.Fill(of=(value.node,), values_array=flow.builder.floats(fillers)))


def _imputed_objects(step: SimpleImputer, flow: Flow) -> Flow:
    kept = _kept(step)
    picked = flow.pick(kept)
    if picked.has_numbers:
        return _imputed_numbers(step, flow)
    value, markers = picked.objects()
    wanted = "none" if step.missing_values is None else "nan" if _is_nan(step.missing_values) else "other"
    if any(marker != wanted for marker in markers):
        raise NotLoweredError(f"SimpleImputer(missing_values={step.missing_values!r}) over other missing values")
    fillers = tuple(plain(step.statistics_[place]) for place in kept)
    op = cols.FillObjects(of=(value.node,), values=fillers)
    return flow.of(flow.builder.add(op), markers)


def _indicator(step: MissingIndicator, flow: Flow) -> Flow:
    if not _is_nan(step.missing_values) and step.missing_values is not None:
        raise NotLoweredError(f"MissingIndicator(missing_values={step.missing_values!r})")
    if not len(step.features_):
        return Flow(flow.builder)
    picked = flow.pick(step.features_.tolist())
    value = picked.numbers() if picked.has_numbers else picked.objects()[0]
    return flow.to(cols.Missing(of=(value.node,)))


# -- scale --------------------------------------------------------------------------------------


def scaled(flow: Flow, **arrays: Any) -> Flow:
    """A `Scale` of the named arrays; those that are None are left out."""
    limits = {name: arrays.pop(name) for name in ("low", "high") if name in arrays}
    named: dict[str, Any] = {
        f"{name}_array": flow.builder.floats(one) for name, one in arrays.items() if one is not None
    }
    shifted = arrays.get("subtract") is not None or arrays.get("add") is not None or bool(limits)
    value = flow.numbers() if shifted else flow.any_numbers()
    return flow.to(num.Scale(of=(value.node,), **named, **limits))


def _standard(step: StandardScaler, flow: Flow) -> Flow:
    return scaled(flow, subtract=step.mean_ if step.with_mean else None, divide=step.scale_ if step.with_std else None)


def _min_max(step: MinMaxScaler, flow: Flow) -> Flow:
    limits = {"low": float(step.feature_range[0]), "high": float(step.feature_range[1])} if step.clip else {}
    return scaled(flow, multiply=step.scale_, add=step.min_, **limits)


def _max_abs(step: MaxAbsScaler, flow: Flow) -> Flow:
    return scaled(flow, divide=step.scale_, **({"low": -1.0, "high": 1.0} if getattr(step, "clip", False) else {}))


def _robust(step: RobustScaler, flow: Flow) -> Flow:
    center = step.center_ if step.with_centering else None
    return scaled(flow, subtract=center, divide=step.scale_ if step.with_scaling else None)


def _normalizer(step: Normalizer, flow: Flow) -> Flow:
    value = flow.any_numbers()
    node = value.node if value.kind == "sparse" else finite(flow).node
    return flow.to(num.Normalize(of=(node,), norm=step.norm))


def _binarizer(step: Binarizer, flow: Flow) -> Flow:
    return flow.to(num.Binarize(of=(exact(step, flow, finite(flow)).node,), threshold=float(step.threshold)))


def _power(step: PowerTransformer, flow: Flow) -> Flow:
    value = flow.numbers()
    op = num.Power(of=(value.node,), method=step.method, lambdas_array=flow.builder.floats(step.lambdas_))
    curved = flow.to(op)
    return _standard(step._scaler, curved) if step.standardize else curved


def _quantile(step: QuantileTransformer, flow: Flow) -> Flow:
    op = num.Quantile(
        of=(exact(step, flow, flow.numbers()).node,),  # it jumps where quantiles repeat
        quantiles_array=flow.builder.floats(step.quantiles_),
        references_array=flow.builder.floats(step.references_),
        normal=step.output_distribution == "normal",
    )
    return flow.to(op)


# -- more columns -------------------------------------------------------------------------------


def _bins(step: KBinsDiscretizer, flow: Flow) -> Flow:
    edges = tuple(flow.builder.floats(one[1:-1]) for one in step.bin_edges_)
    binned = flow.to(num.Bin(of=(exact(step, flow, finite(flow)).node,), edges_arrays=edges))
    if step.encode == "ordinal":
        return binned
    widths = tuple(int(count) for count in step.n_bins_)
    return binned.to(Expand(of=(binned.numbers().node,), widths=widths))


def _polynomial(step: PolynomialFeatures, flow: Flow) -> Flow:
    if flow.any_numbers().kind == "sparse":
        raise NotLoweredError("PolynomialFeatures of sparse columns")
    degrees = (0, step.degree) if isinstance(step.degree, (int, np.integer)) else tuple(step.degree)
    if step.n_output_features_ > MAX_POLYNOMIAL:
        raise NotLoweredError(f"PolynomialFeatures with {step.n_output_features_} columns")
    k = flow.width
    places: dict[tuple[int, ...], int] = {(): -1, **{(i,): i for i in range(k)}}
    pairs: list[tuple[int, int]] = []
    choose = combinations if step.interaction_only else combinations_with_replacement
    for degree in range(2, degrees[1] + 1):
        for term in choose(range(k), degree):  # as scikit-learn: the term without its first column, times that column
            places[term] = k + len(pairs)
            pairs.append((places[term[1:]], term[0]))
    chosen = [place for term, place in places.items() if (degrees[0] <= len(term) <= degrees[1]) and term]
    chosen = [-1, *chosen] if step.include_bias else chosen
    op = num.Polynomial(
        of=(finite(flow).node,),
        pairs_array=flow.builder.ints(np.array(pairs, dtype=np.int64).reshape(-1, 2)),
        columns_array=flow.builder.ints(chosen),
    )
    return flow.to(op)


# -- projections --------------------------------------------------------------------------------


def _pca(step: Any, flow: Flow) -> Flow:
    components = np.asarray(step.components_, dtype=np.float64)
    shift = -(np.asarray(step.mean_).reshape(1, -1) @ components.T).ravel()
    projected = _projected(flow, components, shift)
    if not step.whiten:
        return projected
    scale = np.sqrt(step.explained_variance_)
    return scaled(projected, divide=np.maximum(scale, np.finfo(np.float64).eps))


def _svd(step: TruncatedSVD, flow: Flow) -> Flow:
    return _projected(flow, step.components_, np.zeros(len(step.components_)))


def _projected(flow: Flow, components: Any, shift: Any) -> Flow:
    coef, intercept = flow.builder.floats(np.asarray(components).T), flow.builder.floats(shift)
    return flow.to(Linear(of=(flow.any_numbers().node,), coef_array=coef, intercept_array=intercept))


# -- columns left out, functions -----------------------------------------------------------------


def _selector(step: Any, flow: Flow) -> Flow:
    if flow.value is not None and flow.value.kind == "numbers":  # it looks at the columns that it drops, too
        flow = flow.to(cols.Check(of=(flow.value.node,), missing=bool(get_tags(step).input_tags.allow_nan)))
    return flow.pick(step.get_support(indices=True).tolist())


#: numpy functions whose results do not depend on the container; each is `graph`'s function of that name.
_FUNCTIONS: dict[Any, str] = {
    getattr(np, name): name for name in num.FUNCTIONS if name not in ("relu", "sigmoid", "float32", "abs")
} | {np.absolute: "abs", np.fabs: "abs"}


def _function(step: FunctionTransformer, flow: Flow) -> Flow:
    if step.func is None:
        return flow
    name = function_name(step.func, step.kw_args)
    whole = name in ("abs", "square", "negative", "sign", "reciprocal")  # computed in integers, which wrap around
    dtypes = ("float64",) if whole else ("float64", "int64")
    if flow.value is None and any(field.dtype not in dtypes for field in flow.fields):
        raise NotLoweredError(f"FunctionTransformer({name}) of columns that are not {' or '.join(dtypes)}")
    value = finite(flow) if step.validate else flow.numbers()
    return flow.to(num.Function(of=(value.node,), name=name))


def function_name(function: Any, arguments: Any = None) -> str:
    """
    The graph's name of a numpy function.

    Raises:
        NotLoweredError: it is another, or is given arguments.
    """
    try:
        name = _FUNCTIONS.get(function)
    except TypeError:
        name = None
    if name is None or arguments:
        raise NotLoweredError(f"the function {getattr(function, '__name__', function)!r} is none of the known ones")
    return name


TRANSFORMERS: dict[type, Callable[[Any, Flow], Flow]] = {
    SimpleImputer: _imputer,
    MissingIndicator: _indicator,
    StandardScaler: _standard,
    MinMaxScaler: _min_max,
    MaxAbsScaler: _max_abs,
    RobustScaler: _robust,
    Normalizer: _normalizer,
    Binarizer: _binarizer,
    PowerTransformer: _power,
    QuantileTransformer: _quantile,
    KBinsDiscretizer: _bins,
    PolynomialFeatures: _polynomial,
    PCA: _pca,
    IncrementalPCA: _pca,
    TruncatedSVD: _svd,
    FunctionTransformer: _function,
    **dict.fromkeys(
        (
            GenericUnivariateSelect,
            RFE,
            RFECV,
            SelectFdr,
            SelectFpr,
            SelectFromModel,
            SelectFwe,
            SelectKBest,
            SelectPercentile,
            SequentialFeatureSelector,
            VarianceThreshold,
        ),
        _selector,
    ),
}
