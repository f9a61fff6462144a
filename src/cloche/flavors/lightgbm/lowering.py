"""
From a LightGBM model to its exact twin: the same trees, the same sums in the same order, the same link.

LightGBM takes numbers within ±1e-35 for zero before it compares them, and a missing number for zero where the training
column had none missing. Both are said by thresholds and flags here.
"""

from __future__ import annotations

from typing import Any, Final

import lightgbm
import numpy as np

from cloche.contract.model import Contract
from cloche.errors import NotLoweredError, TamperedModelError
from cloche.flavors.lightgbm import text
from cloche.flavors.lightgbm.estimators import booster_of, placed
from cloche.flavors.sklearn.lowering import answered
from cloche.flavors.sklearn.lowering.flow import Flow, begin, joined, plain_list
from cloche.flavors.sklearn.lowering.head import Head
from cloche.flavors.sklearn.lowering.trees.forests import trees
from cloche.flavors.sklearn.lowering.trees.nodes import Nodes
from cloche.graph import Builder, ValidGraph, Value
from cloche.graph.operators.encode import Encode, Levels
from cloche.graph.operators.heads import Argmax, Complement, Softmax
from cloche.graph.operators.numeric import Function, Scale
from cloche.graph.trees import CATEGORICAL, MISSING_LEFT, SET_WORDS
from cloche.records import FrameSpec

Array = np.ndarray[Any, Any]

#: kZeroThreshold of LightGBM.
ZERO: Final = float(np.float32(1e-35))
_BELOW_ZERO: Final = float(np.nextafter(-ZERO, -np.inf))
_ZERO_IS_MISSING, _NAN_IS_MISSING = 1, 2
#: Objectives and the function that makes their answer of a raw score.
_LINKS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("regression", "regression_l1", "huber", "fair", "quantile", "mape"), ()),
    **dict.fromkeys(("lambdarank", "rank_xendcg"), ()),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), ("exp",)),
    "cross_entropy": ("sigmoid",),
    "cross_entropy_lambda": ("exp", "log1p"),
}


def lower(estimator: Any, frame: FrameSpec, contract: Contract) -> ValidGraph:
    """
    The twin of a model that stands alone.

    Raises:
        NotLoweredError: a kind of tree or answer has no operator.
    """
    try:
        flow = begin(frame, contract)
        model = text.parse(booster_of(estimator).model_to_string().encode(), "the model")
        return flow.builder.finish(answered(estimator, _head(estimator, model, _encoded(model, flow, frame)), contract))
    except TamperedModelError as exc:
        raise NotLoweredError(f"the model is not as an operator takes it: {exc}") from exc


def predicted(step: Any, flow: Flow) -> Head:
    """What a LightGBM estimator answers inside a scikit-learn model, whose steps give it numbers."""
    model = text.parse(booster_of(step).model_to_string().encode(), "the model")
    if model.levels:
        raise NotLoweredError(f"{type(step).__name__} with pandas categories inside a pipeline")
    return _head(step, model, flow)


def _encoded(model: text.Model, flow: Flow, frame: FrameSpec) -> Flow:
    """Categories as LightGBM numbers them: by their place among those of the training column."""
    known = placed(model, [one.dtype for one in frame.columns])
    if frame.container == "polars" and known:
        raise NotLoweredError("LightGBM with categories of polars")
    if len(known) != len(model.levels):
        raise NotLoweredError(f"{len(model.levels)} columns of categories in the model, and others in its table")
    parts = []
    for place in range(flow.width):
        picked = flow.pick([place])
        if place in known:
            value, _ = picked.objects()
            levels = Levels(levels=plain_list(np.array(known[place], dtype=object)))
            picked = picked.to(Encode(of=(value.node,), columns=(levels,)))
        parts.append(picked)
    return joined(flow.builder, parts) if known else flow


# -- trees ----------------------------------------------------------------------------------------


def _raw(model: text.Model, flow: Flow) -> Value:
    """The sum of the trees, or their mean: a column an output."""
    if flow.width != len(model.names):
        raise NotLoweredError(f"LightGBM of {len(model.names)} columns behind a step that gives {flow.width}")
    nodes = Nodes()
    for tree in model.trees:
        _add(nodes, tree)
    value = trees(flow, nodes, np.zeros(model.outputs), float32=False, accepts="any")
    if not model.averaged:
        return value
    shares = flow.builder.floats(np.full(model.outputs, float(model.rounds)))
    return flow.builder.add(Scale(of=(value.node,), divide_array=shares))


def _add(nodes: Nodes, tree: text.Tree) -> None:
    if tree.linear:
        raise NotLoweredError("LightGBM with linear trees")
    categorical = (tree.kind & 1) == 1
    threshold, flags = _compared(tree, categorical)
    for at in np.flatnonzero(categorical):
        flags[at], threshold[at] = CATEGORICAL, len(nodes.sets)
        nodes.sets.append(_members(tree, int(tree.threshold[at])))
    nodes.feature.append(tree.feature)
    nodes.threshold.append(threshold)
    nodes.left.append(tree.left)
    nodes.right.append(tree.right)
    nodes.flags.append(flags)
    nodes.values.append(tree.values[:, None])


def _compared(tree: text.Tree, categorical: Array) -> tuple[Array, Array]:
    """Thresholds and flags of splits of numbers; those of the others are put in their place later."""
    zero_left = tree.threshold >= 0
    default_left, missing = (tree.kind & 2) == 2, tree.kind >> 2
    if bool((~categorical & (missing == _ZERO_IS_MISSING) & (default_left != zero_left)).any()):
        raise NotLoweredError("LightGBM(zero_as_missing=True): zeros do not go where their number says")
    near = np.abs(tree.threshold) <= ZERO
    threshold = np.where(near, np.where(zero_left, ZERO, _BELOW_ZERO), tree.threshold)
    missing_left = np.where(missing == _NAN_IS_MISSING, default_left, zero_left)
    return threshold, np.where(missing_left, MISSING_LEFT, 0).astype(np.uint8)


def _members(tree: text.Tree, place: int) -> Array:
    words = tree.words[tree.boundaries[place] : tree.boundaries[place + 1]]
    if len(words) > SET_WORDS:
        raise NotLoweredError(f"LightGBM with codes of categories up to {32 * len(words) - 1}; a twin has 0 to 255")
    found = np.zeros(SET_WORDS, dtype=np.uint32)
    found[: len(words)] = words
    return found


# -- answers --------------------------------------------------------------------------------------


def _head(estimator: Any, model: text.Model, flow: Flow) -> Head:
    value, builder = _raw(model, flow), flow.builder
    name = model.objective[0] if model.objective else ""
    if name in ("binary", "multiclass", "multiclassova") or isinstance(estimator, lightgbm.LGBMClassifier):
        return _classified(estimator, model, builder, value)
    return Head(builder, prediction=_linked(model, builder, value))


def _classified(estimator: Any, model: text.Model, builder: Builder, value: Value) -> Head:
    """The first of the largest probabilities is predicted; with two classes these are 1 - p and p."""
    shares = _linked(model, builder, value)
    if model.outputs == 1:
        shares = builder.add(Complement(of=(shares.node,)))
    known = getattr(estimator, "classes_", None)
    classes = tuple(range(shares.width)) if known is None else plain_list(known)
    decision = value if hasattr(estimator, "decision_function") else None
    return Head(builder, classes, builder.add(Argmax(of=(shares.node,))), shares, decision)


def _linked(model: text.Model, builder: Builder, value: Value) -> Value:
    """The answer of the raw scores, by the objective."""
    if not model.objective:
        return value
    name, *words = model.objective
    if name == "multiclass":
        return builder.add(Softmax(of=(value.node,)))
    if name in ("binary", "multiclassova"):
        return _steep(words, builder, value)
    if name not in _LINKS or "sqrt" in words:
        raise NotLoweredError(f"LightGBM with the objective '{' '.join(model.objective)}'")
    for function in _LINKS[name]:
        value = builder.add(Function(of=(value.node,), name=function))
    return value


def _steep(words: list[str], builder: Builder, value: Value) -> Value:
    steepness = next((float(one.partition(":")[2]) for one in words if one.startswith("sigmoid:")), 1.0)
    if steepness != 1.0:
        scale = builder.floats(np.full(value.width, steepness))
        value = builder.add(Scale(of=(value.node,), multiply_array=scale))
    return builder.add(Function(of=(value.node,), name="sigmoid"))
