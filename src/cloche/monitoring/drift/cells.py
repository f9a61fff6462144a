"""
Which bins a window of so many rows can be compared in.

Pearson's test holds where every cell is expected to have some rows. So neighbouring bins are joined, and of levels the
rarest, until a window of n rows is expected to have five in each. What cannot be joined to that (a level that was seen
twice, a missing value where none ever was) is `RARE`, and tested exactly. The grouping follows from the reference and n
alone, never from what the window holds: else the comparison would choose its own cells.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

Counts = np.ndarray[Any, Any]
#: The usual rule of thumb of Pearson's test (Cochran 1954).
EXPECTED: Final = 5.0
#: A small reference is compared in few cells: what chance did to it stays the same for ever.
IN_REFERENCE: Final = 20.0
RARE: Final = -1


def grouping(reference: Counts, n: int, *, ordered: int) -> list[int]:
    """
    For every cell of *reference* (cells,) the number of its group, from 0, or `RARE`.

    The first *ordered* cells are bins in order and joined with neighbours; the others are levels, and what is missing.
    In every group a window of *n* rows is expected to have `EXPECTED` rows and the reference has `IN_REFERENCE`, except
    where all bins together have fewer.
    """
    whole = float(reference.sum())
    wanted = max(IN_REFERENCE, EXPECTED * whole / max(n, 1))
    bins = _neighbours(reference[:ordered], wanted)
    return bins + _levels(reference[ordered:], wanted, first=max(bins, default=-1) + 1)


def _neighbours(counts: Counts, wanted: float) -> list[int]:
    found: list[int] = []
    group, held = 0, 0.0
    for count in counts.tolist():
        if held >= wanted:
            group, held = group + 1, 0.0
        found.append(group)
        held += count
    if group and held < wanted:  # the last ones are too few: they join those before
        found = [min(one, group - 1) for one in found]
    return found


def _levels(counts: Counts, wanted: float, *, first: int) -> list[int]:
    """The commonest each alone, the rarer ones together, what is still too little `RARE`."""
    found = [RARE] * len(counts)
    group, held, members = first, 0.0, []
    for place in np.argsort(-counts, kind="stable").tolist():
        if counts[place] <= 0:
            break
        held += float(counts[place])
        members.append(place)
        if held >= wanted:
            for one in members:
                found[one] = group
            group, held, members = group + 1, 0.0, []
    return found


def joined(counts: Counts, group: list[int]) -> tuple[Counts, Counts]:
    """Counts (…, cells) by group (…, groups), and those of the rare cells together (…)."""
    places = np.asarray(group)
    by_group = (places[:, None] == np.arange(places.max(initial=RARE) + 1)).astype(np.int64)
    return counts @ by_group, counts @ (places == RARE).astype(np.int64)
