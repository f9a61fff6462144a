"""What a flavor brings to the suite: a fitted model, its tables, and what its own library answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class CheckError(Exception):
    """A check does not hold; the message says what was expected and what came."""


class NotApplicable(Exception):
    """A check says nothing about this flavor; the message says why."""


@dataclass(frozen=True, slots=True)
class Example:
    """
    A small fitted model and what it is tried with.

    *inputs* is the training table, *rows* at least three rows of the same container (not all alike). *answers* are the
    library's own for these rows, one a row (labels, numbers, lists or dicts), *probabilities* its own where it has
    them, (n, classes). *options* are the model's own arguments of `save`. What an operator has to allow is in
    *allowed_types* and *allowed_functions*.
    """

    model: Any
    inputs: Any
    rows: Any
    answers: Sequence[Any]
    probabilities: Any = None
    targets: Any = None
    classes: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)
    allowed_types: frozenset[str] = frozenset()
    allowed_functions: frozenset[str] = frozenset()
