"""Estimators around others: searches, votes, stacks, calibration, several outputs, transformed targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV, _SigmoidCalibration
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor
from sklearn.feature_selection import RFE, RFECV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.model_selection._search_successive_halving import HalvingGridSearchCV, HalvingRandomSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from cloche.errors import NotLoweredError
from cloche.flavors.sklearn.lowering.flow import Flow, joined, plain_list
from cloche.flavors.sklearn.lowering.head import Head, Visit, need
from cloche.flavors.sklearn.lowering.linear import sigmoid, two_of
from cloche.flavors.sklearn.lowering.scalers import function_name, scaled
from cloche.graph import Builder, Value
from cloche.graph.operators.columns import Concat, Select
from cloche.graph.operators.heads import Above, Argmax, Mean, Share, Vote
from cloche.graph.operators.numeric import Function, Interpolate, Scale

_Wrapper = Callable[[Any, Flow, Visit], Head]


def _inner(attribute: str) -> _Wrapper:
    """An estimator that hands every question to the one in its *attribute*."""
    return lambda step, flow, visit: visit.predicted(getattr(step, attribute), flow)


def _eliminated(step: Any, flow: Flow, visit: Visit) -> Head:
    return visit.predicted(step.estimator_, flow.pick(step.get_support(indices=True).tolist()))


def column(builder: Builder, value: Value, place: int) -> Value:
    """One column of *value*."""
    return builder.add(Select(of=(value.node,), columns_array=builder.ints([place])))


def side_by_side(builder: Builder, values: list[Value]) -> Value:
    """All columns of all *values*."""
    return values[0] if len(values) == 1 else builder.add(Concat(of=tuple(one.node for one in values)))


def mean(builder: Builder, values: list[Value], weights: Any = None) -> Value:
    """The mean of *values*, weighted as `numpy.average` does it."""
    nodes = tuple(one.node for one in values)
    if weights is None:
        return builder.add(Mean(of=nodes))
    shares = np.asarray(weights, dtype=np.float64)
    return builder.add(Mean(of=nodes, weights_array=builder.floats(shares), total=float(shares.sum())))


# -- votes and stacks ---------------------------------------------------------------------------


def _voting(step: VotingClassifier, flow: Flow, visit: Visit) -> Head:
    builder, classes = flow.builder, plain_list(step.classes_)
    heads = [visit.predicted(one, flow) for one in step.estimators_]
    _check_encoded(step, heads, len(classes))
    weights = step._weights_not_none
    if step.voting == "soft":
        shares = mean(builder, [need(one.probabilities, "probabilities", step) for one in heads], weights)
        return Head(builder, classes, builder.add(Argmax(of=(shares.node,))), shares)
    nodes = tuple(need(one.index, "classes", step).node for one in heads)
    named = None if weights is None else builder.floats(weights)
    return Head(builder, classes, builder.add(Vote(of=nodes, classes=len(classes), weights_array=named)))


def _check_encoded(step: Any, heads: list[Head], count: int) -> None:
    """The estimators inside know the classes by their places."""
    if any(one.classes != tuple(range(count)) for one in heads):
        raise NotLoweredError(f"{type(step).__name__} of estimators that know other classes")


def _voting_regressor(step: VotingRegressor, flow: Flow, visit: Visit) -> Head:
    values = [need(visit.predicted(one, flow).prediction, "prediction", step) for one in step.estimators_]
    return Head(flow.builder, prediction=mean(flow.builder, values, step._weights_not_none))


def _stacked(step: Any, flow: Flow, visit: Visit) -> Head:
    """The answers of the first layer are what the final estimator is shown."""
    builder = flow.builder
    parts = []
    fitted = [one for one in step.estimators_ if not isinstance(one, str)]
    if len(fitted) != len(step.stack_method_):
        raise NotLoweredError(f"{type(step).__name__} with dropped estimators")
    for one, method in zip(fitted, step.stack_method_, strict=True):
        parts.append(flow.of(_first_layer(step, visit.predicted(one, flow), method, builder)))
    if step.passthrough:
        parts.append(flow.of(flow.numbers()))
    return visit.predicted(step.final_estimator_, joined(builder, parts))


def _first_layer(step: Any, head: Head, method: str, builder: Builder) -> Value:
    if method == "predict_proba":
        shares = need(head.probabilities, "probabilities", step)
        return column(builder, shares, 1) if shares.width == 2 else shares
    if method == "decision_function":
        return need(head.decision, "decision", step)
    if head.prediction is None:
        _check_encoded(step, [head], len(head.classes or ()))
    return need(head.prediction or head.index, "prediction", step)


def _stacking(step: StackingClassifier, flow: Flow, visit: Visit) -> Head:
    classes = plain_list(step.classes_)
    head = _stacked(step, flow, visit)
    _check_encoded(step, [head], len(classes))
    return replace(head, classes=classes)


# -- calibration and thresholds -----------------------------------------------------------------


def _calibrated(step: CalibratedClassifierCV, flow: Flow, visit: Visit) -> Head:
    builder, classes = flow.builder, plain_list(step.classes_)
    shares = mean(builder, [_one_calibrated(one, flow, visit) for one in step.calibrated_classifiers_])
    return Head(builder, classes, builder.add(Argmax(of=(shares.node,))), shares)


def _one_calibrated(step: Any, flow: Flow, visit: Visit) -> Value:
    if step.method not in ("sigmoid", "isotonic"):
        raise NotLoweredError(f"CalibratedClassifierCV(method={step.method!r})")
    builder, head = flow.builder, visit.predicted(step.estimator, flow)
    if head.classes != plain_list(step.classes):
        raise NotLoweredError("CalibratedClassifierCV of an estimator that knows other classes")
    raw = head.decision or need(head.probabilities, "probabilities", step)
    if len(step.classes) == 2:
        raw = raw if raw.width == 1 else column(builder, raw, 1)
        return two_of(builder, _calibrator(step.calibrators[0], raw, builder))
    columns = [column(builder, raw, place) for place in range(raw.width)]
    parts = [_calibrator(one, value, builder) for one, value in zip(step.calibrators, columns, strict=True)]
    return builder.add(Share(of=(side_by_side(builder, parts).node,)))


def _calibrator(step: Any, value: Value, builder: Builder) -> Value:
    if type(step) is _SigmoidCalibration:
        a, b = builder.floats([step.a_]), builder.floats([step.b_])
        bent = builder.add(Scale(of=(value.node,), multiply_array=a, add_array=b))
        return sigmoid(builder, builder.add(Function(of=(bent.node,), name="negative")))
    if type(step) is not IsotonicRegression or step.out_of_bounds != "clip":
        raise NotLoweredError(f"a calibrator of type {type(step).__name__}")
    dx, dy = np.diff(step.X_thresholds_), np.diff(step.y_thresholds_)
    if ((dy > 1e-9) & (dx <= 1e-9 * (1 + np.abs(step.X_thresholds_[1:])))).any():
        raise NotLoweredError("an isotonic calibrator with a step so steep that the last bits of a score decide")
    x, y = builder.floats(step.X_thresholds_), builder.floats(step.y_thresholds_)
    return builder.add(Interpolate(of=(value.node,), x_array=x, y_array=y))


def _fixed_threshold(step: Any, flow: Flow, visit: Visit) -> Head:
    inner = getattr(step, "estimator_", None) or step.estimator
    head = visit.predicted(inner, flow)
    tuned = type(step) is TunedThresholdClassifierCV
    positive = step._curve_scorer._get_pos_label() if tuned else step.pos_label
    classes = plain_list(step.classes_)
    if len(classes) != 2 or (positive is not None and positive != classes[1]):
        raise NotLoweredError(f"{type(step).__name__}(pos_label={positive!r})")
    if step.response_method == "decision_function" or head.probabilities is None:
        score, middle = need(head.decision, "decision", step), 0.0
    else:
        score, middle = column(flow.builder, head.probabilities, 1), 0.5
    chosen = step.best_threshold_ if tuned else step.threshold
    threshold = middle if isinstance(chosen, str) else float(chosen)
    index = flow.builder.add(Above(of=(score.node,), threshold=threshold, equal=True))
    return replace(head, index=index)


# -- several classes, several outputs -----------------------------------------------------------


def _one_vs_rest(step: OneVsRestClassifier, flow: Flow, visit: Visit) -> Head:
    builder = flow.builder
    heads = [visit.predicted(one, flow) for one in step.estimators_]
    if any(one.classes != (0, 1) for one in heads):
        raise NotLoweredError("OneVsRestClassifier of estimators that know other classes")
    shares = [column(builder, one.probabilities, 1) for one in heads if one.probabilities is not None]
    decisions = [one.decision for one in heads if one.decision is not None]
    if len(decisions) not in (0, len(heads)) or (not decisions and len(shares) != len(heads)):
        raise NotLoweredError("OneVsRestClassifier of estimators of several kinds")
    scores = side_by_side(builder, decisions or shares)
    probable = side_by_side(builder, shares) if len(shares) == len(heads) else None
    above = Above(of=(scores.node,), threshold=0.0 if decisions else 0.5)
    if step.label_binarizer_.y_type_.startswith("multilabel"):
        return Head(builder, indicator=builder.add(above), probabilities=probable)
    classes = plain_list(step.classes_)
    decision = scores if decisions else None
    if len(heads) == 1:
        two = None if probable is None else two_of(builder, probable)
        return Head(builder, classes, builder.add(above), two, decision)
    by_sum = None if probable is None else builder.add(Share(of=(probable.node,), zeros="stay"))
    return Head(builder, classes, builder.add(Argmax(of=(scores.node,))), by_sum, decision)


def _several_classifiers(step: MultiOutputClassifier, flow: Flow, visit: Visit) -> Head:
    heads = tuple(visit.predicted(one, flow) for one in step.estimators_)
    head = Head(flow.builder, outputs=heads)
    if any(one.classes != (0, 1) for one in heads):
        return head
    marks = [need(one.index, "classes", step) for one in heads]
    shares = [column(flow.builder, one.probabilities, 1) for one in heads if one.probabilities is not None]
    probable = side_by_side(flow.builder, shares) if len(shares) == len(heads) else None
    return replace(head, indicator=side_by_side(flow.builder, marks), probabilities=probable)


def _several_regressors(step: MultiOutputRegressor, flow: Flow, visit: Visit) -> Head:
    values = [need(visit.predicted(one, flow).prediction, "prediction", step) for one in step.estimators_]
    return Head(flow.builder, prediction=side_by_side(flow.builder, values))


def _chain(step: RegressorChain, flow: Flow, visit: Visit) -> Head:
    shown = flow.of(flow.any_numbers())
    values: list[Value] = []
    for one in step.estimators_:
        seen = joined(flow.builder, [shown, *(flow.of(value) for value in values)])
        values.append(need(visit.predicted(one, seen).prediction, "prediction", step))
    places = np.argsort(np.asarray(step.order_)).tolist()
    return Head(flow.builder, prediction=side_by_side(flow.builder, [values[place] for place in places]))


# -- targets ------------------------------------------------------------------------------------


def _transformed_target(step: TransformedTargetRegressor, flow: Flow, visit: Visit) -> Head:
    value = need(visit.predicted(step.regressor_, flow).prediction, "prediction", step)
    return Head(flow.builder, prediction=_untransformed(step.transformer_, flow.of(value)).numbers())


def _untransformed(step: Any, flow: Flow) -> Flow:
    if type(step) is FunctionTransformer:
        if step.inverse_func is None:
            return flow
        name = function_name(step.inverse_func, step.inv_kw_args)
        return flow.to(Function(of=(flow.numbers().node,), name=name))
    if type(step) is StandardScaler:
        return _unscaled(flow, step.scale_ if step.with_std else None, step.mean_ if step.with_mean else None)
    if type(step) is RobustScaler:
        return _unscaled(
            flow, step.scale_ if step.with_scaling else None, step.center_ if step.with_centering else None
        )
    if type(step) is MinMaxScaler:
        return scaled(flow, subtract=step.min_, divide=step.scale_)
    raise NotLoweredError(f"a target transformed by {type(step).__name__}")


def _unscaled(flow: Flow, multiply: Any, add: Any) -> Flow:
    return scaled(flow, multiply=multiply, add=add)


WRAPPERS: dict[type, _Wrapper] = {
    CalibratedClassifierCV: _calibrated,
    FixedThresholdClassifier: _fixed_threshold,
    FrozenEstimator: _inner("estimator"),
    GridSearchCV: _inner("best_estimator_"),
    HalvingGridSearchCV: _inner("best_estimator_"),
    HalvingRandomSearchCV: _inner("best_estimator_"),
    MultiOutputClassifier: _several_classifiers,
    MultiOutputRegressor: _several_regressors,
    OneVsRestClassifier: _one_vs_rest,
    RFE: _eliminated,
    RFECV: _eliminated,
    RandomizedSearchCV: _inner("best_estimator_"),
    RegressorChain: _chain,
    SelfTrainingClassifier: _inner("estimator_"),
    StackingClassifier: _stacking,
    StackingRegressor: _stacked,
    TransformedTargetRegressor: _transformed_target,
    TunedThresholdClassifierCV: _fixed_threshold,
    VotingClassifier: _voting,
    VotingRegressor: _voting_regressor,
}
