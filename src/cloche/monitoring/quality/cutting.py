"""Segments that stay the same over time: levels and quarters of the reference, never a value of today's rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np

from cloche.evaluation.segments import MISSING, OTHER
from cloche.monitoring.reference import FieldReference, Reference
from cloche.prediction_log import layout
from cloche.prediction_log.homes import home

Places = np.ndarray[Any, np.dtype[np.int64]]
MAX_LEVELS: Final = 20
#: Every context is a segment, and so many inputs with few levels.
MAX_INPUTS: Final = 8
_PREFIX: Final = {"input": "in", "context": "ctx"}
_QUARTERS: Final = (0.25, 0.5, 0.75)


@dataclass(frozen=True, slots=True)
class Cut:
    """How one field cuts rows: into `labels`, of which the last two are what is of no level, and what is missing."""

    field: str
    role: str
    column: str
    labels: tuple[str, ...]
    levels: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()

    def places(self, rows: Any) -> Places | None:
        """Of each of *rows* the place of its segment in `labels`; None where the log does not hold the field."""
        if self.column not in rows.column_names:
            return None
        arrow = home("arrow")
        if self.edges:
            values = arrow.numbers_of(rows, self.column)
            return np.where(np.isnan(values), len(self.labels) - 1, np.searchsorted(self.edges, values, side="left"))
        texts, places = arrow.codes_of(rows, self.column)
        known = {level: place for place, level in enumerate(self.levels)}
        boolean = self.levels == ("true", "false")
        other = len(self.labels) - 2
        target = np.array([known.get(one.lower() if boolean else one, other) for one in texts] + [other + 1])
        return np.asarray(target[places], dtype=np.int64)


def cuts(reference: Reference) -> list[Cut]:
    """By every context field with levels or numbers, and by the first inputs with at most `MAX_LEVELS` levels."""
    contexts = [_cut(one) for one in reference.fields.values() if one.role == "context"]
    inputs = [_cut(one) for one in reference.fields.values() if one.role == "input" and one.levels]
    return [one for one in contexts if one is not None] + [one for one in inputs if one is not None][:MAX_INPUTS]


def _cut(field: FieldReference) -> Cut | None:
    column = layout.column(_PREFIX[field.role], field.name)
    levels = field.levels or field.groups
    if levels:
        if len(levels) > MAX_LEVELS:
            return None
        return Cut(field.name, field.role, column, (*levels, OTHER, MISSING), levels=levels)
    if field.measure != "value" or field.type not in ("number", "integer") or len(field.edges) < 3:
        return None
    edges = _quarters(field)
    labels = [f"≤ {edges[0]:.6g}"]
    labels += [f"> {low:.6g}, ≤ {high:.6g}" for low, high in pairwise(edges)]
    return Cut(field.name, field.role, column, (*labels, f"> {edges[-1]:.6g}", MISSING), edges=edges)


def _quarters(field: FieldReference) -> tuple[float, ...]:
    """The edges of the reference's bins that lie nearest to its quartiles."""
    held = np.cumsum(field.counts) / max(sum(field.counts), 1)
    inner = range(len(field.edges) - 2)
    picked = {min(inner, key=lambda place: abs(held[place] - share)) for share in _QUARTERS}
    return tuple(field.edges[place + 1] for place in sorted(picked))
