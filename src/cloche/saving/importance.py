"""
How much each input matters: by how much the loss rises when its values are shuffled over the test rows (permutation
importance; L. Breiman, Machine Learning 45, 2001). Cheap on purpose: it orders a table of drift, it explains nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from cloche.contract.compiled import CompiledContract
from cloche.contract.model import Output
from cloche.errors import EngineError
from cloche.records import Outputs
from cloche.saving.answering import Asked

MAX_ROWS: Final = 500
MIN_ROWS: Final = 50
#: In seconds, of all inputs together; rows are left out so that it suffices.
BUDGET_S: Final = 3.0
_SEED: Final = 20_260
Values = np.ndarray[Any, np.dtype[np.float64]]


def importance(
    asked: Asked,
    compiled: CompiledContract,
    rows: Sequence[dict[str, Any]],
    truth: Sequence[Any],
    *,
    budget_s: float = BUDGET_S,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, float] | None:
    """
    The share of each input in the rise of the loss of all, on *rows* (wire rows that the model answers) whose *truth*
    is known; an input without which the model is no worse has 0.

    None for tasks without one truth, with fewer than 50 rows, where the model raises on shuffled rows, and where it is
    too slow.
    """
    output = compiled.contract.output
    known = [place for place, value in enumerate(truth) if value is not None]
    if output.task not in ("classification", "regression") or len(known) < MIN_ROWS:
        return None
    rng = np.random.default_rng(_SEED)
    picked = rng.permutation(len(known))[:MAX_ROWS]
    sample, truths = [rows[known[at]] for at in picked], [truth[known[at]] for at in picked]
    columns = compiled.validate(sample, single=False).columns()
    until = clock() + 2 * budget_s
    try:
        started = clock()
        before = _loss(asked.answer(columns, len(sample), output), truths, output)
        n = _rows_for(clock() - started, len(sample), len(columns), budget_s)
        if n is None or before is None:
            return None
        risen = {}
        for name in columns:
            part = {one: values[:n] for one, values in columns.items()}
            part[name] = [part[name][at] for at in rng.permutation(n)]
            after = _loss(asked.answer(part, n, output), truths[:n], output)
            if after is None or clock() > until:
                return None
            risen[name] = max(0.0, float((after - before[:n]).mean()))
    except EngineError:
        return None
    whole = sum(risen.values())
    return {name: value / whole if whole else 0.0 for name, value in risen.items()}


def _rows_for(took_s: float, rows: int, inputs: int, budget_s: float) -> int | None:
    """So many rows that all inputs fit into the budget; None where those are too few."""
    n = rows if took_s * inputs <= budget_s else int(rows * budget_s / (took_s * inputs))
    return n if n >= MIN_ROWS else None


def _loss(outputs: Outputs, truth: Sequence[Any], output: Output) -> Values | None:
    """By row: the log loss, without probabilities 0 or 1, of numbers the squared error; None where one is not told."""
    if output.task == "regression":
        pairs = np.array(list(zip(outputs.prediction, truth, strict=True)), dtype=np.float64)
        found: Values = (pairs[:, 0] - pairs[:, 1]) ** 2
    elif outputs.probabilities is None or not output.classes:
        found = np.array([float(a != b) for a, b in zip(outputs.prediction, truth, strict=True)])
    else:
        place = {label: code for code, label in enumerate(output.classes)}
        chances = [
            row[place[label]] if label in place else 0.0
            for row, label in zip(outputs.probabilities, truth, strict=True)
        ]
        found = -np.log(np.clip(np.array(chances, dtype=np.float64), 1e-6, 1.0))
    return found if np.isfinite(found).all() else None
