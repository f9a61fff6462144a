"""The table of measured answers: a day is replaced as a whole, so that doing it twice changes nothing."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cloche.errors import LogRaceError, StoreError
from cloche.monitoring.quality.tallies import QualityTally
from cloche.prediction_log import layout
from cloche.prediction_log.homes import home
from cloche.store import Store

_HOUR_S: Final = 3_600
#: For so many days the whole is kept by five minutes, then by the hour.
FINE_DAYS: Final = 2
_ATTEMPTS: Final = 10


@dataclass(frozen=True, slots=True)
class Measured:
    """What was counted of one version from `start` (seconds since 1970) for `seconds`; `field` "" is all rows."""

    start: int
    seconds: int
    version: int
    field: str
    value: str
    tally: QualityTally


def replace_hours(store: Store, model: str, date: str, hours: Sequence[int], new: Sequence[Measured]) -> None:
    """
    Let *new* be all that the table holds of *hours* of a day.

    Raises:
        StoreError: others wrote it again and again meanwhile.
    """
    gone = set(hours)

    def replaced(those: list[Measured]) -> list[Measured]:
        return [one for one in those if one.start // _HOUR_S * _HOUR_S not in gone] + list(new)

    _rewrite(store, model, date, replaced)


def age(store: Store, model: str, now: float, aged: str) -> str:
    """Merge to hours what is older than `FINE_DAYS` and not before the day *aged*; the day before which all is."""
    until = (dt.datetime.fromtimestamp(now, dt.UTC) - dt.timedelta(days=FINE_DAYS)).date().isoformat()
    if until == aged:
        return aged
    table = home("delta").LogTable.open(store, layout.quality(model))
    for date in [] if table is None else table.dates():
        if aged <= date < until:
            _rewrite(store, model, date, _coarser)
    return until


def measured(store: Store, model: str, start: float, end: float, *, version: int, whole: bool) -> Iterator[Measured]:
    """What begins from *start* up to *end*, in no promised order: of all rows (*whole*), or of segments."""
    table = home("delta").LogTable.open(store, layout.quality(model))
    if table is None:
        return
    yield from _read(table, home("arrow").measured(math.ceil(start), math.ceil(end), version, whole))


def _rewrite(store: Store, model: str, date: str, change: Any) -> None:
    arrow, tables = home("arrow"), home("delta").LogTable
    path = layout.quality(model)
    for _ in range(_ATTEMPTS):
        table = tables.open(store, path)
        try:
            if table is None:
                tables.create(store, path, arrow.QUALITY)
                continue
            those = change(list(_read(table, arrow.on_day(date))))
            those.sort(key=lambda one: (one.field, one.value, one.start, one.version))
            table.replace(date, arrow.quality_table(those))
        except LogRaceError:
            continue
        return
    raise StoreError(f"store {store.describe()}: {path}: the day {date} lost {_ATTEMPTS} races in a row")


def _coarser(those: list[Measured]) -> list[Measured]:
    found: dict[tuple[int, int, int, str, str], QualityTally] = {}
    for one in those:
        key = (one.start // _HOUR_S * _HOUR_S, _HOUR_S, one.version, one.field, one.value)
        found[key] = found[key].plus(one.tally) if key in found else one.tally
    return [Measured(*key, tally) for key, tally in found.items()]


def _read(table: Any, wanted: Any) -> Iterator[Measured]:
    for batch in table.batches(wanted):
        for row in batch.to_pylist():
            yield Measured(
                row["start"],
                row["seconds"],
                row["version"],
                row["field"],
                row["value"],
                QualityTally.from_bytes(row["tally"]),
            )
