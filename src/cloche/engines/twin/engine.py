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
_Step = tuple[int, Callable[..., Any], tuple[int, ...]]


class TwinEngine:
    """Answers with a validated graph; safe to share between threads."""

    name = "twin"

    def __init__(self, graph: ValidGraph, output: Output) -> None:
        self._inputs = graph.graph.inputs
        self._count = len(graph.graph.nodes)
        self._rows = _steps(graph, "row")
        self._columns = _steps(graph, "columns")
        self._answering: Answering = answering(graph.graph.answers, output)
        self._levels = [
            (place, frozenset(one.levels)) for place, one in enumerate(self._inputs) if one.levels is not None
        ]

    def predict(self, columns: Columns, n: int) -> Outputs:
        """
        What the model answers for *n* rows.

        Raises:
            ValueError: the model takes no such value: missing, infinite, an unknown level.
        """
        found: list[Sequence[Any]] = [columns[one.name] for one in self._inputs]
        for place, levels in self._levels:
            found[place] = [x if x in levels else None for x in found[place]]
        if n <= ROW_LIMIT:
            rows = zip(*found, strict=True) if found else [()] * n
            return self._answering.rows([self._evaluated(self._rows, row) for row in rows])
        return self._answering.columns(self._evaluated(self._columns, found), n)

    def _evaluated(self, steps: list[_Step], given: Any) -> list[Any]:
        values: list[Any] = [None] * self._count
        for place, function, of in steps:
            if len(of) == 1:
                values[place] = function(values[of[0]])
            else:
                values[place] = function(*[values[one] for one in of]) if of else function(given)
        return values


def _steps(graph: ValidGraph, way: str) -> list[_Step]:
    found: list[_Step] = []
    for place, node in enumerate(graph.graph.nodes):
        inputs = tuple(graph.shapes[one] for one in node.of)
        factory = getattr(EVALUATORS[type(node)], way)
        found.append((place, factory(node, graph.weights, inputs), node.of))
    return found
