"""The table of roll-ups: written by folds, merged to hours and days as it ages, read by range."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from cloche.errors import LogRaceError
from cloche.monitoring import samples
from cloche.monitoring.reference import Reference
from cloche.monitoring.rollups.counting import RollUp, count
from cloche.monitoring.rollups.sampling import Pace, minutes_of, sampled
from cloche.monitoring.tallies import Tally, summed
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
#: And so long samples stay, which weigh more than all counts: older texts are compared by length when a monitor starts.
SAMPLES_FOR_DAYS: Final = 9
_ATTEMPTS: Final = 10


def rolled_up(parts: Parts, reference_of: Counted, pace: Pace | None = None) -> dict[str, list[Any]]:
    """
    The parts of the tables of roll-ups that belong to the *parts* of a fold, by path.

    *pace* remembers what earlier folds brought, so that of many small ones not too much is kept as samples.
    """
    of_model: dict[str, list[_Answers]] = defaultdict(list)
    for path, those in parts.items():
        known = layout.answers_in(path)
        if known is not None:
            of_model[known[0]] += [_Answers(known[1], *one) for part in those for one in _by_version(part.rows)]
    return {
        layout.rollups(model): [_part(model, found)]
        for model, those in of_model.items()
        if (found := _counted(model, those, reference_of, pace or Pace()))
    }


@dataclass(frozen=True, slots=True)
class _Answers:
    """Rows of one part of a fold that one version answered under one contract."""

    contract: int
    version: int
    rows: Any


def _part(model: str, those: Sequence[RollUp]) -> Any:
    arrow = home("arrow")
    return arrow.Part(layout.rollups(model), arrow.ROLLUPS, _table(_merged(those)))


def _table(those: Sequence[RollUp]) -> Any:
    return home("arrow").rollups_table(those, [samples.to_bytes(one.samples) for one in those])


def _counted(model: str, those: Sequence[_Answers], reference_of: Counted, pace: Pace) -> list[RollUp]:
    references = {one.version: reference_of(model, one.version) for one in those}
    limits = _limits(model, [one for one in those if references[one.version].sampled], pace)
    found: list[RollUp] = []
    for one in those:
        reference = references[one.version]
        kept = sampled(one.rows, reference, limits.get(one.version, {}))
        counted = count(one.rows, one.version, one.contract, reference)
        found += [replace(each, samples=kept.get((each.start, each.route), {})) for each in counted]
    return found


def _limits(model: str, those: Sequence[_Answers], pace: Pace) -> dict[int, dict[int, int]]:
    """By version and minute below which key a row is kept, from all rows of the fold together."""
    minutes: dict[int, Counter[int]] = defaultdict(Counter)
    for one in those:
        minutes[one.version].update(minutes_of(one.rows))
    return {version: pace.limits(model, version, found) for version, found in minutes.items()}


def history(
    store: Store,
    model: str,
    start: float,
    end: float,
    *,
    version: int | None = None,
    route: str | None = None,
    sampled: bool = False,
    fields: bool = True,
) -> Iterator[RollUp]:
    """
    The roll-ups of *model* that begin from *start* up to *end* (seconds since 1970), in the order of time; *sampled*
    with their samples, which are most of their bytes, without *fields* not even what was counted of them.
    """
    table = home("delta").LogTable.open(store, layout.rollups(model))
    if table is None:
        return
    wanted = home("arrow").stretches(math.ceil(start), math.ceil(end), version)
    found = _read(table, wanted, sampled=sampled, fields=fields)
    for one in sorted(found, key=lambda entry: (entry.start, entry.version, entry.route)):
        if route in (None, one.route):
            yield one


def age(store: Store, model: str, now: float) -> int:
    """Merge minutes of past days to hours, and hours to days, and take old samples away; how many days were written."""
    table = home("delta").LogTable.open(store, layout.rollups(model))
    if table is None:
        return 0
    done = 0
    for date in table.dates():
        days = (dt.datetime.fromtimestamp(now, dt.UTC).date() - dt.date.fromisoformat(date)).days
        seconds = _DAY if days > HOURS_FOR_DAYS else _HOUR if days > MINUTES_FOR_DAYS else None
        done += seconds is not None and _coarser(store, model, date, seconds, keep=days <= SAMPLES_FOR_DAYS)
    return done


def _coarser(store: Store, model: str, date: str, seconds: int, *, keep: bool) -> bool:
    arrow, tables = home("arrow"), home("delta").LogTable
    for _ in range(_ATTEMPTS):
        table = tables.open(store, layout.rollups(model))
        those = list(_read(table, arrow.on_day(date), sampled=True))
        if all(one.seconds >= seconds and (keep or not one.samples) for one in those):
            return False
        wider = [
            replace(
                one,
                start=one.start // seconds * seconds,
                seconds=seconds,
                samples=one.samples if keep else {},
            )
            for one in those
        ]
        try:
            table.replace(date, _table(_merged(wider)))
        except LogRaceError:
            continue
        return True
    return False


def _merged(those: Sequence[RollUp]) -> list[RollUp]:
    """One for each stretch, version and route."""
    found: dict[tuple[int, int, int, int, str], list[RollUp]] = defaultdict(list)
    for one in those:
        found[one.start, one.seconds, one.version, one.contract, one.route].append(one)
    return [
        RollUp(*key, summed(one.tally for one in alike), samples.merged(one.samples for one in alike))
        for key, alike in sorted(found.items(), key=lambda entry: entry[0])
    ]


def _read(table: Any, wanted: Any, *, sampled: bool, fields: bool = True) -> Iterator[RollUp]:
    arrow = home("arrow")
    names = [name for name in arrow.types_of(table.schema) if sampled or name != arrow.SAMPLES]
    for batch in table.batches(wanted, names):
        for row in batch.to_pylist():
            yield RollUp(
                row["start"],
                row["seconds"],
                row["version"],
                row["contract"],
                row["route"],
                Tally.from_bytes(row["tally"], fields=fields),
                samples.from_bytes(row.get(arrow.SAMPLES)),
            )


def _by_version(rows: Any) -> Iterator[tuple[int, Any]]:
    arrow = home("arrow")
    versions = arrow.whole_of(rows, "version")
    for version in np.unique(versions).tolist():
        yield version, rows if (versions == version).all() else rows.filter(arrow.mask(versions == version))
