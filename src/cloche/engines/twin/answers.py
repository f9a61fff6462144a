"""From the numbers of the last nodes to answers, as `flavors` gives them: same shape, same Python types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cloche.contract.model import Output
from cloche.errors import TamperedModelError
from cloche.graph.model import Answers
from cloche.records import Outputs, TabledOutputs

_List = list[list[float]]


class Answering:
    """Takes the evaluated nodes of rows or of columns, and makes the answers of one task."""

    def __init__(
        self,
        answers: Answers,
        shape: Callable[[list[_List], list[_List], _List | None], Outputs],
        tables: Callable[[list[Any]], Outputs] | None = None,
    ) -> None:
        """*shape* takes lists of rows, *tables* the evaluated nodes of columns, where there is a quicker way."""
        self._nodes = answers
        self._shape = shape
        self._tables = tables

    def rows(self, rows: list[list[Any]]) -> Outputs:
        """From the nodes of each row."""
        score = self._nodes.score
        return self._shape(
            [[values[node] for values in rows] for node in self._nodes.prediction],
            [[values[node] for values in rows] for node in self._nodes.probabilities],
            None if score is None else [values[score] for values in rows],
        )

    def columns(self, values: list[Any], n: int) -> Outputs:
        """From the nodes of *n* rows at once."""
        score = self._nodes.score
        if self._tables is not None and len(values[self._nodes.probabilities[0]]) == n:
            return self._tables(values)
        return self._shape(
            [_listed(values[node], n) for node in self._nodes.prediction],
            [_listed(values[node], n) for node in self._nodes.probabilities],
            None if score is None else _listed(values[score], n),
        )


def _listed(table: np.ndarray[Any, Any], n: int) -> _List:
    found: _List = table.tolist()
    return found if len(found) == n else found * n  # a graph that reads no field


def answering(answers: Answers, output: Output) -> Answering:
    """
    What *output* of the contract asks of the graph.

    Raises:
        TamperedModelError: the graph answers another task, or no probabilities where the contract promises them.
    """
    if answers.task != output.task:
        raise TamperedModelError(f"twin: answers {answers.task}, and the contract says {output.task}")
    if output.probabilities and not answers.probabilities:
        raise TamperedModelError("twin: gives no probabilities, and the contract promises them")
    tables = _class_tables(answers, output) if answers.task == "classification" and output.probabilities else None
    return Answering(answers, _SHAPES[answers.task](answers, output), tables)


def _classification(answers: Answers, output: Output) -> Any:
    names = _names(answers.classes[0], output.classes)
    threshold = output.threshold if len(names) == 2 and output.probabilities else None
    wanted = output.probabilities

    def shape(predictions: list[_List], probabilities: list[_List], score: _List | None) -> Outputs:
        if threshold is not None:
            labels = [names[1 if row[1] >= threshold else 0] for row in probabilities[0]]
        else:
            labels = [names[int(row[0])] for row in predictions[0]]
        return Outputs(labels, probabilities[0] if wanted else None)

    return shape


def _class_tables(answers: Answers, output: Output) -> Callable[[list[Any]], Outputs]:
    """`_classification` with probabilities, from whole tables."""
    names = _names(answers.classes[0], output.classes)
    threshold = output.threshold if len(names) == 2 else None
    code, chances = answers.prediction[0], answers.probabilities[0]

    def tables(values: list[Any]) -> Outputs:
        shares = values[chances]
        codes = values[code][:, 0] if threshold is None else shares[:, 1] >= threshold
        labels = list(map(names.__getitem__, codes.astype(np.intp).tolist()))
        return TabledOutputs(labels, shares.tolist(), shares=shares)

    return tables


def _names(own: Sequence[Any], shown: Sequence[Any] | None) -> list[Any]:
    """The owner's names of the classes, where the model was fitted on codes; the order says which is which."""
    return list(own) if shown is None or len(shown) != len(own) else list(shown)


def _regression(answers: Answers, output: Output) -> Any:
    return lambda predictions, probabilities, score: Outputs([row[0] for row in predictions[0]])


def _multioutput_regression(answers: Answers, output: Output) -> Any:
    def shape(predictions: list[_List], probabilities: list[_List], score: _List | None) -> Outputs:
        width = len(predictions[0][0]) if predictions[0] else 0
        names = output.names or tuple(f"y{place}" for place in range(width))
        return Outputs([dict(zip(names, row, strict=True)) for row in predictions[0]])

    return shape


def _multioutput_classification(answers: Answers, output: Output) -> Any:
    names = output.names or tuple(f"y{place}" for place in range(len(answers.prediction)))
    shown = output.output_classes or [None] * len(names)
    classes = [_names(own, other) for own, other in zip(answers.classes, shown, strict=True)]

    def shape(predictions: list[_List], probabilities: list[_List], score: _List | None) -> Outputs:
        labels = [[own[int(row[0])] for row in column] for own, column in zip(classes, predictions, strict=True)]
        return Outputs(_by_name(names, labels), _by_name(names, probabilities) if output.probabilities else None)

    return shape


def _by_name(names: Sequence[str], columns: Sequence[Sequence[Any]]) -> list[Any]:
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _multilabel(answers: Answers, output: Output) -> Any:
    def shape(predictions: list[_List], probabilities: list[_List], score: _List | None) -> Outputs:
        width = len(predictions[0][0]) if predictions[0] else 0
        labels = output.classes or tuple(range(width))
        found = [[label for label, on in zip(labels, row, strict=True) if on] for row in predictions[0]]
        return Outputs(found, probabilities[0] if output.probabilities else None)

    return shape


def _anomaly(answers: Answers, output: Output) -> Any:
    def shape(predictions: list[_List], probabilities: list[_List], score: _List | None) -> Outputs:
        labels = ["outlier" if row[0] < 0 else "inlier" for row in predictions[0]]
        return Outputs(labels, None, None if score is None else [row[0] for row in score])

    return shape


def _clustering(answers: Answers, output: Output) -> Any:
    return lambda predictions, probabilities, score: Outputs([int(row[0]) for row in predictions[0]])


def _embedding(answers: Answers, output: Output) -> Any:
    return lambda predictions, probabilities, score: Outputs(predictions[0])


_SHAPES: dict[str, Callable[[Answers, Output], Any]] = {
    "classification": _classification,
    "regression": _regression,
    "multilabel": _multilabel,
    "multioutput_classification": _multioutput_classification,
    "multioutput_regression": _multioutput_regression,
    "anomaly": _anomaly,
    "clustering": _clustering,
    "embedding": _embedding,
}
