"""
What `cloche report --exact` measures on raw rows, and roll-ups cannot: exact quantiles, distances without bins.

The artifact holds the reference in bins, so a distance from it is exact on one side; from a table of reference rows it
is exact on both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import numpy as np
from scipy import stats

from cloche.monitoring.documents import ExactField
from cloche.monitoring.reference import FieldReference, Reference
from cloche.prediction_log import layout
from cloche.prediction_log.homes import home
from cloche.prediction_log.reading import LogReader
from cloche.records import Column

Values = np.ndarray[Any, np.dtype[np.float64]]
_ANSWERED: Final = 200
_SHARES: Final = {"min": 0.0, "p1": 0.01, "p5": 0.05, "p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
_PREFIX: Final = {"input": "in", "context": "ctx"}
_MOST_UNSEEN: Final = 10


def exact(
    reader: LogReader,
    model: str,
    version: int,
    reference: Reference,
    *,
    since: datetime,
    until: datetime,
    table: Mapping[str, Column] | None = None,
) -> list[ExactField]:
    """
    Every field of *reference* on the rows that *version* answered in [*since*, *until*), one column read at a time.

    *table* holds reference rows, where there are some. A field of which the log keeps no values is left out.

    Raises:
        MissingExtraError: the extra `monitor` is not installed.
        StoreError: the log cannot be read.
    """
    found = []
    for one in _fields(reference):
        column = _column(one)
        wanted = {column, "version", "status", "row"}
        rows = _answered(reader.answers(model, since=since, until=until, columns=wanted), version)
        if column in rows.column_names and rows.num_rows:
            measured = _numbers if one.edges else _levels
            found.append(measured(rows, column, one, None if table is None else table.get(one.name)))
    return found


def _fields(reference: Reference) -> Iterator[FieldReference]:
    yield from (one for one in reference.fields.values() if one.comparable and one.role in _PREFIX)
    yield from (one for one in (reference.classes, reference.number) if one is not None)


def _column(one: FieldReference) -> str:
    return one.name if one.role == "output" else layout.column(_PREFIX[one.role], one.name)


def _answered(rows: Any, version: int) -> Any:
    arrow = home("arrow")
    if not rows.num_rows:
        return rows
    of = arrow.numbers_of(rows, "version") == version
    return rows.filter(arrow.mask(of & (arrow.numbers_of(rows, "status") == _ANSWERED)))


# -- numbers ------------------------------------------------------------------------------------


def _numbers(rows: Any, column: str, one: FieldReference, raw: Column | None) -> ExactField:
    arrow = home("arrow")
    values = (arrow.lengths_of if one.measure == "characters" else arrow.numbers_of)(rows, column)
    known = np.sort(values[np.isfinite(values)])
    facts: dict[str, Any] = {
        "name": one.name,
        "type": one.type,
        "n": len(values),
        "missing": int(np.isnan(values).sum()),
    }
    if not known.size:
        return ExactField(**facts)
    quantiles = np.quantile(known, list(_SHARES.values()))
    facts |= {
        "mean": float(known.mean()),
        "deviation": float(known.std()),
        "quantiles": dict(zip(_SHARES, map(float, quantiles), strict=True)),
        "distinct": len(np.unique(known)),
    }
    before = None if raw is None or one.measure != "value" else _finite(raw)
    facts |= _from_bins(known, one) if before is None else _from_rows(known, before)
    return ExactField(**facts)


def _finite(raw: Column) -> Values | None:
    """The numbers of a reference column; None where it holds none."""
    if raw.kind not in ("boolean", "integer", "number"):
        return None
    values = raw.present().astype(np.float64)
    values = values[np.isfinite(values)]
    return values if values.size else None


def _from_rows(known: Values, before: Values) -> dict[str, float]:
    """Both sides are raw: Kolmogorov and Smirnov's test of two samples, Wasserstein's distance of order 1."""
    tested = stats.ks_2samp(before, known)
    return {
        "ks": float(tested.statistic),
        "p": float(tested.pvalue),
        "wasserstein": float(stats.wasserstein_distance(before, known)),
    }


def _from_bins(known: Values, one: FieldReference) -> dict[str, float]:
    """
    The distances of sorted *known* from a distribution of which only the bins are known.

    At the edges both cumulated shares are known, so that the largest difference there is a lower bound of the
    Kolmogorov–Smirnov distance. Between two edges the reference lies between its values at both, which bounds it from
    above. For Wasserstein's distance the reference lies evenly within its bins.
    """
    edges, counts = np.array(one.edges), np.array(one.counts, dtype=np.float64)
    if edges.size < 2 or not counts.sum():
        return {}
    share = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])  # below each edge; all, at the last
    now = np.searchsorted(known, edges, side="left") / known.size
    now[-1] = np.searchsorted(known, edges[-1], side="right") / known.size
    at_edges = float(np.abs(now - share).max())
    below, above = np.searchsorted(known, edges[0], side="left") / known.size, 1.0 - now[-1]
    inside = np.maximum(np.abs(now[1:] - share[:-1]), np.abs(share[1:] - now[:-1])).max()
    return {
        "ks": max(at_edges, float(below), float(above)),
        "ks_high": max(float(inside), float(below), float(above)),
        "wasserstein": _wasserstein(known, edges, share),
    }


def _wasserstein(known: Values, edges: Values, share: Values) -> float:
    """∫ |F − G|: F the steps of *known*, G linear between the *edges*; exact between two neighbouring points."""
    points = np.unique(np.concatenate([known, edges]))
    steps = np.searchsorted(known, points[:-1], side="right") / known.size
    line = np.interp(points, edges, share)
    left, right = line[:-1] - steps, line[1:] - steps
    low, high = np.abs(left), np.abs(right)
    with np.errstate(invalid="ignore", divide="ignore"):
        crossed = (low**2 + high**2) / (2 * (low + high))
    return float((np.where(left * right < 0, crossed, (low + high) / 2) * np.diff(points)).sum())


# -- levels -------------------------------------------------------------------------------------


def _levels(rows: Any, column: str, one: FieldReference, raw: Column | None) -> ExactField:
    levels, places = home("arrow").codes_of(rows, column)
    there = np.asarray(places)[np.asarray(places) >= 0]
    boolean = one.levels == ("true", "false")
    counted = np.bincount(there, minlength=len(levels))
    now = Counter({(name.lower() if boolean else name): int(n) for name, n in zip(levels, counted, strict=True) if n})
    if raw is not None:
        before = Counter(str(value).lower() if boolean else str(value) for value in raw.present().tolist())
    else:
        before = Counter(dict(zip(one.levels, one.counts, strict=True)))
    unseen = Counter({name: n for name, n in now.items() if name not in before})
    return ExactField(
        name=one.name,
        type=one.type,
        n=rows.num_rows,
        missing=rows.num_rows - len(there),
        distinct=len(now),
        unseen=dict(unseen.most_common(_MOST_UNSEEN)),
        tv=_total_variation(before, now, 0 if raw is not None else one.other),
    )


def _total_variation(before: Counter[str], now: Counter[str], other: int) -> float | None:
    """Half the sum of the differences of all shares; *other* rows of the reference are of no level that is known."""
    n, m = now.total(), before.total() + other
    if not n or not m:
        return None
    differences = [abs(now[name] / n - before[name] / m) for name in {*now, *before}]
    return (sum(differences) + other / m) / 2
