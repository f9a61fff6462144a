"""The output tensors of an ONNX file: by types, shapes and names, by the operators that make them, and by asking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cloche.errors import SaveRefusedError, UsageError
from cloche.flavors.tensors.heads import Ending, Given, Meaning, head_of, rows_of, the_one
from cloche.onnx import Result
from cloche.onnx import protobuf as wire
from cloche.onnx.reading import Graph, Node, attribute_integers

Array = np.ndarray[Any, Any]
_PASSED_ON = frozenset({"Identity", "Cast", "Reshape", "Squeeze", "Flatten", "Unsqueeze"})
_ENDINGS: dict[str, Ending] = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
_LABELLED = ("clustering", "anomaly", "classification")


def meaning_of(graph: Graph, given: Given, answered: dict[str, Any], far: dict[str, Any], n: int) -> Meaning:
    """
    What the outputs mean: *answered* for *n* rows of the table, *far* for the same rows far out.

    Raises:
        UsageError: an output or task that there is not.
        SaveRefusedError: it cannot be told; the message says what to say.
    """
    answered = given.chosen(answered)
    maps = {name: value for name, value in answered.items() if _is_maps(value)}
    labels = {name: np.asarray(value).reshape(n) for name, value in answered.items() if _is_labels(value, n)}
    numbers = {
        name: np.asarray(value, np.float64).reshape(n, -1) for name, value in answered.items() if _is_floats(value, n)
    }
    if maps:
        return _of_maps(maps, labels)
    if labels:
        return _of_labels(graph, labels, numbers, given)
    name = the_one(numbers, answered)
    return head_of(rows_of(name, answered, far, n), _ending(graph, name), given).meaning(name)


# -- kinds of outputs ---------------------------------------------------------------------------


def _is_maps(value: Any) -> bool:
    """A ZipMap: one map from label to number a row."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _is_labels(value: Any, n: int) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "OUSib" and value.size == n


def _is_floats(value: Any, n: int) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim >= 1 and len(value) == n


# -- maps and labels ----------------------------------------------------------------------------


def _of_maps(maps: dict[str, Any], labels: dict[str, Array]) -> Meaning:
    name, rows = next(iter(maps.items()))
    classes = tuple(rows[0])
    results = [Result(name=name, role="probabilities", labels=classes)]
    results += [Result(name=label, role="label", labels=classes) for label in list(labels)[:1]]
    told = "" if not labels else f", output '{results[1].name}': the label"
    return Meaning("classification", tuple(results), f"output '{name}': probabilities by label{told}", classes)


def _of_labels(graph: Graph, labels: dict[str, Array], numbers: dict[str, Array], given: Given) -> Meaning:
    name, values = next(iter(labels.items()))
    shares = _shares(numbers, given)
    classes = _classes(graph, values, None if shares is None else numbers[shares], given)
    score = next((one for one, found in numbers.items() if found.shape[1] == 1), None)
    task = given.task or _labelled_task(graph, values, classes, score)
    if task not in _LABELLED:
        raise UsageError(f"task: expected one of {', '.join(_LABELLED)} for an output of labels, got {task!r}")
    if task == "clustering":
        return Meaning(task, (Result(name=name, role="label"),), f"output '{name}': the cluster")
    if task == "anomaly":
        results = [Result(name=name, role="label"), *([Result(name=score, role="score")] if score else [])]
        told = f", output '{score}': the score" if score else ""
        return Meaning(task, tuple(results), f"output '{name}': outlier (-1) or inlier{told}")
    if classes is None:
        raise SaveRefusedError(
            f"the output '{name}' gives labels, and which ones there are is not told by the file; export the "
            "probabilities too"
        )
    results = [Result(name=name, role="label", labels=classes)]
    results += (
        [Result(name=shares, role="probabilities")] if shares and numbers[shares].shape[1] == len(classes) else []
    )
    told = f", output '{shares}': probabilities" if len(results) > 1 else ""
    return Meaning(task, tuple(results), f"output '{name}': the label{told}", classes)


def _shares(numbers: dict[str, Array], given: Given) -> str | None:
    """The output of probabilities: several a row, each row a distribution."""
    for name, found in numbers.items():
        if found.shape[1] > 1 and bool((found >= -1e-6).all()) and bool((np.abs(found.sum(axis=1) - 1) < 1e-3).all()):
            return name
    return None


def _labelled_task(graph: Graph, values: Array, classes: tuple[Any, ...] | None, score: str | None) -> str:
    operators = {node.op for node in graph.all_nodes()}
    if values.dtype.kind == "i" and "ArgMin" in operators:
        return "clustering"
    if values.dtype.kind == "i" and score is not None and classes is None and set(values.tolist()) <= {-1, 1}:
        return "anomaly"
    if classes is not None:
        return "classification"
    raise SaveRefusedError(
        "the model gives whole numbers: clusters, classes or outliers; say which: task='clustering', 'classification' "
        "or 'anomaly'"
    )


def _classes(graph: Graph, values: Array, shares: Array | None, given: Given) -> tuple[Any, ...] | None:
    """The labels in the order of the probabilities: as the file says them, else numbered."""
    text = values.dtype.kind in "OUS"
    for found in _said(graph, text=text):
        if set(values.tolist()) <= set(found) and (shares is None or len(found) == shares.shape[1]):
            return found
    if not text and shares is not None:
        return tuple(range(shares.shape[1]))
    if not text and (given.task == "classification" or given.classes is not None):
        return tuple(range(len(given.classes) if given.classes is not None else int(values.max()) + 1))
    return None


def _said(graph: Graph, *, text: bool) -> Iterator[tuple[Any, ...]]:
    """Lists of labels in attributes (trees, linear models, ZipMap) and in tensors that the file stores."""
    for node in graph.all_nodes():
        for name in ("classlabels_strings", "classlabels_int64s", "classlabels_ints"):
            if name in node.attributes and text == name.endswith("strings"):
                yield _listed(node, name)
    for tensor in graph.stored:
        if text and tensor.dtype == 8 and len(tensor.dims) == 1:
            yield tuple(wire.text(one) for one in tensor.message.get(6, []))
        elif not text and tensor.dtype in (6, 7) and len(tensor.dims) == 1 and "class" in tensor.name.lower():
            yield _whole_numbers(tensor.message)


def _listed(node: Node, name: str) -> tuple[Any, ...]:
    if name.endswith("strings"):
        return tuple(wire.text(one) for one in node.attributes[name].get(9, []))
    return tuple(attribute_integers(node, name).tolist())


def _whole_numbers(message: wire.Message) -> tuple[int, ...]:
    raw = wire.only(message, 9)
    dtype = "<i4" if wire.whole(message, 2) == 6 else "<i8"
    found = wire.numbers([raw], dtype) if raw is not None else wire.integers(message.get(5, message.get(7, [])))
    return tuple(int(one) for one in found.tolist())


# -- how it ends --------------------------------------------------------------------------------


def _ending(graph: Graph, name: str) -> Ending:
    """The operator that made the output, through those that only pass numbers on."""
    makers = {output: node for node in graph.nodes for output in node.outputs}
    node = makers.get(name)
    while node is not None and node.op in _PASSED_ON and node.inputs:
        node = makers.get(node.inputs[0])
    return "other" if node is None else _ENDINGS.get(node.op, "other")
