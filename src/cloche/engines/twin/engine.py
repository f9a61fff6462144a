"""
The twin as an engine: columns in, the answers of `NativeEngine` out, without the model's library.

Few rows go one by one through plain Python, many through numpy. Each operator is written so that both give a row the
same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cloche.contract.model import Output
from cloche.engines.twin.answers import Answering, answering
from cloche.engines.twin.table import EVALUATORS
from cloche.graph.model import ValidGraph
from cloche.records import Columns, Outputs

#: Up to so many rows the row path is quicker (`python bench/twin.py` measures it).
ROW_LIMIT = 8
#: A node's function, the node it reads first (-1: the fields), and the others.
_Step = tuple[Callable[..., Any], int, tuple[int, ...] | None]


class TwinEngine:
    """Answers with a validated graph; safe to share between threads."""

    name = "twin"

    def __init__(self, graph: ValidGraph, output: Output) -> None:
        self._names = [one.name for one in graph.graph.inputs]
        self._rows = _steps(graph, "row")
        self._columns = _steps(graph, "columns")
        self._answering: Answering = answering(graph.graph.answers, output)
        self._levels = [
            (place, frozenset(one.levels)) for place, one in enumerate(graph.graph.inputs) if one.levels is not None
        ]

    def predict(self, columns: Columns, n: int) -> Outputs:
        """
        What the model answers for *n* rows.

        Raises:
            ValueError: the model takes no such value: missing, infinite, an unknown level.
        """
        if n == 1 and not self._levels:
            return self._answering.rows([self._one([columns[name][0] for name in self._names])])
        found: list[Sequence[Any]] = [columns[name] for name in self._names]
        for place, levels in self._levels:
            found[place] = [x if x in levels else None for x in found[place]]
        if n <= ROW_LIMIT:
            rows = zip(*found, strict=True) if found else [()] * n
            return self._answering.rows([self._one(row) for row in rows])
        return self._answering.columns(_evaluated(self._columns, found), n)

    def _one(self, row: Sequence[Any]) -> list[Any]:
        return _evaluated(self._rows, row)


def _evaluated(steps: list[_Step], given: Any) -> list[Any]:
    """The value of every node; *given* are the fields of a row, or columns."""
    values: list[Any] = []
    for function, first, others in steps:
        if others is None:
            values.append(function(given if first < 0 else values[first]))
        else:
            values.append(function(values[first], *[values[one] for one in others]))
    return values


def _steps(graph: ValidGraph, way: str) -> list[_Step]:
    found: list[_Step] = []
    for node in graph.graph.nodes:
        inputs = tuple(graph.shapes[one] for one in node.of)
        factory = getattr(EVALUATORS[type(node)], way)
        function = factory(node, graph.weights, inputs)
        found.append((function, node.of[0] if node.of else -1, node.of[1:] or None))
    return found
