"""What both ways of evaluating need: tasks that have a truth, truths as columns, segments that may be shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cloche.contract.model import Contract, Output
from cloche.errors import UsageError
from cloche.records import Column, Outputs

#: Tasks with one truth a row that metrics are defined for.
MEASURED = ("classification", "regression", "multioutput_classification", "multioutput_regression")


def check_task(output: Output) -> None:
    """
    Raises:
        UsageError: the task has no truth that metrics are defined for.
    """
    if output.task not in MEASURED:
        raise UsageError(f"evaluate: expected a model for {', '.join(MEASURED)}; this is {output.task}")


def check_same_task(one: Output, other: Output) -> None:
    """
    Raises:
        UsageError: the answers of the two cannot be compared.
    """
    if (one.task, one.names) != (other.task, other.names):
        raise UsageError(f"--against: expected a version that answers the same, got one for {other.task}")


def truth_column(values: Sequence[Any]) -> Column:
    """Truths as a column; None where there is none."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return Column("truth", "object", array, np.array([one is None for one in values], dtype=np.bool_), "object")


def chosen(outputs: Outputs, rows: Sequence[int]) -> Outputs:
    """The answers of these rows."""
    return Outputs(
        [outputs.prediction[row] for row in rows],
        None if outputs.probabilities is None else [outputs.probabilities[row] for row in rows],
        None if outputs.score is None else [outputs.score[row] for row in rows],
    )


def refuse_private(segments: Sequence[str], contract: Contract) -> None:
    """
    What is measured by is written down.

    Raises:
        UsageError: a field of *segments* is private.
    """
    for name in segments:
        field = contract.field(name)
        if field is not None and field.private:
            raise UsageError(f"--segment: '{name}' is private: its values are shown nowhere")
