"""Names for the classes of a model that was fitted on codes: `classes=["setosa", "versicolor", "virginica"]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cloche.errors import SaveRefusedError
from cloche.records import Column, ModelFacts, Table


def named(classes: Sequence[Any] | Mapping[Any, Any] | None, facts: ModelFacts) -> tuple[Any, ...] | None:
    """
    The labels in the order of the model's classes; None where none were given.

    Raises:
        SaveRefusedError: they do not fit the model's classes.
    """
    if classes is None:
        return None
    if facts.classes is None:
        raise SaveRefusedError(f"classes: only a classifier of one output has classes to name; this is {facts.task}")
    if isinstance(classes, Mapping):
        missing = [one for one in facts.classes if one not in classes]
        if missing:
            raise SaveRefusedError(
                f"classes: no label for {missing[0]!r}; the model's classes are {_shown(facts.classes)}"
            )
        found = tuple(classes[one] for one in facts.classes)
    else:
        found = tuple(classes)
    if len(found) != len(facts.classes):
        raise SaveRefusedError(
            f"classes: expected {len(facts.classes)} labels, one for each of {_shown(facts.classes)}, got {len(found)}"
        )
    if len(set(found)) != len(found) or len({type(one) for one in found}) > 1:
        raise SaveRefusedError(f"classes: expected different labels of one type, got {_shown(found)}")
    return found


def _shown(labels: Sequence[Any]) -> str:
    return ", ".join(repr(one) for one in labels[:20])


def translated(truth: Column | Table, facts: ModelFacts, names: Sequence[Any] | None) -> Column | Table:
    """Targets given as the model's codes, as the labels that it now answers; others as they are."""
    if names is None or facts.classes is None or isinstance(truth, Table):
        return truth
    table = dict(zip(facts.classes, names, strict=True))
    values = np.empty(len(truth.values), dtype=object)
    values[:] = [table.get(value, value) for value in truth.values.tolist()]
    return replace(truth, values=values, kind="object", dtype="object")
