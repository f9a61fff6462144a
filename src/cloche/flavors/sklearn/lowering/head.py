"""What a predictor gives, as nodes: whatever its `predict`, `predict_proba` and `decision_function` would return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cloche.errors import NotLoweredError
from cloche.flavors.sklearn.lowering.flow import Flow
from cloche.graph import Builder, Value


@dataclass(frozen=True, slots=True)
class Head:
    """
    The answers of one estimator; None where it has no such method.

    `index` is the place of the predicted class in `classes`. `probabilities` has one column a class. `decision` has one
    column (two classes, or an anomaly's score) or one a class. `prediction` are a regressor's numbers, `indicator` the
    0 and 1 of a multilabel classifier, `outputs` the heads of a multi-output classifier.
    """

    builder: Builder
    classes: tuple[Any, ...] | None = None
    index: Value | None = None
    probabilities: Value | None = None
    decision: Value | None = None
    prediction: Value | None = None
    indicator: Value | None = None
    score: Value | None = None
    outputs: tuple[Head, ...] = ()


@dataclass(frozen=True, slots=True)
class Visit:
    """How a step that holds other steps has them lowered."""

    transformed: Callable[[Any, Flow], Flow]
    predicted: Callable[[Any, Flow], Head]


def need(value: Value | None, what: str, step: Any) -> Value:
    """
    *value*, which has to be there.

    Raises:
        NotLoweredError: *step* has no *what*.
    """
    if value is None:
        raise NotLoweredError(f"{type(step).__name__} has no {what} here")
    return value
