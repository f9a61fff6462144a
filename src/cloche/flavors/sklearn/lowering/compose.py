"""Steps made of steps: pipelines, unions, transformers by column, searches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, RandomForestClassifier
from sklearn.pipeline import FeatureUnion, Pipeline

from cloche.errors import NotLoweredError
from cloche.flavors.lowered import lowering_of
from cloche.flavors.sklearn.boosters import library_of
from cloche.flavors.sklearn.lowering.flow import Flow, joined
from cloche.flavors.sklearn.lowering.head import Head, Visit
from cloche.flavors.sklearn.lowering.table import PREDICTORS, TRANSFORMERS, WRAPPERS


def transformed(step: Any, flow: Flow) -> Flow:
    """
    What the fitted transformer *step* makes of *flow*.

    Raises:
        NotLoweredError: its type is not in the table, or a setting of it is not known.
    """
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return flow
    found = _COMPOSED.get(type(step)) or TRANSFORMERS.get(type(step))
    if found is None:
        raise NotLoweredError(f"{type(step).__name__} has no twin")
    return found(step, flow)


def predicted(step: Any, flow: Flow) -> Head:
    """
    What the fitted estimator *step* answers for *flow*.

    Raises:
        NotLoweredError: its type is not in the table, or a setting of it is not known.
    """
    if type(step) is Pipeline:
        for _, one in step.steps[:-1]:
            flow = transformed(one, flow)
        return predicted(step.steps[-1][1], flow)
    kind = _like(step)
    wrapper = WRAPPERS.get(kind)
    if wrapper is not None:
        return wrapper(step, flow, Visit(transformed, predicted))
    library = library_of(step)
    if library is not None:
        head: Head = lowering_of(library).predicted(step, flow)
        return head
    found = PREDICTORS.get(kind)
    if found is None:
        raise NotLoweredError(f"{type(step).__name__} has no twin")
    return found(step, flow)


def _like(step: Any) -> type:
    """
    The type whose arithmetic *step* has: its own, or of an ensemble of imbalanced-learn the one it is derived from.

    These resample while they are fitted, and answer as scikit-learn's; the guard compares them nevertheless.
    """
    name = f"{type(step).__module__}.{type(step).__qualname__}"
    return _LIKE.get(name, type(step))


def _pipeline(step: Pipeline, flow: Flow) -> Flow:
    for _, one in step.steps:
        flow = transformed(one, flow)
    return flow


def _union(step: FeatureUnion, flow: Flow) -> Flow:
    weights = step.transformer_weights or {}
    if weights:
        raise NotLoweredError("FeatureUnion with weights")
    parts = [transformed(one, flow) for _, one in step.transformer_list if one != "drop"]
    return joined(flow.builder, parts)


def _columns(step: ColumnTransformer, flow: Flow) -> Flow:
    parts = []
    for name, one, _ in step.transformers_:
        places = list(step._transformer_to_input_indices.get(name, []))
        if (isinstance(one, str) and one == "drop") or not places:
            continue
        parts.append(transformed(one, flow.pick(places)))
    return replace(joined(flow.builder, parts), sparse=bool(step.sparse_output_))


_LIKE: dict[str, type] = {
    "imblearn.ensemble._bagging.BalancedBaggingClassifier": BaggingClassifier,
    "imblearn.ensemble._easy_ensemble.EasyEnsembleClassifier": BaggingClassifier,
    "imblearn.ensemble._forest.BalancedRandomForestClassifier": RandomForestClassifier,
    "imblearn.ensemble._weight_boosting.RUSBoostClassifier": AdaBoostClassifier,
}
_COMPOSED: dict[type, Any] = {Pipeline: _pipeline, FeatureUnion: _union, ColumnTransformer: _columns}
