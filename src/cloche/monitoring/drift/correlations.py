"""Pairs of numeric fields: whether they still go together as in the reference, though each alone looks as before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cloche.monitoring.reference import FieldReference, Reference
from cloche.monitoring.tallies import FieldTally, Tally
from cloche.profile import normal_scores

Values = np.ndarray[Any, np.dtype[np.float64]]


def correlations(reference: Reference, tallies: Sequence[Tally]) -> Values:
    """
    The correlation of normal scores of every pair of *reference*, as (pairs, tallies); NaN where none can be told.

    A score is that of the value's bin, 0 where it is missing: a wild value cannot make a correlation.
    """
    found = np.full((len(reference.pairs), len(tallies)), np.nan)
    moments = [_moments(reference.fields, one.fields) for one in tallies]
    for column, tally in enumerate(tallies):
        for row, (one, other) in enumerate(reference.pairs):
            left, right = moments[column].get(one), moments[column].get(other)
            if left is None or right is None or row >= len(tally.products) or not left[0]:
                continue
            n, mean, spread = left
            _, mean_other, spread_other = right
            if spread * spread_other > 0:
                found[row, column] = (tally.products[row] / n - mean * mean_other) / (spread * spread_other)
    clipped: Values = np.clip(found, -1.0, 1.0)
    return clipped


def _moments(
    references: Mapping[str, FieldReference], fields: Mapping[str, FieldTally]
) -> dict[str, tuple[int, float, float]]:
    """Of each field with scores: rows, the mean and the standard deviation of its scores."""
    found = {}
    for name, tally in fields.items():
        reference = references.get(name)
        if reference is None or not reference.edges or not tally.n or len(tally.counts) != len(reference.counts):
            continue
        scores, counts = normal_scores(reference.counts), np.array(tally.counts, dtype=np.float64)
        mean = float(scores @ counts) / tally.n
        found[name] = (tally.n, mean, float(np.sqrt(max(0.0, float(scores**2 @ counts) / tally.n - mean**2))))
    return found
