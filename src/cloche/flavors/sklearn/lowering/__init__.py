"""
From a fitted scikit-learn model to its exact twin.

Only types whose arithmetic is known here to the last rounding are lowered; for all else the model stays with its
library, and the reason is told.
"""

from __future__ import annotations

from typing import Any

from cloche.contract.model import Contract
from cloche.errors import NotLoweredError, TamperedModelError
from cloche.flavors.sklearn.lowering.compose import predicted, transformed
from cloche.flavors.sklearn.lowering.flow import begin
from cloche.flavors.sklearn.lowering.head import Head, need
from cloche.graph import Answers, ValidGraph, Value
from cloche.records import FrameSpec

__all__ = ["answered", "lower"]


def lower(model: Any, frame: FrameSpec, contract: Contract) -> ValidGraph:
    """
    The twin of the fitted *model*, which is shown *frame* and answers under *contract*.

    Raises:
        NotLoweredError: a step has no twin; the message names it.
    """
    try:
        flow = begin(frame, contract)
        task = contract.output.task
        if task == "embedding":
            value = transformed(model, flow).numbers()
            return flow.builder.finish(Answers(task=task, prediction=(value.node,)))
        head = predicted(model, flow)
        return flow.builder.finish(answered(model, head, contract))
    except NotLoweredError:
        raise
    except TamperedModelError as exc:
        raise NotLoweredError(f"a fitted parameter is not as an operator takes it: {exc}") from exc
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as exc:
        # An estimator of another version, or with a parameter nobody thought of: it stays with its library.
        raise NotLoweredError(f"{type(model).__name__} cannot be read: {type(exc).__name__}: {exc}") from exc


def answered(model: Any, head: Head, contract: Contract) -> Answers:
    """
    Where the answers of *contract* stand among what *head* gives.

    Raises:
        NotLoweredError: *head* lacks one of them.
    """
    task, wanted = contract.output.task, contract.output.probabilities
    if task == "multioutput_classification":
        heads = head.outputs
        indices = [need(one.index, "classes", model) for one in heads]
        shares = [need(one.probabilities, "probabilities", model) for one in heads] if wanted else []
        classes = tuple(one.classes or () for one in heads)
        return Answers(task=task, prediction=_nodes(indices), probabilities=_nodes(shares), classes=classes)
    if task == "classification":
        index = need(head.index, "classes", model)
        shares = [need(head.probabilities, "probabilities", model)] if wanted else []
        return Answers(task=task, prediction=(index.node,), probabilities=_nodes(shares), classes=(head.classes or (),))
    if task == "multilabel":
        value = need(head.indicator, "labels", model)
        shares = [need(head.probabilities, "probabilities", model)] if wanted else []
        return Answers(task=task, prediction=(value.node,), probabilities=_nodes(shares))
    if task == "clustering":
        return Answers(task=task, prediction=(need(head.index, "clusters", model).node,))
    score = None if task != "anomaly" else need(head.score, "score", model).node
    return Answers(task=task, prediction=(need(head.prediction, "prediction", model).node,), score=score)


def _nodes(values: list[Value]) -> tuple[int, ...]:
    return tuple(value.node for value in values)
