"""
Bagging and AdaBoost, of any estimators that are lowered.

Where all members are trees, they become one ensemble: a walk down each tree, and no node a member.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import joblib
import numpy as np
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor, BaggingClassifier, BaggingRegressor
from sklearn.ensemble._base import _partition_estimators

from cloche.errors import NotLoweredError
from cloche.flavors.sklearn.lowering.flow import Flow, plain_list
from cloche.flavors.sklearn.lowering.head import Head, Visit, need
from cloche.flavors.sklearn.lowering.trees import forests
from cloche.flavors.sklearn.lowering.trees.nodes import Nodes
from cloche.graph import Builder, Value
from cloche.graph.operators.columns import Check, Concat
from cloche.graph.operators.encode import Expand
from cloche.graph.operators.heads import Above, Argmax, Linear, Mean, Softmax
from cloche.graph.operators.numeric import Scale
from cloche.graph.operators.trees import Median

Array = np.ndarray[Any, Any]
Member = tuple[Any, Array]
OfTree = Callable[[Any, Any], Array]
#: The whole, a member and the columns it is shown.
OfMember = Callable[[Any, Any, Flow], Value]


# -- bagging --------------------------------------------------------------------------------------


def _bagged_classifier(step: BaggingClassifier, flow: Flow, visit: Visit) -> Head:
    value = _averaged(step, flow, _tree_shares, partial(_member_shares, visit))
    head = forests.classified(flow.builder, value, step.classes_)
    if not hasattr(step, "decision_function"):
        return head
    return replace(head, decision=_averaged(step, flow, None, partial(_member_decision, visit)))


def _bagged_regressor(step: BaggingRegressor, flow: Flow, visit: Visit) -> Head:
    value = _averaged(step, flow, _tree_numbers, partial(_member_numbers, visit))
    return Head(flow.builder, prediction=value)


def _averaged(step: Any, flow: Flow, of_tree: OfTree | None, of_member: OfMember) -> Value:
    """
    The mean of the members, added up within the groups that `n_jobs` makes, and then over the groups.

    Columns that no member is shown are left out: whatever they hold, the model answers.
    """
    members = list(zip(step.estimators_, step.estimators_features_, strict=True))
    if len(members) != step.n_estimators:
        raise NotLoweredError(f"{type(step).__name__} of {len(members)} members that says {step.n_estimators}")
    shown = np.unique(np.concatenate([features for _, features in members]))
    flow = flow.pick(shown.tolist())
    members = [(one, np.searchsorted(shown, features)) for one, features in members]
    if of_tree is not None and all(isinstance(one, forests.CLASSIFIERS + forests.REGRESSORS) for one, _ in members):
        sums = [_grove(step, flow, group, of_tree) for group in _groups(step, members)]
    else:
        sums = [_added(step, flow, group, of_member) for group in _groups(step, members)]
    return flow.builder.add(Mean(of=tuple(one.node for one in sums), total=float(step.n_estimators)))


def _groups(step: Any, members: list[Member]) -> list[list[Member]]:
    """What each job of scikit-learn adds up: with threads, as the native engine runs it."""
    with joblib.parallel_config("threading", n_jobs=1):
        jobs, _, starts = _partition_estimators(step.n_estimators, step.n_jobs)
    return [members[starts[job] : starts[job + 1]] for job in range(jobs)]


def _grove(step: Any, flow: Flow, group: list[Member], of_tree: OfTree) -> Value:
    nodes = Nodes()
    for tree, features in group:
        nodes.add_tree(tree.tree_, of_tree(step, tree), features)
    base = np.zeros(nodes.values[0].shape[1])
    return forests.trees(flow, nodes, base, accepts=forests.accepted(group[0][0]))


def _added(step: Any, flow: Flow, group: list[Member], of_member: OfMember) -> Value:
    values = [of_member(step, one, flow.pick(features.tolist())) for one, features in group]
    return flow.builder.add(Mean(of=tuple(one.node for one in values), total=1.0))


def _tree_shares(step: Any, tree: Any) -> Array:
    """A member may have met some of the classes only; they are numbers there."""
    own = forests.shares(tree)
    found = np.zeros((len(own), len(step.classes_)))
    found[:, tree.classes_] = own
    return found


def _tree_numbers(step: Any, tree: Any) -> Array:
    numbers: Array = tree.tree_.value[:, :, 0]
    return numbers


def _member_shares(visit: Visit, step: Any, member: Any, flow: Flow) -> Value:
    """The probabilities of *member*, or one vote, over all classes."""
    head, builder, count = visit.predicted(member, flow), flow.builder, len(step.classes_)
    if hasattr(member, "predict_proba"):
        value = need(head.probabilities, "probabilities", member)
    else:
        index = need(head.index, "classes", member)
        value = builder.add(Expand(of=(index.node,), widths=(len(member.classes_),)))
    if len(member.classes_) == count:
        return value
    places = np.zeros((len(member.classes_), count))
    places[np.arange(len(member.classes_)), member.classes_] = 1.0
    return _linear(builder, value, places)


def _member_decision(visit: Visit, step: Any, member: Any, flow: Flow) -> Value:
    return need(visit.predicted(member, flow).decision, "decision", member)


def _member_numbers(visit: Visit, step: Any, member: Any, flow: Flow) -> Value:
    return need(visit.predicted(member, flow).prediction, "prediction", member)


# -- AdaBoost -------------------------------------------------------------------------------------


def _boosted_classifier(step: AdaBoostClassifier, flow: Flow, visit: Visit) -> Head:
    """SAMME (Zhu, Zou, Rosset, Hastie 2009): a member gives its weight to its class, and takes a part from others."""
    builder, count = flow.builder, len(step.classes_)
    if count < 2:
        raise NotLoweredError("AdaBoostClassifier of one class")
    members = list(zip(step.estimators_, step.estimator_weights_, strict=False))
    total = float(step.estimator_weights_.sum())
    if all(isinstance(one, forests.CLASSIFIERS) for one, _ in members):
        nodes = Nodes()
        for tree, weight in members:
            nodes.add_tree(tree.tree_, _weighted(step, weight)[_classes(step, tree)])
        value = forests.trees(flow, nodes, np.zeros(count), accepts="finite")
        value = builder.add(Scale(of=(value.node,), divide_array=builder.floats(np.full(count, total))))
    else:
        flow = _finite(flow)
        votes = [_vote(visit, step, one, weight, flow) for one, weight in members]
        value = builder.add(Mean(of=tuple(one.node for one in votes), total=total))
    return _boosted(step, builder, value)


def _boosted(step: Any, builder: Builder, value: Value) -> Head:
    classes, count = plain_list(step.classes_), value.width
    if count > 2:
        scaled = builder.add(Scale(of=(value.node,), divide_array=builder.floats(np.full(count, count - 1.0))))
        shares = builder.add(Softmax(of=(scaled.node,)))
        return Head(builder, classes, builder.add(Argmax(of=(value.node,))), shares, value)
    decision = _linear(builder, value, np.array([[-1.0], [1.0]]))
    shares = builder.add(Softmax(of=(_linear(builder, decision, np.array([[-0.5, 0.5]])).node,)))
    return Head(builder, classes, builder.add(Above(of=(decision.node,))), shares, decision)


def _weighted(step: Any, weight: float) -> Array:
    """What a member adds to each class (columns) where it predicts a class (rows)."""
    count = len(step.classes_)
    found: Array = np.where(np.eye(count, dtype=bool), weight, -1 / (count - 1) * weight)
    return found


def _places(step: Any, member: Any) -> Array:
    """The place of each of the member's classes among those of the whole."""
    table = {label: place for place, label in enumerate(step.classes_.tolist())}
    return np.array([table[label] for label in member.classes_.tolist()])


def _classes(step: Any, tree: Any) -> Array:
    """The class that each node of a tree would predict, as its place."""
    places: Array = _places(step, tree)[np.argmax(forests.shares(tree), axis=1)]
    return places


def _vote(visit: Visit, step: Any, member: Any, weight: float, flow: Flow) -> Value:
    builder = flow.builder
    index = need(visit.predicted(member, flow).index, "classes", member)
    chosen = builder.add(Expand(of=(index.node,), widths=(len(member.classes_),)))
    return _linear(builder, chosen, _weighted(step, weight)[_places(step, member)])


def _boosted_regressor(step: AdaBoostRegressor, flow: Flow, visit: Visit) -> Head:
    builder, members = flow.builder, step.estimators_
    if all(isinstance(one, forests.REGRESSORS) for one in members):
        nodes = Nodes()
        for tree in members:
            nodes.add_tree(tree.tree_, tree.tree_.value[:, :, 0])
        value = forests.trees(flow, nodes, np.zeros(len(members)), accepts="finite")
    else:
        flow = _finite(flow)
        value = _side_by_side(builder, [_member_numbers(visit, step, one, flow) for one in members])
    weights = builder.floats(step.estimator_weights_[: len(members)])
    return Head(builder, prediction=builder.add(Median(of=(value.node,), weights_array=weights)))


def _finite(flow: Flow) -> Flow:
    """AdaBoost itself takes neither missing nor infinite numbers, whatever its members do."""
    return flow.to(Check(of=(flow.numbers().node,)))


def _side_by_side(builder: Builder, values: Sequence[Value]) -> Value:
    return values[0] if len(values) == 1 else builder.add(Concat(of=tuple(one.node for one in values)))


def _linear(builder: Builder, value: Value, coef: Array) -> Value:
    start = builder.floats(np.zeros(coef.shape[1]))
    return builder.add(Linear(of=(value.node,), coef_array=builder.floats(coef), intercept_array=start))


WRAPPERS: dict[type, Callable[[Any, Flow, Visit], Head]] = {
    AdaBoostClassifier: _boosted_classifier,
    AdaBoostRegressor: _boosted_regressor,
    BaggingClassifier: _bagged_classifier,
    BaggingRegressor: _bagged_regressor,
}
