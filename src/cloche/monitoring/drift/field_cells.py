"""A field's reference and its tallies as counts in the same cells."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from cloche.monitoring.reference import FieldReference
from cloche.monitoring.tallies import FieldTally


@dataclass(frozen=True, slots=True)
class Cells:
    """Counts of the reference (cells,) and of windows (windows, cells); the first `ordered` cells are bins."""

    names: tuple[str, ...]
    ordered: int
    reference: np.ndarray[Any, np.dtype[np.int64]]
    current: np.ndarray[Any, np.dtype[np.int64]]


def of_field(reference: FieldReference, tallies: Sequence[FieldTally]) -> Cells:
    """
    Bins, then what is missing, below and above all that the reference had; or levels, then what is unseen and missing.

    Values beyond the outer edges are a cell of their own: how many rows of the same law lie beyond the largest of m is
    distributed like any event that was not seen in m rows.
    """
    bins = len(reference.counts)
    current = np.array([_counts(one, bins) for one in tallies], dtype=np.int64).reshape(len(tallies), bins)
    missing = [one.missing for one in tallies]
    if not reference.edges:
        unseen = [one.unseen for one in tallies]
        rest = np.array([unseen, missing], dtype=np.int64).T.reshape(len(tallies), 2)
        before = np.array([*reference.counts, reference.other, reference.missing], dtype=np.int64)
        return Cells((*reference.levels, "(unseen)", "(missing)"), 0, before, np.concatenate([current, rest], axis=1))
    below, above = [one.below for one in tallies], [one.above for one in tallies]
    if bins and len(tallies):
        current[:, 0] -= np.array(below)
        current[:, -1] -= np.array(above)
    rest = np.array([missing, below, above], dtype=np.int64).T.reshape(len(tallies), 3)
    before = np.array([*reference.counts, reference.missing, 0, 0], dtype=np.int64)
    ends = _written(reference)
    names = tuple(f"{low} – {high}" for low, high in pairwise(ends)) or (ends[0],)
    return Cells((*names, "(missing)", "(below)", "(above)"), bins, before, np.concatenate([current, rest], axis=1))


def _written(reference: FieldReference) -> list[str]:
    """The edges as people write them: days as days, large numbers without an exponent."""
    if reference.type in ("date", "datetime") and reference.measure == "value":
        moments = [dt.datetime.fromtimestamp(edge, dt.UTC) for edge in reference.edges]
        within_a_day = moments[-1] - moments[0] < dt.timedelta(days=1)
        return [f"{one:%Y-%m-%d %H:%M}" if within_a_day else f"{one:%Y-%m-%d}" for one in moments]
    return [f"{edge:,.0f}" if 1e4 <= abs(edge) < 1e15 else f"{edge:.4g}" for edge in reference.edges]


def of_classes(reference: FieldReference, counted: Sequence[dict[str, int]]) -> Cells:
    """Answers by class; what the reference did not know is one cell."""
    known = set(reference.levels)
    rows = [
        [*(one.get(level, 0) for level in reference.levels), sum(n for name, n in one.items() if name not in known)]
        for one in counted
    ]
    current = np.array(rows, dtype=np.int64).reshape(len(counted), len(known) + 1)
    before = np.array([*reference.counts, 0], dtype=np.int64)
    return Cells((*reference.levels, "(unseen)"), 0, before, current)


def _counts(one: FieldTally, bins: int) -> list[int]:
    return one.counts or [0] * bins
