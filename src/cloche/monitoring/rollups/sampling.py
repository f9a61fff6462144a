"""
Which rows of a fold are kept as a sample: so many that the window they come to lie in has enough, and not many more.

A fold sees seconds of an hour or more, and does not know whether these are all that comes. So the limit follows from
what the last hour brought: a fold that holds all of it keeps `CAPACITY` rows, one that holds a hundredth some.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from cloche.monitoring.reference import FieldReference, Reference
from cloche.monitoring.rollups.counting import answered
from cloche.monitoring.samples import CAPACITY, EVERY, Sample, keys_of
from cloche.prediction_log import layout
from cloche.prediction_log.homes import home

Places = np.ndarray[Any, np.dtype[np.int64]]
#: Of an hour four times what a window keeps: its folds are not equally full.
_MARGIN: Final = 4
#: And of each fold some, for windows that begin after a rush.
_LEAST: Final = 4
_HOUR_S: Final = 3_600
_MINUTE_US: Final = 60_000_000
#: Request ids have 26 characters.
_ID_BYTES: Final = 32


class Pace:
    """Of each version how many rows the last hour had; a process that has just started knows of none."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, int], dict[int, int]] = {}

    def limits(self, model: str, version: int, minutes: Mapping[int, int]) -> dict[int, int]:
        """Below which key a row is kept, by minute (seconds since 1970), of a fold that has so many rows in each."""
        known = self._rows.setdefault((model, version), defaultdict(int))
        for minute, n in minutes.items():
            known[minute] += n
        for old in [one for one in known if one < max(known) - 2 * _HOUR_S]:
            del known[old]
        return {minute: _limit(n, _last_hour(known, minute)) for minute, n in minutes.items()}


def _last_hour(known: Mapping[int, int], minute: int) -> int:
    return sum(n for one, n in known.items() if minute - _HOUR_S < one <= minute)


def _limit(n: int, hour: int) -> int:
    wanted = min(CAPACITY, max(_LEAST, math.ceil(_MARGIN * CAPACITY * n / max(hour, n, 1))))
    return EVERY if wanted >= n else EVERY * wanted // n


def minutes_of(rows: Any) -> dict[int, int]:
    """How many answered rows there are by minute."""
    found = home("arrow").whole_of(rows, "time")[answered(rows)] // _MINUTE_US * 60
    return dict(zip(*(one.tolist() for one in np.unique(found, return_counts=True)), strict=True))


def sampled(rows: Any, reference: Reference, limits: Mapping[int, int]) -> dict[tuple[int, str], dict[str, Sample]]:
    """
    The samples of *rows*, answers of one version, by minute and route, then field.

    Of a field that the log does not keep, and of one without features in the reference, there is none.
    """
    fields = [one for one in reference.fields.values() if one.sample is not None and _column(one) in rows.column_names]
    if not fields or not limits:
        return {}
    arrow = home("arrow")
    minute = arrow.whole_of(rows, "time") // _MINUTE_US * 60
    below = np.zeros(len(minute), dtype=np.uint64)
    for one, limit in limits.items():
        below[minute == one] = limit
    keys = keys_of(arrow.bytes_of(rows, "request_id", _ID_BYTES), arrow.whole_of(rows, "row"))
    kept = np.flatnonzero(answered(rows) & (keys < below))
    rows = arrow.picked_rows(rows.select(["route", *map(_column, fields)]), kept)
    keys, minute = keys[kept], minute[kept]
    routes, route = arrow.codes_of(rows, "route")
    found: dict[tuple[int, str], dict[str, Sample]] = defaultdict(dict)
    for group in sorted(set(zip(minute.tolist(), route.tolist(), strict=True))):
        mine = (minute == group[0]) & (route == group[1])
        where = group[0], routes[group[1]] if group[1] >= 0 else ""
        for field in fields:
            found[where][field.name] = _of_field(rows, field, mine, keys, limits[group[0]])
    return found


def _of_field(rows: Any, field: FieldReference, mine: Any, keys: Any, below: int) -> Sample:
    assert field.sample is not None
    values = home("arrow").picked_rows(rows, np.flatnonzero(mine)).column(_column(field)).to_pylist()
    there, features = field.sample.features.rows(values)
    return Sample.made(below, keys[mine][there], features)


def _column(field: FieldReference) -> str:
    return layout.column("in", field.name)
