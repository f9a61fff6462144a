"""How a graph is made: nodes are added one after the other, and what no answer reads is left out at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from cloche.graph.model import Answers, Graph, Input, ValidGraph, validate
from cloche.graph.operator import Operator, checked
from cloche.graph.operators.inputs import Numbers, Objects
from cloche.graph.shapes import Kind, Shape, Weights


@dataclass(frozen=True, slots=True)
class Value:
    """A node of the graph under construction, and what it holds."""

    node: int
    kind: Kind
    width: int


class Builder:
    """Collects nodes and arrays; every node is checked as it is added."""

    def __init__(self, inputs: Sequence[Input]) -> None:
        self.inputs = tuple(inputs)
        self._nodes: list[Operator] = []
        self._shapes: list[Shape] = []
        self._arrays: dict[str, Any] = {}
        self._known: dict[Any, int] = {}

    def floats(self, values: Any) -> str:
        """Keep an array of float64; its name."""
        return self.array(np.ascontiguousarray(values, dtype=np.float64))

    def ints(self, values: Any) -> str:
        """Keep an array of int64; its name."""
        return self.array(np.ascontiguousarray(values, dtype=np.int64))

    def array(self, values: Any) -> str:
        """Keep an array as it is; its name."""
        name = f"a{len(self._arrays)}"
        self._arrays[name] = np.ascontiguousarray(values)
        return name

    def add(self, op: Operator) -> Value:
        """
        Add a node; the same source twice is one node.

        Raises:
            TamperedModelError: it does not fit what it reads.
        """
        if isinstance(op, Numbers | Objects) and op in self._known:
            return self.value(self._known[op])
        shape = checked(op, tuple(self._shapes[one] for one in op.of), Weights(self._arrays), type(op).__name__)
        self._nodes.append(op)
        self._shapes.append(shape)
        if isinstance(op, Numbers | Objects):
            self._known[op] = len(self._nodes) - 1
        return self.value(len(self._nodes) - 1)

    def value(self, node: int) -> Value:
        """The node as a value."""
        return Value(node, self._shapes[node].kind, self._shapes[node].width)

    def node(self, value: Value) -> Operator:
        """The operator of *value*."""
        return self._nodes[value.node]

    def finish(self, answers: Answers) -> ValidGraph:
        """The graph of what *answers* need."""
        kept = sorted(self._needed(answers))
        places = {old: new for new, old in enumerate(kept)}
        nodes = [msgspec.structs.replace(self._nodes[old], of=_moved(self._nodes[old].of, places)) for old in kept]
        arrays = {name: self._arrays[name] for node in nodes for name in node.arrays()}
        moved = msgspec.structs.replace(
            answers,
            prediction=_moved(answers.prediction, places),
            probabilities=_moved(answers.probabilities, places),
            score=None if answers.score is None else places[answers.score],
        )
        return validate(Graph(inputs=self.inputs, nodes=tuple(nodes), answers=moved), arrays)  # type: ignore[arg-type]

    def _needed(self, answers: Answers) -> set[int]:
        pending = [*answers.prediction, *answers.probabilities]
        pending += [] if answers.score is None else [answers.score]
        found: set[int] = set()
        while pending:
            node = pending.pop()
            if node not in found:
                found.add(node)
                pending.extend(self._nodes[node].of)
        return found


def _moved(nodes: tuple[int, ...], places: dict[int, int]) -> tuple[int, ...]:
    return tuple(places[one] for one in nodes)
