"""Single trees, forests, and isolation forests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.ensemble._iforest import _average_path_length
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor
from sklearn.utils import get_tags

from cloche.errors import NotLoweredError
from cloche.flavors.sklearn.lowering.flow import Flow, plain_list
from cloche.flavors.sklearn.lowering.head import Head
from cloche.flavors.sklearn.lowering.trees.nodes import Nodes
from cloche.graph import Builder, Value
from cloche.graph.operators.columns import Concat, Select
from cloche.graph.operators.heads import Argmax
from cloche.graph.operators.numeric import Function, Scale
from cloche.graph.operators.trees import Trees
from cloche.graph.trees import MAX_SPLITS

Array = np.ndarray[Any, Any]
Accepts = Literal["finite", "missing", "any"]

CLASSIFIERS = (DecisionTreeClassifier, ExtraTreeClassifier)
REGRESSORS = (DecisionTreeRegressor, ExtraTreeRegressor)


def trees(
    flow: Flow,
    nodes: Nodes,
    base: Any,
    *,
    mean: bool = False,
    float32: bool = True,
    accepts: Accepts = "missing",
) -> Value:
    """
    The node that follows the trees of *nodes* over the columns of *flow*, its sums begun at *base*.

    Raises:
        NotLoweredError: the trees have too many splits to be held twice.
    """
    splits = sum(map(len, nodes.feature))
    if splits > MAX_SPLITS:
        raise NotLoweredError(f"{splits:,} splits; a twin holds at most {MAX_SPLITS:,}")
    builder = flow.builder
    of = (flow.numbers().node,)
    names = {f"{name}_array": builder.array(array) for name, array in nodes.arrays(base).items()}
    return builder.add(Trees(of=of, **names, mean=mean, float32=float32, accepts=accepts))


def accepted(tree: Any) -> Accepts:
    """Whether the fitted *tree* takes missing values: by its criterion, not by what it was fitted on."""
    return "missing" if get_tags(tree).input_tags.allow_nan else "finite"


def class_counts(tree: Any) -> list[int]:
    """How many classes each output of a classifier has."""
    return [int(count) for count in np.atleast_1d(tree.n_classes_)]


def shares(tree: Any) -> Array:
    """The class probabilities of each node of a classifier: (nodes, classes), output after output."""
    counts = class_counts(tree)
    values = tree.tree_.value
    return np.concatenate([values[:, output, :count] for output, count in enumerate(counts)], axis=1)


def _many(step: Any) -> list[Any]:
    return [step] if isinstance(step, CLASSIFIERS + REGRESSORS) else list(step.estimators_)


def _classifier(step: Any, flow: Flow) -> Head:
    nodes, members = Nodes(), _many(step)
    for tree in members:
        nodes.add_tree(tree.tree_, shares(tree))
    counts = class_counts(members[0])
    value = trees(flow, nodes, np.zeros(sum(counts)), mean=True, accepts=accepted(members[0]))
    if step.n_outputs_ == 1:
        return classified(flow.builder, value, step.classes_)
    return _outputs(flow.builder, value, counts, step.classes_)


def classified(builder: Builder, value: Value, classes: Any) -> Head:
    """The head of class probabilities: the first of the largest is predicted."""
    return Head(builder, plain_list(classes), builder.add(Argmax(of=(value.node,))), value)


def _outputs(builder: Builder, value: Value, counts: list[int], classes: list[Any]) -> Head:
    """A head an output; together the indicators of a multilabel classifier, where all classes are 0 and 1."""
    heads, start = [], 0
    for count, own in zip(counts, classes, strict=True):
        heads.append(classified(builder, _columns(builder, value, range(start, start + count)), own))
        start += count
    head = Head(builder, outputs=tuple(heads))
    if any(one.classes != (0, 1) for one in heads):
        return head
    indicator = builder.add(Concat(of=tuple(one.index.node for one in heads if one.index is not None)))
    second = _columns(builder, value, range(1, 2 * len(heads), 2))
    return replace(head, indicator=indicator, probabilities=second)


def _columns(builder: Builder, value: Value, places: range) -> Value:
    return builder.add(Select(of=(value.node,), columns_array=builder.ints(places)))


def _regressor(step: Any, flow: Flow) -> Head:
    nodes, members = Nodes(), _many(step)
    for tree in members:
        nodes.add_tree(tree.tree_, tree.tree_.value[:, :, 0])
    base = np.zeros(members[0].n_outputs_)
    return Head(flow.builder, prediction=trees(flow, nodes, base, mean=True, accepts=accepted(members[0])))


def _isolation(step: Any, flow: Flow) -> Head:
    """−2^(−depth / (trees · c(samples))) less the offset (Liu, Ting, Zhou 2008); below zero is an outlier."""
    whole = step._max_features == step.n_features_in_
    nodes = Nodes()
    members = zip(step.estimators_, step.estimators_features_, strict=True)
    for place, (tree, features) in enumerate(members):
        depths = step._decision_path_lengths[place] + step._average_path_length_per_tree[place] - 1.0
        nodes.add_tree(tree.tree_, depths[:, None], None if whole else features)
    if flow.any_numbers().kind == "sparse" if flow.sparse is None else flow.sparse:
        nodes.flags = [np.zeros_like(flags) for flags in nodes.flags]  # NaN goes right there, whatever a node says
    scale = float(len(step.estimators_) * _average_path_length([step._max_samples])[0])
    if scale == 0:
        raise NotLoweredError("IsolationForest of trees of one sample")
    builder = flow.builder
    value = trees(flow, nodes, [0.0], accepts="any")
    value = builder.add(Scale(of=(value.node,), divide_array=builder.floats([-scale])))
    value = builder.add(Function(of=(value.node,), name="exp2"))
    value = builder.add(Function(of=(value.node,), name="negative"))
    score = builder.add(Scale(of=(value.node,), subtract_array=builder.floats([step.offset_])))
    return Head(builder, decision=score, prediction=score, score=score)


PREDICTORS: dict[type, Callable[[Any, Flow], Head]] = {
    **dict.fromkeys((*CLASSIFIERS, RandomForestClassifier, ExtraTreesClassifier), _classifier),
    **dict.fromkeys((*REGRESSORS, RandomForestRegressor, ExtraTreesRegressor), _regressor),
    IsolationForest: _isolation,
}
