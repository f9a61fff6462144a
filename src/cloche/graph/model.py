"""
The twin as data: `twin/graph.json`, format `cloche-twin/1`. Its arrays lie in `twin/weights.safetensors`.

A graph is parsed and then validated; only a `ValidGraph` is evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from cloche.errors import ManifestError, TamperedModelError
from cloche.graph.operator import Operator, Scalar, checked, is_scalar
from cloche.graph.operators.inputs import Numbers, Objects
from cloche.graph.shapes import Shape, Weights, expect
from cloche.graph.table import AnyOperator

FORMAT: Final = "cloche-twin/1"
GRAPH: Final = "twin/graph.json"
WEIGHTS: Final = "twin/weights.safetensors"
MAX_NODES = 20_000
MAX_JSON = 256 << 20


class Input(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A field of the row that the graph reads; any value that is not one of `levels` counts as missing."""

    name: str
    levels: tuple[Scalar, ...] | None = None


class Answers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    The nodes that hold the answers.

    `prediction`: one node (several for multi-output classification); of a classification it holds the place of the
    class in `classes`. `probabilities`: as many nodes, or none. `score`: of an anomaly.
    """

    task: Literal[
        "classification",
        "regression",
        "multilabel",
        "multioutput_classification",
        "multioutput_regression",
        "anomaly",
        "clustering",
        "embedding",
    ]
    prediction: tuple[int, ...]
    probabilities: tuple[int, ...] = ()
    score: int | None = None
    classes: tuple[tuple[Scalar, ...], ...] = ()


class Graph(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Inputs, nodes in the order of their evaluation, and answers."""

    inputs: tuple[Input, ...]
    nodes: tuple[AnyOperator, ...]
    answers: Answers
    schema: Literal["cloche-twin/1"] = FORMAT

    def to_json(self) -> bytes:
        """The bytes of `twin/graph.json`."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    @classmethod
    def from_json(cls, raw: bytes) -> Graph:
        """
        Raises:
            ManifestError: *raw* is of another format.
            TamperedModelError: it names an unknown operator or parameter, or a value of a wrong type.
        """
        if len(raw) > MAX_JSON:
            raise TamperedModelError(f"{GRAPH}: expected at most {MAX_JSON} bytes, got {len(raw)}")
        try:
            schema = _schema.decode(raw).schema
            if schema != FORMAT:
                raise ManifestError(f"{GRAPH}: expected schema '{FORMAT}', got '{schema}'; a newer cloche wrote it")
            return _graph.decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
            raise TamperedModelError(f"{GRAPH}: {exc}") from exc


class _Schema(msgspec.Struct):
    schema: str


#: Made at import: where two threads work a type out at once, msgspec crashes the process.
_schema = msgspec.json.Decoder(_Schema)
_graph = msgspec.json.Decoder(Graph)


@dataclass(frozen=True, slots=True)
class ValidGraph:
    """A graph, its arrays, and the shape of every node: everything was checked; only `validate` makes it."""

    graph: Graph
    weights: Weights
    shapes: tuple[Shape, ...]


def validate(graph: Graph, arrays: dict[str, Any]) -> ValidGraph:
    """
    Check every node, array and answer.

    Raises:
        TamperedModelError: one does not fit.
    """
    weights = Weights(arrays)
    expect(len(graph.nodes) <= MAX_NODES, f"{len(graph.nodes)} nodes, expected at most {MAX_NODES}")
    names = [one.name for one in graph.inputs]
    expect(len(set(names)) == len(names), "an input stands twice")
    for one in graph.inputs:
        expect(all(map(is_scalar, one.levels or ())), f"input {one.name!r}: a level is no plain value")
    shapes: list[Shape] = []
    for place, node in enumerate(graph.nodes):
        shapes.append(_node(node, place, shapes, weights, len(names)))
    used = {name for node in graph.nodes for name in node.arrays()}
    expect(weights.names() == used, f"arrays that no node reads: {sorted(weights.names() - used)[:3]}")
    _check_answers(graph, shapes)
    return ValidGraph(graph, weights, tuple(shapes))


def _node(node: Operator, place: int, shapes: list[Shape], weights: Weights, inputs: int) -> Shape:
    where = f"node {place}, {node.__struct_config__.tag}"
    expect(all(0 <= one < place for one in node.of), f"{where}: reads a node that does not come before it")
    if isinstance(node, Numbers | Objects):
        expect(all(0 <= one < inputs for one in node.fields), f"{where}: reads a field that is not there")
    return checked(node, tuple(shapes[one] for one in node.of), weights, where)


_SEVERAL = ("multioutput_classification",)
_PLACES = ("classification", "multioutput_classification")
_ONE_COLUMN = ("classification", "regression", "multioutput_classification", "clustering", "anomaly")


def _check_answers(graph: Graph, shapes: list[Shape]) -> None:
    answers = graph.answers
    score = () if answers.score is None else (answers.score,)
    for place in (*answers.prediction, *answers.probabilities, *score):
        expect(0 <= place < len(shapes), f"an answer in node {place} of {len(shapes)}")
        expect(shapes[place].kind == "numbers", f"an answer in node {place}, which holds {shapes[place].kind}")
    count = len(answers.prediction)
    expect(count == 1 or (count > 1 and answers.task in _SEVERAL), f"{count} predictions for {answers.task}")
    if answers.task in _ONE_COLUMN:
        expect(all(shapes[one].width == 1 for one in answers.prediction), "a prediction of several columns")
    expect(all(shapes[one].width == 1 for one in score), "a score of several columns")
    expect(len(answers.probabilities) in (0, count), f"{len(answers.probabilities)} probabilities")
    if answers.task in _PLACES:
        _check_classes(answers, shapes)


def _check_classes(answers: Answers, shapes: list[Shape]) -> None:
    expect(len(answers.classes) == len(answers.prediction), "classes for another number of predictions")
    for number, classes in enumerate(answers.classes):
        expect(all(map(is_scalar, classes)) and len(classes) > 0, "a class is no plain value")
        if answers.probabilities:
            width = shapes[answers.probabilities[number]].width
            expect(width == len(classes), f"{width} probabilities for {len(classes)} classes")
