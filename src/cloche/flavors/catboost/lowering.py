"""
From a CatBoost model of numbers to its exact twin.

A tree asks the same question everywhere on a level: it is written out as a tree of splits. A border is a float32, and
a number is rounded to one before it is compared.
"""

from __future__ import annotations

from typing import Any, Final

import catboost
import numpy as np

from cloche.contract.model import Contract
from cloche.errors import NotLoweredError, TamperedModelError
from cloche.flavors.catboost import cbm
from cloche.flavors.catboost.estimators import file_of
from cloche.flavors.sklearn.lowering import answered
from cloche.flavors.sklearn.lowering.flow import Flow, begin, plain_list
from cloche.flavors.sklearn.lowering.head import Head
from cloche.flavors.sklearn.lowering.trees.forests import trees
from cloche.flavors.sklearn.lowering.trees.nodes import Nodes
from cloche.graph import Builder, ValidGraph, Value
from cloche.graph.operators.heads import Above, Argmax, Complement, Softmax
from cloche.graph.operators.numeric import Function, Scale
from cloche.graph.trees import MAX_SPLITS, MISSING_LEFT
from cloche.records import FrameSpec

Array = np.ndarray[Any, Any]

_IDENTITY: Final = frozenset("RMSE MAE Quantile MAPE LogCosh Huber Expectile Lq MultiRMSE".split())
CLASSES: Final = ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll")
_EXPONENT: Final = frozenset("Poisson Tweedie".split())


def lower(estimator: Any, frame: FrameSpec, contract: Contract) -> ValidGraph:
    """
    The twin of a model that stands alone.

    Raises:
        NotLoweredError: it reads categories, or answers in a way that has no operator.
    """
    try:
        flow = begin(frame, contract)
        return flow.builder.finish(answered(estimator, predicted(estimator, flow), contract))
    except TamperedModelError as exc:
        raise NotLoweredError(f"the model is not as an operator takes it: {exc}") from exc


def predicted(step: Any, flow: Flow) -> Head:
    """What a CatBoost estimator answers, alone or inside a scikit-learn model."""
    model = cbm.parse(file_of(step), "the model")
    if model.categories:
        raise NotLoweredError("CatBoost with categories: it answers from hashes and statistics of them")
    if not model.symmetric:
        raise NotLoweredError("CatBoost with trees that are not symmetric")
    if flow.width != model.features:
        raise NotLoweredError(f"CatBoost of {model.features} columns behind a step that gives {flow.width}")
    value = _raw(model, flow)
    bare = type(step) is catboost.CatBoost and model.loss in CLASSES
    if bare or isinstance(step, catboost.CatBoostClassifier):
        return _classified(step, model, flow.builder, value)
    if model.loss in _EXPONENT and isinstance(step, catboost.CatBoostRegressor):
        value = flow.builder.add(Function(of=(value.node,), name="exp"))
    elif model.loss not in _IDENTITY | _EXPONENT and not isinstance(step, catboost.CatBoostRanker):
        raise NotLoweredError(f"CatBoost with the loss '{model.loss}'")
    return Head(flow.builder, prediction=value)


def _raw(model: cbm.Model, flow: Flow) -> Value:
    if int(((1 << model.sizes) - 1).sum()) > MAX_SPLITS:
        raise NotLoweredError(f"{int((1 << model.sizes).sum()):,} splits; a twin holds at most {MAX_SPLITS:,}")
    nodes, start = Nodes(), 0
    borders = _Borders(model)
    for first, depth in zip(model.starts.tolist(), model.sizes.tolist(), strict=True):
        size = (1 << depth) * model.outputs
        leaves = model.leaves[start : start + size].reshape(1 << depth, model.outputs)
        borders.add(nodes, model.splits[first : first + depth], leaves)
        start += size
    value = trees(flow, nodes, np.zeros(model.outputs), float32=True, accepts="any")
    builder = flow.builder
    scale = None if model.scale == 1.0 else builder.floats(np.full(model.outputs, model.scale))
    return builder.add(Scale(of=(value.node,), multiply_array=scale, add_array=builder.floats(model.bias)))


class _Borders:
    """All borders, numbered as the splits of trees name them."""

    def __init__(self, model: cbm.Model) -> None:
        counts = [len(one.borders) for one in model.numbers]
        self._feature = np.repeat([one.place for one in model.numbers], counts)
        self._border = np.concatenate([one.borders.astype(np.float64) for one in model.numbers])
        #: A missing value is above every border, or above none.
        self._left = np.repeat([0 if one.missing == "true" else MISSING_LEFT for one in model.numbers], counts)

    def add(self, nodes: Nodes, splits: Array, leaves: Array) -> None:
        """
        One tree: the first of its *splits* gives the lowest bit of a leaf's place, 1 above the border.

        Level by level the last of them is asked first, so that the leaves stand in their order.
        """
        depth = len(splits)
        asked = np.repeat(splits[::-1], 1 << np.arange(depth))
        inner = len(asked)
        left = 2 * np.arange(inner) + 1
        left, right = (np.where(child < inner, child, ~(child - inner)) for child in (left, left + 1))
        nodes.feature.append(self._feature[asked])
        nodes.threshold.append(self._border[asked])
        nodes.left.append(left)
        nodes.right.append(right)
        nodes.flags.append(self._left[asked])
        nodes.values.append(leaves)


def _classified(step: Any, model: cbm.Model, builder: Builder, value: Value) -> Head:
    if "binclass_probability_threshold" in model.info:
        raise NotLoweredError("CatBoost with a probability threshold of its own")
    classes = plain_list(np.asarray(step.classes_))
    if model.outputs == 1 and model.loss in ("Logloss", "CrossEntropy"):
        second = builder.add(Function(of=(value.node,), name="sigmoid"))
        shares = builder.add(Complement(of=(second.node,)))
        return Head(builder, classes, builder.add(Above(of=(value.node,))), shares)
    if model.loss == "MultiClass":
        shares = builder.add(Softmax(of=(value.node,)))
    elif model.loss == "MultiClassOneVsAll":
        shares = builder.add(Function(of=(value.node,), name="sigmoid"))
    else:
        raise NotLoweredError(f"CatBoost with the loss '{model.loss}'")
    return Head(builder, classes, builder.add(Argmax(of=(value.node,))), shares)
