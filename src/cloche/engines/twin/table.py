"""Every operator of `graph.table`, and how it is evaluated."""

from __future__ import annotations

from cloche.engines.twin import columns, encode, heads, numeric, text, trees
from cloche.engines.twin.evaluator import Evaluator

EVALUATORS: dict[type, Evaluator] = {
    **columns.EVALUATORS,
    **encode.EVALUATORS,
    **numeric.EVALUATORS,
    **heads.EVALUATORS,
    **text.EVALUATORS,
    **trees.EVALUATORS,
}
