"""Linear models: regressors, generalised linear models, classifiers by a linear decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import linear_model as lm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.svm import LinearSVC, LinearSVR

from cloche.errors import NotLoweredError
from cloche.flavors.sklearn.lowering.flow import Flow, plain_list
from cloche.flavors.sklearn.lowering.head import Head
from cloche.graph import Builder, Value
from cloche.graph.operators.heads import Above, Argmax, Complement, Linear, Share, Softmax
from cloche.graph.operators.numeric import Function, Scale


def linear(flow: Flow, coef: Any, intercept: Any, *, unchecked: bool = False) -> Value:
    """The node of `X @ coef.T + intercept`; *coef* is (m, k) or (k,). An *unchecked* one takes NaN."""
    rows = np.atleast_2d(coef.toarray() if sparse.issparse(coef) else np.asarray(coef, dtype=np.float64))
    starts = np.zeros(len(rows)) + np.asarray(intercept, dtype=np.float64).ravel()
    value = flow.any_numbers()
    if value.width != rows.shape[1]:
        raise NotLoweredError(f"a linear model of {rows.shape[1]} columns is shown {value.width}")
    builder = flow.builder
    named = {"coef_array": builder.floats(rows.T), "intercept_array": builder.floats(starts)}
    return builder.add(Linear(of=(value.node,), unchecked=unchecked, **named))


def _regressor(step: Any, flow: Flow) -> Head:
    return Head(flow.builder, prediction=linear(flow, step.coef_, step.intercept_))


def _elastic(step: Any, flow: Flow) -> Head:
    """scikit-learn looks at a dense table before it multiplies, and not at a sparse one."""
    unchecked = flow.any_numbers().kind == "sparse" if flow.sparse is None else flow.sparse
    return Head(flow.builder, prediction=linear(flow, step.coef_, step.intercept_, unchecked=unchecked))


def _generalised(step: Any, flow: Flow) -> Head:
    link = type(step._base_loss.link).__name__
    if link not in ("LogLink", "IdentityLink"):
        raise NotLoweredError(f"{type(step).__name__} with {link}")
    value = linear(flow, step.coef_, step.intercept_)
    if link == "LogLink":
        value = flow.builder.add(Function(of=(value.node,), name="exp"))
    return Head(flow.builder, prediction=value)


def _ransac(step: Any, flow: Flow) -> Head:
    if type(step.estimator_) is not lm.LinearRegression:
        raise NotLoweredError(f"RANSACRegressor of {type(step.estimator_).__name__}")
    return _regressor(step.estimator_, flow)


def decided(builder: Builder, decision: Value) -> Value:
    """The place of the class that a decision function picks: above zero, or the first of the largest."""
    op = Above(of=(decision.node,)) if decision.width == 1 else Argmax(of=(decision.node,))
    return builder.add(op)


def _decision(step: Any, flow: Flow) -> Value:
    if getattr(step, "multilabel_", False) or getattr(
        getattr(step, "_label_binarizer", None), "y_type_", ""
    ).startswith("multilabel"):
        raise NotLoweredError(f"{type(step).__name__} for several labels")
    return linear(flow, step.coef_, step.intercept_)


def _classifier(step: Any, flow: Flow) -> Head:
    decision = _decision(step, flow)
    return Head(flow.builder, plain_list(step.classes_), decided(flow.builder, decision), None, decision)


def _with(head: Head, probabilities: Value) -> Head:
    return Head(head.builder, head.classes, head.index, probabilities, head.decision)


def _logistic(step: Any, flow: Flow) -> Head:
    head = _classifier(step, flow)
    decision = head.decision
    if decision is None or head.classes is None:
        raise NotLoweredError("no decision")
    if len(head.classes) <= 2:
        return _with(head, two_of(flow.builder, sigmoid(flow.builder, decision)))
    return _with(head, flow.builder.add(Softmax(of=(decision.node,))))


def sigmoid(builder: Builder, value: Value) -> Value:
    """The node of 1 / (1 + e⁻ˣ)."""
    return builder.add(Function(of=(value.node,), name="sigmoid"))


def two_of(builder: Builder, value: Value) -> Value:
    """The node of 1 − p and p."""
    return builder.add(Complement(of=(value.node,)))


def _sgd(step: Any, flow: Flow) -> Head:
    head = _classifier(step, flow)
    decision, builder = head.decision, flow.builder
    if decision is None or step.loss not in ("log_loss", "modified_huber"):
        return head
    if step.loss == "log_loss":
        raised = sigmoid(builder, decision)
    else:
        clipped = builder.add(Scale(of=(decision.node,), low=-1.0, high=1.0))
        one, two = builder.floats(np.full(decision.width, -1.0)), builder.floats(np.full(decision.width, 2.0))
        raised = builder.add(Scale(of=(clipped.node,), subtract_array=one, divide_array=two))
    if decision.width == 1:
        return _with(head, two_of(builder, raised))
    return _with(head, builder.add(Share(of=(raised.node,))))


_REGRESSORS = (
    lm.ARDRegression,
    lm.BayesianRidge,
    lm.ElasticNetCV,
    lm.HuberRegressor,
    lm.Lars,
    lm.LarsCV,
    lm.LassoCV,
    lm.LassoLars,
    lm.LassoLarsCV,
    lm.LassoLarsIC,
    lm.LinearRegression,
    lm.MultiTaskElasticNet,
    lm.MultiTaskElasticNetCV,
    lm.MultiTaskLasso,
    lm.MultiTaskLassoCV,
    lm.OrthogonalMatchingPursuit,
    lm.OrthogonalMatchingPursuitCV,
    lm.PassiveAggressiveRegressor,
    lm.QuantileRegressor,
    lm.Ridge,
    lm.RidgeCV,
    lm.SGDRegressor,
    lm.TheilSenRegressor,
    LinearSVR,
)
_CLASSIFIERS = (
    lm.PassiveAggressiveClassifier,
    lm.Perceptron,
    lm.RidgeClassifier,
    lm.RidgeClassifierCV,
    LinearSVC,
)
PREDICTORS: dict[type, Callable[[Any, Flow], Head]] = {
    **dict.fromkeys(_REGRESSORS, _regressor),
    **dict.fromkeys((lm.ElasticNet, lm.Lasso), _elastic),
    **dict.fromkeys((lm.GammaRegressor, lm.PoissonRegressor, lm.TweedieRegressor), _generalised),
    **dict.fromkeys(_CLASSIFIERS, _classifier),
    **dict.fromkeys((lm.LogisticRegression, lm.LogisticRegressionCV, LinearDiscriminantAnalysis), _logistic),
    lm.SGDClassifier: _sgd,
    lm.RANSACRegressor: _ransac,
}
