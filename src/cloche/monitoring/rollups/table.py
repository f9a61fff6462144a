"""The table of roll-ups: written by folds, merged to hours and days as it ages, read by range."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from cloche.errors import LogRaceError
from cloche.monitoring.reference import Reference
from cloche.monitoring.rollups.counting import RollUp, count
from cloche.monitoring.tallies import Tally
from cloche.prediction_log import layout
from cloche.prediction_log.homes import home
from cloche.store import Store

Parts = Mapping[str, Sequence[Any]]
#: The reference of a model's version; an empty one where it is not known (any more).
Counted = Callable[[str, int], Reference]
_HOUR: Final = 3_600
_DAY: Final = 86_400
#: For so many days minutes stay minutes, then hours, then days.
MINUTES_FOR_DAYS: Final = 2
HOURS_FOR_DAYS: Final = 60
_ATTEMPTS: Final = 10


def rolled_up(parts: Parts, reference_of: Counted) -> dict[str, list[Any]]:
    """The parts of the tables of roll-ups that belong to the *parts* of a fold, by path."""
    found: dict[str, list[RollUp]] = defaultdict(list)
    for path, those in parts.items():
        known = layout.answers_in(path)
        if known is None:
            continue
        model, contract = known
        for part in those:
            for version, rows in _by_version(part.rows):
                found[model] += count(rows, version, contract, reference_of(model, version))
    arrow = home("arrow")
    return {
        layout.rollups(model): [arrow.Part(layout.rollups(model), arrow.ROLLUPS, arrow.rollups_table(_merged(those)))]
        for model, those in found.items()
        if those
    }


def history(
    store: Store, model: str, start: float, end: float, *, version: int | None = None, route: str | None = None
) -> Iterator[RollUp]:
    """The roll-ups of *model* that begin from *start* up to *end* (seconds since 1970), in the order of time."""
    table = home("delta").LogTable.open(store, layout.rollups(model))
    if table is None:
        return
    arrow = home("arrow")
    wanted = arrow.days(_date(start), _date(end))
    found = [one for one in _read(table, wanted) if start <= one.start < end]
    for one in sorted(found, key=lambda entry: (entry.start, entry.version, entry.route)):
        if version in (None, one.version) and route in (None, one.route):
            yield one


def age(store: Store, model: str, now: float) -> int:
    """Merge minutes of past days to hours, and hours to days; how many days were written anew."""
    table = home("delta").LogTable.open(store, layout.rollups(model))
    if table is None:
        return 0
    done = 0
    for date in table.dates():
        days = (dt.datetime.fromtimestamp(now, dt.UTC).date() - dt.date.fromisoformat(date)).days
        seconds = _DAY if days > HOURS_FOR_DAYS else _HOUR if days > MINUTES_FOR_DAYS else None
        done += seconds is not None and _coarser(store, model, date, seconds)
    return done


def _coarser(store: Store, model: str, date: str, seconds: int) -> bool:
    arrow, tables = home("arrow"), home("delta").LogTable
    for _ in range(_ATTEMPTS):
        table = tables.open(store, layout.rollups(model))
        those = list(_read(table, arrow.on_day(date)))
        if all(one.seconds >= seconds for one in those):
            return False
        wider = [
            RollUp(one.start // seconds * seconds, seconds, one.version, one.contract, one.route, one.tally)
            for one in those
        ]
        try:
            table.replace(date, arrow.rollups_table(_merged(wider)))
        except LogRaceError:
            continue
        return True
    return False


def _merged(those: Sequence[RollUp]) -> list[RollUp]:
    """One for each stretch, version and route."""
    found: dict[tuple[int, int, int, int, str], Tally] = {}
    for one in those:
        key = (one.start, one.seconds, one.version, one.contract, one.route)
        found[key] = found[key].plus(one.tally) if key in found else one.tally
    return [RollUp(*key, tally) for key, tally in sorted(found.items(), key=lambda entry: entry[0])]


def _read(table: Any, wanted: Any) -> Iterator[RollUp]:
    for batch in table.batches(wanted):
        for row in batch.to_pylist():
            yield RollUp(
                row["start"],
                row["seconds"],
                row["version"],
                row["contract"],
                row["route"],
                Tally.from_bytes(row["tally"]),
            )


def _by_version(rows: Any) -> Iterator[tuple[int, Any]]:
    arrow = home("arrow")
    versions = arrow.whole_of(rows, "version")
    for version in np.unique(versions).tolist():
        yield version, rows if (versions == version).all() else rows.filter(arrow.mask(versions == version))


def _date(moment: float) -> str:
    return dt.datetime.fromtimestamp(moment, dt.UTC).date().isoformat()
