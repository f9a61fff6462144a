"""A fitted model asked about a frame, and its answer as plain Python values."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import joblib
import numpy as np
import sklearn
from scipy import sparse

from cloche.contract.model import Output
from cloche.records import Outputs


def predict(native: Any, frame: Any, output: Output) -> Outputs:
    """
    What *native* answers for *frame*; what it raises is raised.

    A model fitted with `n_jobs` uses threads here: an engine must not start processes of its own.
    """
    quiet, threads = warnings.catch_warnings(), joblib.parallel_config("threading", n_jobs=1)
    with quiet, threads, sklearn.config_context(assume_finite=False):
        warnings.simplefilter("ignore")
        return _ANSWERS[output.task](native, frame, output)


def _classification(native: Any, frame: Any, output: Output) -> Outputs:
    probabilities = _dense(native.predict_proba(frame)) if output.probabilities else None
    if output.threshold is not None and probabilities is not None and probabilities.shape[1] == 2:
        second = probabilities[:, 1] >= output.threshold
        labels = np.asarray(native.classes_)[second.astype(np.intp)]
    else:
        labels = _dense(native.predict(frame)).ravel()
    shown = _renamed(labels.tolist(), getattr(native, "classes_", None), output.classes)
    return Outputs(shown, None if probabilities is None else probabilities.tolist())


def _regression(native: Any, frame: Any, _: Output) -> Outputs:
    return Outputs(_dense(native.predict(frame)).ravel().tolist())


def _multioutput_regression(native: Any, frame: Any, output: Output) -> Outputs:
    values = _matrix(native.predict(frame))
    return Outputs(_by_name(_names(output, values.shape[1]), [values[:, i].tolist() for i in range(values.shape[1])]))


def _multioutput_classification(native: Any, frame: Any, output: Output) -> Outputs:
    values = _matrix(native.predict(frame))
    names = _names(output, values.shape[1])
    classes = native.classes_ if isinstance(getattr(native, "classes_", None), list) else [None] * len(names)
    shown = output.output_classes or [None] * len(names)
    labels = [_renamed(values[:, i].tolist(), classes[i], shown[i]) for i in range(len(names))]
    probabilities = None
    if output.probabilities:
        probabilities = _by_name(names, [_dense(one).tolist() for one in native.predict_proba(frame)])
    return Outputs(_by_name(names, labels), probabilities)


def _multilabel(native: Any, frame: Any, output: Output) -> Outputs:
    """The labels that apply, in the order of the classes; probabilities are those of each label."""
    values = _matrix(native.predict(frame))
    labels = output.classes or tuple(range(values.shape[1]))
    found = [[label for label, on in zip(labels, row, strict=True) if on] for row in values.tolist()]
    return Outputs(found, _label_probabilities(native, frame) if output.probabilities else None)


def _label_probabilities(native: Any, frame: Any) -> list[Any]:
    answer = native.predict_proba(frame)
    if not isinstance(answer, list):
        return list(_dense(answer).tolist())
    columns = []
    for one, classes in zip(answer, native.classes_, strict=True):
        on = np.flatnonzero(np.asarray(classes) == 1)
        columns.append(_dense(one)[:, on[0]] if len(on) else np.zeros(len(one)))
    return list(np.column_stack(columns).tolist())


def _anomaly(native: Any, frame: Any, _: Output) -> Outputs:
    """Below zero a score is an outlier's, as `decision_function` has it."""
    score = getattr(native, "decision_function", None) or getattr(native, "score_samples", None)
    values = _dense(native.predict(frame)).ravel()
    scores = None if score is None else _dense(score(frame)).ravel().astype(float).tolist()
    return Outputs(["outlier" if value < 0 else "inlier" for value in values.tolist()], None, scores)


def _clustering(native: Any, frame: Any, _: Output) -> Outputs:
    return Outputs([int(one) for one in _dense(native.predict(frame)).ravel().tolist()])


def _embedding(native: Any, frame: Any, _: Output) -> Outputs:
    return Outputs(list(_matrix(native.transform(frame)).tolist()))


_ANSWERS: dict[str, Callable[[Any, Any, Output], Outputs]] = {
    "classification": _classification,
    "regression": _regression,
    "multilabel": _multilabel,
    "multioutput_classification": _multioutput_classification,
    "multioutput_regression": _multioutput_regression,
    "anomaly": _anomaly,
    "clustering": _clustering,
    "embedding": _embedding,
}


def _dense(values: Any) -> Any:
    return values.toarray() if sparse.issparse(values) else np.asarray(values)


def _matrix(values: Any) -> Any:
    dense = _dense(values)
    return dense.reshape(-1, 1) if dense.ndim == 1 else dense.reshape(len(dense), -1)


def _names(output: Output, count: int) -> tuple[str, ...]:
    return output.names or tuple(f"y{i}" for i in range(count))


def _by_name(names: Sequence[str], columns: Sequence[Sequence[Any]]) -> list[Any]:
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _renamed(labels: list[Any], own: Any, shown: Sequence[Any] | None) -> list[Any]:
    """The owner's names of the classes, where the model was fitted on codes; the order says which is which."""
    if own is None or shown is None:
        return labels
    names = np.asarray(own).tolist()
    if names == list(shown) or len(names) != len(shown):
        return labels
    table = dict(zip(names, shown, strict=True))
    return [table[label] for label in labels]
