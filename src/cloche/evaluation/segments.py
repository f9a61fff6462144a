"""Rows cut into segments by a column: its levels, or quarters of its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from cloche.evaluation.estimate import Rows
from cloche.evaluation.intervals import Floats
from cloche.records import Column

#: Numbers of more different values than this are cut at their quartiles.
MAX_PLAIN_NUMBERS = 10
MAX_LEVELS = 20
#: A level of fewer rows counts under OTHER: no single person is a segment.
MIN_ROWS_OF_A_LEVEL = 20
OTHER, MISSING = "(other)", "(missing)"
_QUANTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True, slots=True)
class Segment:
    """Some rows of a table: those where *column* is *label*."""

    column: str
    label: str
    rows: Rows


def cut(column: Column) -> list[Segment]:
    """
    The segments of a column, in order; each row is in one of them.

    Numbers of more than ten values, dates and moments are cut at their quartiles over these rows; of all else each
    of the 20 commonest levels with at least 20 rows is a segment, and the rest is "(other)".
    """
    there = np.flatnonzero(~column.missing)
    numeric = _NUMERIC.get(column.kind)
    values = column.values[there]
    if numeric is not None and len(set(values.tolist())) > MAX_PLAIN_NUMBERS:
        found = list(_quarters(column.name, there, values, numeric))
    else:
        found = list(_levels(column.name, there, [_level(value) for value in values.tolist()]))
    gone = np.flatnonzero(column.missing)
    return [*found, Segment(column.name, MISSING, gone)] if gone.size else found


def _quarters(name: str, there: Rows, values: Any, numeric: Callable[[Any], Floats]) -> Iterator[Segment]:
    numbers = numeric(values)
    edges = np.unique(np.quantile(numbers, _QUANTILES, method="lower"))
    place = np.searchsorted(edges, numbers, side="left")
    shown = [_level(values[int(np.flatnonzero(numbers == edge)[0])]) for edge in edges]
    for number in range(edges.size + 1):
        inside = there[place == number]
        if inside.size:
            low = f"> {shown[number - 1]}" if number else ""
            high = f"≤ {shown[number]}" if number < edges.size else ""
            yield Segment(name, ", ".join(filter(None, (low, high))), inside)


def _levels(name: str, there: Rows, levels: list[str]) -> Iterator[Segment]:
    common = Counter(levels).most_common(MAX_LEVELS)
    kept = sorted(level for level, n in common if n >= MIN_ROWS_OF_A_LEVEL)
    codes = {level: code for code, level in enumerate(kept)}
    place = np.array([codes.get(level, len(kept)) for level in levels], dtype=np.int64)
    for code, label in enumerate([*kept, OTHER]):
        if (inside := there[place == code]).size:
            yield Segment(name, label, inside)


def _level(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value.isoformat() if isinstance(value, date) else str(value)


def _seconds(values: Any) -> Floats:
    naive = datetime(1970, 1, 1)
    return np.array(
        [
            one.timestamp()
            if isinstance(one, datetime) and one.tzinfo is not None
            else (datetime(one.year, one.month, one.day) - naive).total_seconds()
            if not isinstance(one, datetime)
            else (one - naive).total_seconds()
            for one in values
        ],
        dtype=np.float64,
    )


def _floats(values: Any) -> Floats:
    return np.asarray(values, dtype=np.float64)


_NUMERIC: dict[str, Callable[[Any], Floats]] = {
    "number": _floats, "integer": _floats, "date": _seconds, "datetime": _seconds,
}  # fmt: skip
