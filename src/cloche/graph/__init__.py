"""
The exact twin as plain data: a small graph of operators, lowered from a fitted model by its flavor.

Nothing is evaluated here, and no model library is known; `engines/twin` answers with it.
"""

from __future__ import annotations

from cloche.graph.build import Builder, Value
from cloche.graph.model import FORMAT, GRAPH, WEIGHTS, Answers, Graph, Input, ValidGraph, validate

__all__ = ["FORMAT", "GRAPH", "WEIGHTS", "Answers", "Builder", "Graph", "Input", "ValidGraph", "Value", "validate"]
