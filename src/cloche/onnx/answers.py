"""Output tensors as the answers of a contract: labels, probabilities, numbers, scores, vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cloche.contract.model import Output
from cloche.onnx.interface import Interface, Result
from cloche.records import Outputs

#: What a session gave, by output name: an array, or a list of maps (ZipMap).
Given = Mapping[str, Any]
Array = np.ndarray[Any, Any]
_ROUNDING = 1e-5


def answers(interface: Interface, output: Output, given: Given, n: int) -> Outputs:
    """
    What the model answers under *output*, from its output tensors for *n* rows.

    Raises:
        ValueError: a tensor has not the shape that its role needs.
    """
    rule = _TASKS[output.task]
    return rule(interface, output, given, n)


# -- by task ----------------------------------------------------------------------------------------


def _classification(interface: Interface, output: Output, given: Given, n: int) -> Outputs:
    classes = output.classes or ()
    shares = _probabilities(interface, given, n, len(classes))
    label = interface.result("label")
    if output.threshold is not None and shares is not None and shares.shape[1] == 2:
        places = (shares[:, 1] >= output.threshold).astype(np.intp).tolist()
    elif label is not None:
        places = _labels(label, given[label.name], n)
    elif shares is not None:
        places = shares.argmax(axis=1).tolist()  # the first of equals, as scikit-learn has it
    else:
        raise ValueError("the model gives neither labels nor probabilities")
    shown = [classes[place] if 0 <= place < len(classes) else None for place in places]
    return Outputs(shown, shares.tolist() if output.probabilities and shares is not None else None)


def _multilabel(interface: Interface, output: Output, given: Given, n: int) -> Outputs:
    classes = output.classes or ()
    shares = _needed(_probabilities(interface, given, n, len(classes), several=True), "probabilities")
    limit = 0.5 if output.threshold is None else output.threshold
    found = [[label for label, on in zip(classes, row, strict=True) if on] for row in (shares >= limit).tolist()]
    return Outputs(found, shares.tolist() if output.probabilities else None)


def _regression(interface: Interface, _: Output, given: Given, n: int) -> Outputs:
    values = _values(interface, "value", given, n)
    if values.shape[1] != 1:
        raise ValueError(f"expected one number a row, got {values.shape[1]}")
    return Outputs(values.ravel().tolist())


def _multioutput_regression(interface: Interface, output: Output, given: Given, n: int) -> Outputs:
    values = _values(interface, "value", given, n)
    names = output.names or tuple(f"y{place}" for place in range(values.shape[1]))
    return Outputs([dict(zip(names, row, strict=True)) for row in values.tolist()])


def _anomaly(interface: Interface, _: Output, given: Given, n: int) -> Outputs:
    """Below zero a score is an outlier's; a label of the model's own decides where there is one."""
    score = None if interface.result("score") is None else _values(interface, "score", given, n).ravel()
    label = interface.result("label")
    signs = _needed(score, "score") if label is None else np.asarray(given[label.name]).reshape(n)
    told = ["outlier" if sign < 0 else "inlier" for sign in signs.tolist()]
    return Outputs(told, None, None if score is None else score.tolist())


def _clustering(interface: Interface, _: Output, given: Given, n: int) -> Outputs:
    label = interface.result("label")
    if label is None:
        raise ValueError("the model gives no cluster")
    return Outputs([int(one) for one in np.asarray(given[label.name]).reshape(n).tolist()])


def _embedding(interface: Interface, _: Output, given: Given, n: int) -> Outputs:
    return Outputs(list(_values(interface, "embedding", given, n).tolist()))


_TASKS = {
    "classification": _classification,
    "multilabel": _multilabel,
    "regression": _regression,
    "multioutput_regression": _multioutput_regression,
    "anomaly": _anomaly,
    "clustering": _clustering,
    "embedding": _embedding,
}
#: Tasks that an interface can answer.
TASKS = frozenset(_TASKS)


# -- tensors ----------------------------------------------------------------------------------------


def _needed(value: Array | None, what: str) -> Array:
    if value is None:
        raise ValueError(f"the model gives no {what}")
    return value


def _values(interface: Interface, role: Any, given: Given, n: int) -> Array:
    found = interface.result(role)
    if found is None:
        raise ValueError(f"the model gives no {role}")
    return _applied(found, _matrix(given[found.name], n))


def _matrix(tensor: Any, n: int) -> Array:
    """(n, k) in float64, whatever the model gave; it is computed with no further rounding."""
    return np.asarray(tensor, dtype=np.float64).reshape(n, -1)


def _probabilities(interface: Interface, given: Given, n: int, classes: int, *, several: bool = False) -> Array | None:
    """(n, classes); of two classes a model may give the second alone."""
    result = interface.result("probabilities")
    if result is None:
        return None
    tensor = given[result.name]
    if isinstance(tensor, list):  # a ZipMap: one map a row
        tensor = [[row[label] for label in result.labels or ()] for row in tensor]
    shares = _tidied(_applied(result, _matrix(tensor, n)))
    if classes == 2 and shares.shape[1] == 1 and not several:
        shares = np.column_stack([1.0 - shares, shares])
    if shares.shape[1] != classes:
        raise ValueError(f"expected {classes} probabilities a row, got {shares.shape[1]}")
    return shares


def _tidied(shares: Array) -> Array:
    """Sums of float32 leave [0, 1] by a rounding (onnxruntime's trees give -1.2e-7): these are 0 and 1."""
    inside = np.clip(shares, 0.0, 1.0) + 0.0  # and -0.0 is 0
    return np.where(np.abs(shares - inside) <= _ROUNDING, inside, shares)


def _applied(result: Result, values: Array) -> Array:
    if result.apply == "none":
        return values
    with np.errstate(over="ignore"):
        if result.apply == "sigmoid":
            return 1.0 / (1.0 + np.exp(-values))
        shifted = np.exp(values - values.max(axis=1, keepdims=True))
    share: Array = shifted / shifted.sum(axis=1, keepdims=True)
    return share


def _labels(label: Result, tensor: Any, n: int) -> Sequence[int]:
    """Places in the contract's classes; -1 for a label that none of them is."""
    found = np.asarray(tensor).reshape(n).tolist()
    if label.labels is None:
        return [int(one) for one in found]
    places = {one: place for place, one in enumerate(label.labels)}
    return [places.get(one, -1) for one in found]
