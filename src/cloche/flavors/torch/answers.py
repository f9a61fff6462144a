"""The net's numbers as what the contract promises: classes and probabilities, values, labels, vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from cloche.contract.model import Output
from cloche.flavors.torch.asking import Array
from cloche.records import Outputs

Kind = Literal["logits", "probabilities", "values"]


def outputs(found: Array, kind: Kind, output: Output) -> Outputs:
    """*found* is (n, width) float64."""
    return _ANSWERS[output.task](found, kind, output)


def _classification(found: Array, kind: Kind, output: Output) -> Outputs:
    chances = _chances(found, kind)
    if output.threshold is not None and chances.shape[1] == 2:
        places = (chances[:, 1] >= output.threshold).astype(np.intp)
    else:
        places = chances.argmax(axis=1)
    classes = output.classes or tuple(range(chances.shape[1]))
    return Outputs([classes[place] for place in places.tolist()], chances.tolist() if output.probabilities else None)


def _chances(found: Array, kind: Kind) -> Array:
    if found.shape[1] == 1:
        second = found if kind == "probabilities" else _sigmoid(found)
        return np.hstack([1.0 - second, second])
    if kind == "probabilities":
        return found
    powers = np.exp(found - found.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _sigmoid(found: Array) -> Array:
    """Without overflow on either side."""
    small = np.exp(-np.abs(found))
    return np.where(found >= 0, 1.0 / (1.0 + small), small / (1.0 + small))


def _multilabel(found: Array, kind: Kind, output: Output) -> Outputs:
    chances = found if kind == "probabilities" else _sigmoid(found)
    labels = output.classes or tuple(range(found.shape[1]))
    on = (chances >= (0.5 if output.threshold is None else output.threshold)).tolist()
    picked = [[label for label, there in zip(labels, row, strict=True) if there] for row in on]
    return Outputs(picked, chances.tolist() if output.probabilities else None)


def _regression(found: Array, _: Kind, __: Output) -> Outputs:
    return Outputs(found[:, 0].tolist())


def _multioutput(found: Array, _: Kind, output: Output) -> Outputs:
    names = output.names or tuple(f"y{place}" for place in range(found.shape[1]))
    return Outputs([dict(zip(names, row, strict=True)) for row in found.tolist()])


def _embedding(found: Array, _: Kind, __: Output) -> Outputs:
    return Outputs(found.tolist())


_ANSWERS: dict[str, Callable[[Array, Any, Output], Outputs]] = {
    "classification": _classification,
    "multilabel": _multilabel,
    "regression": _regression,
    "multioutput_regression": _multioutput,
    "embedding": _embedding,
}
