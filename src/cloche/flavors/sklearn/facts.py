"""What a fitted scikit-learn model says of itself: its task, its classes, its inputs, its parameters."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier, is_clusterer, is_outlier_detector, is_regressor
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.pipeline import Pipeline

from cloche.errors import SaveRefusedError
from cloche.flavors.sklearn.columns import input_facts
from cloche.flavors.sklearn.walk import walk
from cloche.records import ModelFacts

#: Where estimators keep the rows they were fitted on, and what such a row is called.
_ROWS = {
    "support_vectors_": "support vectors",
    "_fit_X": "training rows",
    "X_train_": "training rows",
    "X_fit_": "training rows",
    "X_": "training rows",
}
#: Rows that were picked by their index: the index tells them from centres that were computed.
_PICKED = {"component_indices_": "components_", "cluster_centers_indices_": "cluster_centers_"}
_INNER = ("best_estimator_", "regressor_", "estimator_")
_PLAIN = (str, int, float, bool, type(None))


def facts_of(model: Any) -> ModelFacts:
    """
    Everything `contract.infer` may know without a table. Inputs without names are called x0, x1, …

    Raises:
        SaveRefusedError: the model can answer no new row.
    """
    task = task_of(model)
    names = feature_names(model)
    count = _first(model, "n_features_in_")
    known = names or tuple(f"x{i}" for i in range(count if count is not None else 1))
    classes, output_classes = _classes(model, task)
    width = _width(model, task)
    return ModelFacts(
        task=task,
        names=names,
        n_inputs=len(known) if names or count is not None else None,
        inputs=input_facts(model, known),
        classes=classes,
        output_classes=output_classes,
        output_names=_output_names(task, output_classes, width),
        probabilities=task not in ("clustering", "embedding", "anomaly") and hasattr(model, "predict_proba"),
        embedding=width if task == "embedding" else None,
        hyperparameters=hyperparameters(model),
        training_rows_inside=_training_rows(model),
    )


def task_of(model: Any) -> str:
    """
    The contract's task.

    Raises:
        SaveRefusedError: nothing can be asked about a new row.
    """
    if not hasattr(model, "predict"):
        if hasattr(model, "transform"):
            return "embedding"
        raise SaveRefusedError(_no_answer(model))
    if is_outlier_detector(model):
        return "anomaly"
    if is_classifier(model):
        return _classification(model)
    if is_clusterer(model) or _is_density(model):
        return "clustering"
    if is_regressor(model) or not hasattr(model, "classes_"):
        return "multioutput_regression" if (_width(model, "regression") or 1) > 1 else "regression"
    return _classification(model)


def _is_density(model: Any) -> bool:
    tags = getattr(model, "__sklearn_tags__", None)
    return tags is not None and tags().estimator_type == "density_estimator"


def _no_answer(model: Any) -> str:
    name = type(model).__name__
    if is_outlier_detector(model):
        return f"{name} has no predict for new rows; fit it with novelty=True"
    if is_clusterer(model):
        return (
            f"{name} only labels the rows it was fitted on; use a clusterer that has predict (KMeans, MeanShift), "
            "or fit a classifier on its labels"
        )
    return (
        f"{name} has neither predict nor transform, so it cannot answer a new row; "
        "put it in a Pipeline that ends in an estimator"
    )


def _classification(model: Any) -> str:
    classes = getattr(model, "classes_", None)
    if isinstance(classes, list):
        return "multilabel" if all(_is_indicator(one) for one in classes) else "multioutput_classification"
    last = final(model)
    binarizer = getattr(last, "label_binarizer_", getattr(last, "_label_binarizer", None))
    indicator = getattr(binarizer, "y_type_", "") == "multilabel-indicator"
    return "multilabel" if indicator or getattr(last, "multilabel_", False) is True else "classification"


def _is_indicator(classes: Any) -> bool:
    return set(np.asarray(classes).tolist()) <= {0, 1} and np.asarray(classes).dtype.kind in "biuf"


def _classes(model: Any, task: str) -> tuple[tuple[Any, ...] | None, tuple[tuple[Any, ...], ...] | None]:
    if task == "anomaly":
        return ("inlier", "outlier"), None
    if task not in ("classification", "multilabel", "multioutput_classification"):
        return None, None
    classes = getattr(model, "classes_", None)
    if classes is None:
        return None, None
    if not isinstance(classes, list):
        return tuple(np.asarray(classes).tolist()), None
    if task == "multilabel":
        return tuple(range(len(classes))), None
    return None, tuple(tuple(np.asarray(one).tolist()) for one in classes)


def _output_names(task: str, output_classes: Any, width: int | None) -> tuple[str, ...] | None:
    if task == "multioutput_classification":
        return tuple(f"y{i}" for i in range(len(output_classes or ())))
    return tuple(f"y{i}" for i in range(width or 0)) if task == "multioutput_regression" else None


def final(model: Any) -> Any:
    """The estimator that gives the answer, inside pipelines and searches."""
    while True:
        if isinstance(model, Pipeline):
            model = model.steps[-1][1]
        elif any(hasattr(model, name) for name in _INNER[:1]):
            model = model.best_estimator_
        else:
            return model


def _width(model: Any, task: str) -> int | None:
    """How many numbers an answer has, asked of the last step with a row of zeros (its input is numeric)."""
    last = final(model)
    ask = getattr(last, "transform" if task == "embedding" else "predict", None)
    count = getattr(last, "n_features_in_", None)
    if ask is None or count is None or task not in ("embedding", "regression", "multioutput_regression"):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = ask(np.zeros((1, count)))
    except Exception:  # noqa: BLE001 - not numeric (a stack of pipelines, say): what it declares has to do
        return _declared_width(last, task)
    if sparse.issparse(answer) or np.ndim(answer) == 2:
        return int(answer.shape[1])
    return 1


def _declared_width(last: Any, task: str) -> int | None:
    if task == "embedding":
        return _declared_names(last)
    if isinstance(last, (MultiOutputRegressor, RegressorChain)):
        return len(last.estimators_)
    inner = getattr(last, "regressor_", None)
    return getattr(last, "n_outputs_", None) if inner is None else _width(inner, task)


def _declared_names(last: Any) -> int | None:
    try:
        return len(last.get_feature_names_out())
    except Exception:  # noqa: BLE001 - some transformers name their output only with names of their input
        return None


def feature_names(model: Any) -> tuple[str, ...] | None:
    """The column names the model was fitted with, wherever it keeps them."""
    names = _first(model, "feature_names_in_")
    return None if names is None else tuple(str(one) for one in names)


def _first(model: Any, attribute: str) -> Any:
    """*attribute* of the model, of its first step, or of what it wraps."""
    value = getattr(model, attribute, None)
    if value is not None:
        return value
    for inner in _beginnings(model):
        value = _first(inner, attribute)
        if value is not None:
            return value
    return None


def _beginnings(model: Any) -> Iterator[Any]:
    if isinstance(model, Pipeline):
        yield next((step for _, step in model.steps if step is not None and not isinstance(step, str)), None)
    for name in _INNER:
        inner = getattr(model, name, None)
        if inner is not None and inner is not model:
            yield inner


def hyperparameters(model: Any) -> dict[str, Any]:
    """The parameters that are plain values, by scikit-learn's own names (`step__parameter`)."""
    if not hasattr(model, "get_params"):
        return {}
    try:
        known = model.get_params(deep=True)
    except AttributeError:  # a step of another package that does not keep what it was given
        return {}
    return {name: _plain(value) for name, value in sorted(known.items()) if _is_plain(value)}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return len(value) <= 100 and all(_is_plain(one) for one in value)
    return isinstance(value, (*_PLAIN, np.bool_, np.integer, np.floating))


def _training_rows(model: Any) -> str | None:
    found = sorted({_embeds(part) for part in walk(model)} - {""})
    return "; ".join(found) or None


def _embeds(part: Any) -> str:
    kept = getattr(part, "__dict__", {})
    for attribute, what in _ROWS.items():
        count = _count(kept.get(attribute))
        if count:
            return f"{type(part).__name__} keeps {count} {what}"
    picked = (_count(kept.get(rows)) for index, rows in _PICKED.items() if index in kept)
    count = next(picked, 0)
    return f"{type(part).__name__} keeps {count} training rows" if count else ""


def _count(rows: Any) -> int:
    return int(rows.shape[0]) if len(getattr(rows, "shape", ())) == 2 else 0
