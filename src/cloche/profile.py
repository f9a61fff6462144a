"""
The inputs of `reference.json`: what the monitor compares today's rows with.

One field at a time, so no row can be put together again from it; of a private field nothing, of a key only
how many values there are, of free text only its length and, of some rows, how many words fall into each of a few
buckets (`cloche.features`).
"""

from __future__ import annotations

import base64
import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from cloche import features
from cloche.contract.model import Contract, Field
from cloche.records import Column, Table

MAX_BINS = 20
#: Every pair of so many numeric inputs is watched: 300 of them.
MAX_PAIRED = 25
#: Values of a context that are told apart.
MAX_GROUPS = 20
MIN_ROWS_OF_A_GROUP = 20
#: Rows of a text or a vector that a classifier learns what is usual from.
MAX_SAMPLED = 300
#: Vectors whose middle and spread are measured.
MAX_FITTED = 10_000
_NUMERIC = ("number", "integer")


def profile(table: Table, contract: Contract) -> dict[str, dict[str, Any]]:
    """
    Statistics of each field of *contract* that *table* has, by name.

    `bins.counts[i]` counts values from `bins.edges[i]` up to, and only for the last bin including, `edges[i + 1]`.
    """
    found = {
        field.name: _field(field, table.columns[field.name])
        for field in contract.fields
        if field.name in table.columns and not field.private
    }
    for field in contract.inputs if contract.log_inputs == "keep" else ():  # else there is nothing to compare it with
        if (one := found.get(field.name)) is not None and (sample := _sample(table.columns[field.name], one)):
            one["sample"] = sample
    return found


def _sample(column: Column, summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """A uniform sample of the texts or vectors as features, in an order of its own; None of other fields."""
    present = column.present()
    if not {"norm", "characters"} & summary.keys() or not len(present):
        return None
    many = min(len(present), MAX_FITTED if "norm" in summary else MAX_SAMPLED)
    drawn = present[np.random.default_rng(0).choice(len(present), many, replace=False)].tolist()
    if "norm" in summary:
        known: features.Features | None = _vectors(drawn)
    else:
        known, drawn = features.WordCounts(), [str(value) for value in drawn]
    if known is None:
        return None
    _, rows = known.rows(drawn[:MAX_SAMPLED])
    return {"features": known.to_dict(), "rows": base64.b64encode(rows.tobytes()).decode()} if len(rows) else None


def _vectors(drawn: list[np.ndarray[Any, Any]]) -> features.Projection | None:
    """How vectors are described, where all that hold numbers only are of one length."""
    finite = [vector for vector in drawn if np.isfinite(vector).all()]
    if not finite or len({len(vector) for vector in finite}) > 1 or not len(finite[0]):
        return None
    return features.Projection.fitted(np.array(finite, dtype=np.float64))


def pairs(table: Table, contract: Contract, profiled: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """
    The correlation of normal scores of every pair of the first `MAX_PAIRED` numeric inputs of *profiled*.

    Of scores, not of values: one wild value cannot make a correlation, and monitoring sees bins only.
    """
    names = [
        field.name
        for field in contract.inputs
        if "bins" in profiled.get(field.name, {}) and field.type in _NUMERIC and len(_bins(profiled, field.name)) > 1
    ][:MAX_PAIRED]
    if len(names) < 2 or table.rows < 2:
        return []
    scored = np.array([_scored(table.columns[name], profiled[name]["bins"]) for name in names])
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.nan_to_num(np.corrcoef(scored))
    return [
        {"fields": [names[one], names[other]], "correlation": float(found[one, other])}
        for one in range(len(names))
        for other in range(one + 1, len(names))
    ]


def normal_scores(counts: Sequence[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """For each bin the normal quantile of the middle of its share of all (van der Waerden 1952)."""
    held = np.asarray(counts, dtype=np.float64)
    middle = (np.cumsum(held) - held / 2) / max(held.sum(), 1.0)
    normal = NormalDist()
    return np.array([normal.inv_cdf(min(max(one, 1e-6), 1 - 1e-6)) for one in middle])


def _bins(profiled: Mapping[str, Mapping[str, Any]], name: str) -> list[int]:
    counts: list[int] = profiled[name]["bins"]["counts"]
    return counts


def _scored(column: Column, bins: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """The score of each value's bin; 0 where it is missing."""
    edges = np.array(bins["edges"])
    values = np.where(column.missing, np.nan, column.values.astype(np.float64))
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(edges.size - 2, 0))
    return np.where(np.isfinite(values), normal_scores(bins["counts"])[places], 0.0)


def _field(field: Field, column: Column) -> dict[str, Any]:
    gone = int(column.missing.sum())
    summary: dict[str, Any] = {"type": field.type, "role": field.role, "n": len(column.missing), "missing": gone}
    present = column.present()
    if field.role == "key":
        return summary | {"distinct": len(set(map(str, present.tolist())))}
    if not len(present):
        return summary
    if field.levels is not None:
        return summary | _levels(field, present)
    if field.type == "boolean":
        return summary | {"levels": {"true": int((present == 1).sum()), "false": int((present == 0).sum())}}
    if field.type in _NUMERIC and column.kind in ("boolean", "integer", "number"):
        return summary | numbers(present.astype(np.float64))
    if field.type in ("date", "datetime") and column.kind in ("date", "datetime"):
        return summary | _moments(present)
    if field.type == "vector" and column.kind == "vector":
        norms = np.array([float(np.linalg.norm(vector)) for vector in present])
        return summary | {"norm": numbers(norms)}
    if field.role == "context" and field.type == "string":
        summary["groups"] = _groups(present)
    return summary | {"characters": numbers(np.array([len(str(value)) for value in present], dtype=np.float64))}


def _levels(field: Field, present: np.ndarray[Any, Any]) -> dict[str, Any]:
    known = set(field.levels or ())
    counts = Counter(present.tolist())
    rest = sum(count for level, count in counts.items() if level not in known)
    found = {str(level): counts.get(level, 0) for level in field.levels or ()}
    return {"levels": found} | ({"other": rest} if rest else {})


def _groups(present: np.ndarray[Any, Any]) -> dict[str, int]:
    """The commonest values of a context, each of several people: what quality is told by."""
    counts = Counter(str(value) for value in present.tolist()).most_common(MAX_GROUPS)
    return {value: n for value, n in sorted(counts) if n >= MIN_ROWS_OF_A_GROUP}


def numbers(values: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Moments, ends and at most 20 quantile bins of the finite ones among *values*."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return {"finite": 0}
    edges = np.unique(np.quantile(finite, np.linspace(0.0, 1.0, MAX_BINS + 1)))
    with np.errstate(all="ignore"):
        moments = {"mean": _or_none(finite.mean()), "variance": _or_none(finite.var())}
    return {
        "finite": int(finite.size),
        **moments,
        "minimum": float(finite.min()),
        "maximum": float(finite.max()),
        "bins": {"edges": edges.tolist(), "counts": _counts(finite, edges)},
    }


def _counts(values: np.ndarray[Any, Any], edges: np.ndarray[Any, Any]) -> list[int]:
    if edges.size == 1:
        return [int(values.size)]
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, edges.size - 2)
    return [int(count) for count in np.bincount(places, minlength=edges.size - 1)]


def _or_none(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _moments(present: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Dates as seconds since 1970, so that the same bins serve them."""
    return {"unit": "seconds since 1970-01-01", **numbers(np.array([_seconds(one) for one in present]))}


def _seconds(moment: datetime.date) -> float:
    if not isinstance(moment, datetime.datetime):
        moment = datetime.datetime(moment.year, moment.month, moment.day)
    start = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC if moment.tzinfo else None)
    return (moment - start).total_seconds()
