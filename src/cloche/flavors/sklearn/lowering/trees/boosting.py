"""Gradient boosting, of both kinds: sums of trees from a constant start, and the link of the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn._loss.link import HalfLogitLink, IdentityLink, LogitLink, LogLink, MultinomialLogit
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.ensemble._gb import _init_raw_predictions
from sklearn.preprocessing import OrdinalEncoder

from cloche.errors import NotLoweredError
from cloche.flavors.sklearn.lowering import encoders
from cloche.flavors.sklearn.lowering.flow import Flow, joined, plain_list
from cloche.flavors.sklearn.lowering.head import Head
from cloche.flavors.sklearn.lowering.trees.forests import trees
from cloche.flavors.sklearn.lowering.trees.nodes import Nodes
from cloche.graph import Value
from cloche.graph.operators.heads import Above, Argmax, Complement, Softmax
from cloche.graph.operators.numeric import Function, Scale

#: Strategies of the starting estimator that draw lots.
_RANDOM = ("stratified", "uniform")


def _gradient(step: Any, flow: Flow) -> Value:
    nodes = Nodes()
    for round_ in step.estimators_:
        for tree in round_:
            nodes.add_tree(tree.tree_, step.learning_rate * tree.tree_.value[:, 0, :])
    return trees(flow, nodes, _start(step), accepts="finite")


def _start(step: Any) -> Any:
    """Where the sums begin: what the starting estimator says of every row alike."""
    if isinstance(step.init_, str) and step.init_ == "zero":
        return np.zeros(step.n_trees_per_iteration_)
    if type(step.init_) not in (DummyClassifier, DummyRegressor) or step.init_.strategy in _RANDOM:
        raise NotLoweredError(
            f"{type(step).__name__}(init={type(step.init_).__name__}) begins differently for each row"
        )
    row = np.zeros((1, step.n_features_in_), dtype=np.float32)
    return _init_raw_predictions(row, step.init_, step._loss, isinstance(step, GradientBoostingClassifier))[0]


def _hist(step: Any, flow: Flow) -> Value:
    known, rows = step._bin_mapper.make_known_categories_bitsets()
    nodes = Nodes()
    for round_ in step._predictors:
        for predictor in round_:
            nodes.add_predictor(predictor, known, rows)
    if not step._predictors:
        raise NotLoweredError(f"{type(step).__name__} without trees")
    base = np.asarray(step._baseline_prediction, dtype=np.float64).ravel()
    return trees(_encoded(step, flow), nodes, base, float32=False, accepts="any")


def _encoded(step: Any, flow: Flow) -> Flow:
    """Categories as codes, before all other columns: so the model orders them itself."""
    if step._preprocessor is None:
        return flow
    categorical = np.asarray(step.is_categorical_, dtype=bool)
    encoder = step._preprocessor.named_transformers_["encoder"]
    parts = [encoders.TRANSFORMERS[OrdinalEncoder](encoder, flow.pick(np.flatnonzero(categorical).tolist()))]
    numbers = flow.pick(np.flatnonzero(~categorical).tolist())
    return joined(flow.builder, [*parts, numbers])


def _classifier(raw: Callable[[Any, Flow], Value], *, equal: bool) -> Callable[[Any, Flow], Head]:
    """With two classes the second is predicted above zero, at zero where *equal* is set."""

    def lowered(step: Any, flow: Flow) -> Head:
        builder, value = flow.builder, raw(step, flow)
        classes = plain_list(step.classes_)
        if value.width == 1:
            index = builder.add(Above(of=(value.node,), equal=equal))
            shares = builder.add(Complement(of=(_second(step, flow, value).node,)))
        else:
            if type(step._loss.link) is not MultinomialLogit:
                raise NotLoweredError(f"{type(step).__name__} with {type(step._loss.link).__name__}")
            index = builder.add(Argmax(of=(value.node,)))
            shares = builder.add(Softmax(of=(value.node,)))
        return Head(builder, classes, index, shares, value)

    return lowered


def _second(step: Any, flow: Flow, value: Value) -> Value:
    """The probability of the second class."""
    builder, link = flow.builder, type(step._loss.link)
    if link is HalfLogitLink:  # the exponential loss
        value = builder.add(Scale(of=(value.node,), multiply_array=builder.floats([2.0])))
    elif link is not LogitLink:
        raise NotLoweredError(f"{type(step).__name__} with {link.__name__}")
    return builder.add(Function(of=(value.node,), name="sigmoid"))


def _regressor(raw: Callable[[Any, Flow], Value]) -> Callable[[Any, Flow], Head]:
    def lowered(step: Any, flow: Flow) -> Head:
        value, link = raw(step, flow), type(step._loss.link)
        if link is LogLink:
            value = flow.builder.add(Function(of=(value.node,), name="exp"))
        elif link is not IdentityLink:
            raise NotLoweredError(f"{type(step).__name__} with {link.__name__}")
        return Head(flow.builder, prediction=value)

    return lowered


PREDICTORS: dict[type, Callable[[Any, Flow], Head]] = {
    GradientBoostingClassifier: _classifier(_gradient, equal=True),
    GradientBoostingRegressor: _regressor(_gradient),
    HistGradientBoostingClassifier: _classifier(_hist, equal=False),
    HistGradientBoostingRegressor: _regressor(_hist),
}
