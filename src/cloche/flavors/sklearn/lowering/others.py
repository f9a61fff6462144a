"""Naive Bayes, neural networks, clusters of centres."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.cluster import BisectingKMeans, KMeans, MiniBatchKMeans
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier, MLPRegressor

from cloche.errors import NotLoweredError
from cloche.flavors.sklearn.lowering.flow import Flow, plain_list
from cloche.flavors.sklearn.lowering.head import Head
from cloche.flavors.sklearn.lowering.linear import linear, two_of
from cloche.flavors.sklearn.lowering.scalers import exact, finite
from cloche.graph import Value
from cloche.graph.operators.heads import Above, Argmax, Distances, Gaussian, Softmax
from cloche.graph.operators.numeric import Binarize, Function

# -- naive Bayes --------------------------------------------------------------------------------


def _bayes(step: Any, flow: Flow, joint: Value) -> Head:
    """The class of the largest joint log-likelihood, and all of them normalised."""
    index = flow.builder.add(Argmax(of=(joint.node,)))
    shares = flow.builder.add(Softmax(of=(joint.node,), log_sum=True))
    return Head(flow.builder, plain_list(step.classes_), index, shares)


def _gaussian(step: GaussianNB, flow: Flow) -> Head:
    builder = flow.builder
    constant = [-0.5 * np.sum(np.log(2.0 * np.pi * variances)) for variances in step.var_]
    op = Gaussian(
        of=(finite(flow).node,),
        mean_array=builder.floats(step.theta_),
        variance_array=builder.floats(step.var_),
        constant_array=builder.floats(constant),
        prior_array=builder.floats(np.log(step.class_prior_)),
    )
    return _bayes(step, flow, builder.add(op))


def _multinomial(step: MultinomialNB, flow: Flow) -> Head:
    return _bayes(step, flow, linear(flow, step.feature_log_prob_, step.class_log_prior_))


def _complement(step: ComplementNB, flow: Flow) -> Head:
    prior = step.class_log_prior_ if len(step.classes_) == 1 else 0.0
    return _bayes(step, flow, linear(flow, step.feature_log_prob_, prior))


def _bernoulli(step: BernoulliNB, flow: Flow) -> Head:
    if step.binarize is not None:
        value = flow.any_numbers()
        node = value.node if value.kind == "sparse" else exact(step, flow, finite(flow)).node
        flow = flow.to(Binarize(of=(node,), threshold=float(step.binarize)))
    negative = np.log(1 - np.exp(step.feature_log_prob_))
    start = step.class_log_prior_ + negative.sum(axis=1)
    return _bayes(step, flow, linear(flow, step.feature_log_prob_ - negative, start))


# -- neural networks ----------------------------------------------------------------------------

_ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "logistic": "sigmoid"}


def _layers(step: Any, flow: Flow) -> Flow:
    for place, (coef, intercept) in enumerate(zip(step.coefs_, step.intercepts_, strict=True)):
        if coef.dtype != np.float64:
            raise NotLoweredError(f"{type(step).__name__} fitted in {coef.dtype}")
        flow = flow.of(linear(flow, coef.T, intercept))
        last = place == len(step.coefs_) - 1
        name = step.out_activation_ if last else step.activation
        if name == "softmax":
            flow = flow.to(Softmax(of=(flow.numbers().node,)))
        elif name in _ACTIVATIONS:
            flow = flow.to(Function(of=(flow.numbers().node,), name=_ACTIVATIONS[name]))
        elif name != "identity":
            raise NotLoweredError(f"{type(step).__name__}(activation={name!r})")
    return flow


def _network_classifier(step: MLPClassifier, flow: Flow) -> Head:
    builder, out = flow.builder, _layers(step, flow).numbers()
    above = Above(of=(out.node,), threshold=0.5)
    if step._label_binarizer.y_type_.startswith("multilabel"):
        return Head(builder, indicator=builder.add(above), probabilities=out)
    if out.width == 1:
        return Head(builder, plain_list(step.classes_), builder.add(above), two_of(builder, out))
    return Head(builder, plain_list(step.classes_), builder.add(Argmax(of=(out.node,))), out)


def _network_regressor(step: MLPRegressor, flow: Flow) -> Head:
    return Head(flow.builder, prediction=_layers(step, flow).numbers())


# -- clusters -----------------------------------------------------------------------------------


def _centers(step: Any, flow: Flow) -> Head:
    builder = flow.builder
    near = builder.add(Distances(of=(finite(flow).node,), centers_array=builder.floats(step.cluster_centers_)))
    return Head(builder, index=builder.add(Argmax(of=(near.node,), smallest=True)))


def _to_centers(step: Any, flow: Flow) -> Flow:
    centers = flow.builder.floats(step.cluster_centers_)
    return flow.to(Distances(of=(finite(flow).node,), centers_array=centers, root=True))


PREDICTORS: dict[type, Callable[[Any, Flow], Head]] = {
    BernoulliNB: _bernoulli,
    ComplementNB: _complement,
    GaussianNB: _gaussian,
    KMeans: _centers,
    MLPClassifier: _network_classifier,
    MLPRegressor: _network_regressor,
    MiniBatchKMeans: _centers,
    MultinomialNB: _multinomial,
}
TRANSFORMERS: dict[type, Callable[[Any, Flow], Flow]] = {
    BisectingKMeans: _to_centers,
    KMeans: _to_centers,
    MiniBatchKMeans: _to_centers,
}
