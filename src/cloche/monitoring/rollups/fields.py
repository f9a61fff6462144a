"""One column of the log in the bins and levels of its reference."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from cloche.monitoring.reference import FieldReference
from cloche.monitoring.tallies import OTHER_CLASSES, FieldTally, commonest
from cloche.prediction_log import layout
from cloche.prediction_log.homes import home

Places = np.ndarray[Any, np.dtype[np.int64]]
Values = np.ndarray[Any, np.dtype[np.float64]]
_PREFIX = {"input": "in", "context": "ctx", "key": "key"}


def field_tallies(
    rows: Any, field: FieldReference, of: Places, groups: int, binned: dict[str, Places]
) -> list[FieldTally] | None:
    """
    The tallies of *field* by group; None where the log does not keep it. The bin of each row goes to *binned*.

    *of* says to which of *groups* a row belongs. A column that is not there, of a field that is kept, held no value.
    """
    if field.role == "key" or not field.comparable:
        return None
    names = set(rows.column_names)
    bins = layout.column("bin", field.name)
    if bins in names:
        return _from_bins(home("arrow").whole_of(rows, bins), field, of, groups, binned)
    column = layout.column(_PREFIX.get(field.role, "in"), field.name)
    if column not in names:
        if layout.column("hash", field.name) in names:
            return None
        return [FieldTally(n=int(n), missing=int(n)) for n in np.bincount(of, minlength=groups)]
    if field.edges:
        return _numbers(_measured(rows, column, field), field, of, groups, binned)
    return _levels(rows, column, field, of, groups)


def number_tallies(
    rows: Any, column: str, reference: FieldReference | None, of: Places, groups: int
) -> list[FieldTally] | None:
    """The tallies of a column of numbers; None without a reference or a column."""
    if reference is None or column not in rows.column_names:
        return None
    return _numbers(home("arrow").numbers_of(rows, column), reference, of, groups, {})


def sums_of_numbers(rows: Any, column: str, of: Places, groups: int) -> list[FieldTally]:
    """What is counted of a column of numbers that no bins are known for: how many, their sum, and that of squares."""
    values = home("arrow").numbers_of(rows, column)
    finite = np.isfinite(values)
    known = np.where(finite, values, 0.0)
    n, missing, n_finite = _by(of, groups), _by(of, groups, np.isnan(values)), _by(of, groups, finite)
    total, squares = _by(of, groups, known), _by(of, groups, known * known)
    return [
        FieldTally(
            n=int(n[one]),
            missing=int(missing[one]),
            finite=int(n_finite[one]),
            total=float(total[one]),
            squares=float(squares[one]),
        )
        for one in range(groups)
    ]


def confidences(rows: Any, reference: FieldReference | None, of: Places, groups: int) -> list[FieldTally] | None:
    """The tallies of the largest probability, or of the score."""
    if reference is None:
        return None
    if "probabilities" in rows.column_names:
        return _numbers(home("arrow").largest_of(rows, "probabilities"), reference, of, groups, {})
    return number_tallies(rows, "score", reference, of, groups)


def class_counts(rows: Any, of: Places, groups: int) -> list[dict[str, int]]:
    """How often each class was answered, by group; answers that are too long to be a class (a list) are together."""
    found: list[dict[str, int]] = [{} for _ in range(groups)]
    levels, places = home("arrow").codes_of(rows, "prediction")
    if not levels:
        return found
    there = places >= 0
    pairs, counts = np.unique(of[there] * len(levels) + places[there], return_counts=True)
    for pair, n in zip(pairs.tolist(), counts.tolist(), strict=True):
        classes, name = found[pair // len(levels)], levels[pair % len(levels)]
        name = name if len(name) <= _MAX_CHARS else OTHER_CLASSES
        classes[name] = classes.get(name, 0) + n
    return [commonest(one) for one in found]


#: A longer answer is no class.
_MAX_CHARS: Final = 200


def _measured(rows: Any, column: str, field: FieldReference) -> Values:
    arrow = home("arrow")
    found: Values = (arrow.lengths_of if field.measure == "characters" else arrow.numbers_of)(rows, column)
    return found


def _numbers(
    values: Values, field: FieldReference, of: Places, groups: int, binned: dict[str, Places]
) -> list[FieldTally]:
    edges, bins = np.array(field.edges), len(field.counts)
    finite = np.isfinite(values)
    gone = np.isnan(values)
    known = np.where(gone, edges[0], values)
    places = np.clip(np.searchsorted(edges, known, side="right") - 1, 0, bins - 1)
    binned[field.name] = np.where(gone, -1, places)
    there = ~gone
    counts = np.bincount(of[there] * bins + places[there], minlength=groups * bins).reshape(groups, bins)
    off = np.where(finite, values - (field.mean or 0.0), 0.0)
    whole = _by(of, groups)
    missing, below, above = _by(of, groups, gone), _by(of, groups, known < edges[0]), _by(of, groups, known > edges[-1])
    n_finite = _by(of, groups, finite)
    total, squares = _by(of, groups, off), _by(of, groups, off * off)
    return [
        FieldTally(
            n=int(whole[one]),
            missing=int(missing[one]),
            below=int(below[one]),
            above=int(above[one]),
            finite=int(n_finite[one]),
            total=float(total[one]),
            squares=float(squares[one]),
            counts=counts[one].tolist(),
        )
        for one in range(groups)
    ]


def _levels(rows: Any, column: str, field: FieldReference, of: Places, groups: int) -> list[FieldTally]:
    levels, places = home("arrow").codes_of(rows, column)
    boolean = field.levels == ("true", "false")
    known = {level: place for place, level in enumerate(field.levels)}
    size = len(field.levels) + 2  # then what is unseen, and what is missing
    target = np.array([known.get(one.lower() if boolean else one, size - 2) for one in levels] + [size - 1])
    counts = np.bincount(of * size + target[places], minlength=groups * size).reshape(groups, size)
    return [
        FieldTally(n=int(one.sum()), missing=int(one[-1]), unseen=int(one[-2]), counts=one[:-2].tolist())
        for one in counts
    ]


def _from_bins(
    places: Places, field: FieldReference, of: Places, groups: int, binned: dict[str, Places]
) -> list[FieldTally]:
    """The log holds only which bin a value lies in; one that the reference has not is unseen."""
    bins = len(field.counts)
    size = bins + 2
    target = np.where(places < 0, size - 1, np.where(places >= bins, size - 2, places))
    if field.edges:
        binned[field.name] = np.where(places < 0, -1, np.minimum(places, bins - 1))
    counts = np.bincount(of * size + target, minlength=groups * size).reshape(groups, size)
    return [
        FieldTally(n=int(one.sum()), missing=int(one[-1]), unseen=int(one[-2]), counts=one[:-2].tolist())
        for one in counts
    ]


def _by(of: Places, groups: int, weights: Any = None) -> np.ndarray[Any, Any]:
    return np.bincount(of, weights=weights, minlength=groups)
