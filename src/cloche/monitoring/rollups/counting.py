"""Rows of the log to tallies: one pass of numpy a column, whatever the number of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from cloche.monitoring.reference import FieldReference, Reference
from cloche.monitoring.rollups.expected import expected
from cloche.monitoring.rollups.fields import class_counts, confidences, field_tallies, number_tallies, sums_of_numbers
from cloche.monitoring.samples import Samples
from cloche.monitoring.tallies import LATENCY_FLOOR_MS, LATENCY_GROWTH, OutputTally, Tally
from cloche.prediction_log.homes import home
from cloche.profile import normal_scores

Places = np.ndarray[Any, np.dtype[np.int64]]
MINUTE_S: Final = 60
_US: Final = 1_000_000
_OK: Final = 200
_MAX_PROBLEMS: Final = 200


@dataclass(frozen=True, slots=True)
class RollUp:
    """
    What one version answered on one route from `start` (seconds since 1970) for `seconds`; `samples` where they were
    asked for and are kept.
    """

    start: int
    seconds: int
    version: int
    contract: int
    route: str
    tally: Tally
    samples: Samples = field(default_factory=dict)


def count(rows: Any, version: int, contract: int, reference: Reference, seconds: int = MINUTE_S) -> list[RollUp]:
    """
    The roll-ups of *rows*, answers of one version in an Arrow table of the log.

    A request of several rows counts once: by its first row.
    """
    arrow = home("arrow")
    minute = arrow.whole_of(rows, "time") // (seconds * _US) * seconds
    routes, route = arrow.codes_of(rows, "route")
    route = np.where(route < 0, len(routes), route)
    groups, inverse = np.unique(np.stack([minute, route]), axis=1, return_inverse=True)
    inverse = inverse.ravel()
    tallies = [Tally() for _ in range(groups.shape[1])]
    _requests(rows, inverse, tallies)
    _answers(rows, inverse, tallies, reference)
    names = [*routes, ""]
    return [
        RollUp(int(start), seconds, version, contract, names[int(place)], tally)
        for (start, place), tally in zip(groups.T, tallies, strict=True)
    ]


# -- requests -----------------------------------------------------------------------------------


def _requests(rows: Any, group: Places, tallies: list[Tally]) -> None:
    arrow = home("arrow")
    first = arrow.whole_of(rows, "row") <= 0  # -1: a request without rows, or that failed
    status = arrow.whole_of(rows, "status")[first]
    latency = np.maximum(np.nan_to_num(arrow.numbers_of(rows, "latency_ms")[first]), LATENCY_FLOOR_MS)
    bucket = np.ceil(np.log(latency) / np.log(LATENCY_GROWTH)).astype(np.int64)
    of = group[first]
    for place, n in enumerate(np.bincount(of, minlength=len(tallies))):
        tallies[place].requests = int(n)
    for place, value, n in _counted(of, status):
        tallies[place].status = {**tallies[place].status, str(value): n}
    for place, value, n in _counted(of, bucket):
        tallies[place].latency[value] = n
    for row, text in arrow.texts_of(rows, "problems"):
        problems = tallies[int(group[row])].problems
        if text in problems or len(problems) < _MAX_PROBLEMS:
            problems[text] = problems.get(text, 0) + 1


def _counted(group: Places, value: Places) -> Iterator[tuple[int, int, int]]:
    """Every pair of group and value, and how often it is there."""
    if not len(group):
        return
    pairs, counts = np.unique(np.stack([group, value]), axis=1, return_counts=True)
    yield from zip(pairs[0].tolist(), pairs[1].tolist(), counts.tolist(), strict=True)


# -- answers ------------------------------------------------------------------------------------


def answered(rows: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of *rows* hold an answer."""
    arrow = home("arrow")
    return np.asarray((arrow.whole_of(rows, "status") == _OK) & (arrow.whole_of(rows, "row") >= 0))


def _answers(rows: Any, group: Places, tallies: list[Tally], reference: Reference) -> None:
    arrow = home("arrow")
    there = answered(rows)
    of, groups = group[there], len(tallies)
    for place, n in enumerate(np.bincount(of, minlength=groups)):
        tallies[place].rows = int(n)
    rows = rows.filter(arrow.mask(there))
    binned: dict[str, Places] = {}
    for known in reference.fields.values():
        found = field_tallies(rows, known, of, groups, binned)
        for place, one in enumerate(found or ()):
            tallies[place].fields[known.name] = one
    _outputs(rows, of, tallies, reference)
    for place, products in enumerate(_products(binned, of, groups, reference)):
        tallies[place].products = products


def _outputs(rows: Any, of: Places, tallies: list[Tally], reference: Reference) -> None:
    groups = len(tallies)
    # A number that no reference is known of is no class either: its values would stand in the table, one by one.
    plain = reference.number is None and _of_numbers(rows)
    classes = class_counts(rows, of, groups) if reference.number is None and not plain else [{}] * groups
    numbers = (
        sums_of_numbers(rows, "prediction", of, groups)
        if plain
        else number_tallies(rows, "prediction", reference.number, of, groups)
    )
    confident = confidences(rows, reference.confidence, of, groups)
    sums = expected(rows, reference.estimation, of, groups)
    for place, tally in enumerate(tallies):
        tally.output = OutputTally(
            rows=tally.rows,
            classes=classes[place],
            number=numbers[place] if numbers else None,
            confidence=confident[place] if confident else None,
            sums=sums[place] if sums else {},
        )


def _of_numbers(rows: Any) -> bool:
    return "probabilities" not in rows.column_names and bool(home("arrow").is_floating(rows, "prediction"))


def _products(binned: dict[str, Places], of: Places, groups: int, reference: Reference) -> list[list[float]]:
    """Sums of products of the normal scores of each pair of fields, by group; 0 stands for what is missing."""
    if not reference.pairs or not all(one in binned for pair in reference.pairs for one in pair):
        return [[] for _ in range(groups)]
    names = list(dict.fromkeys(name for pair in reference.pairs for name in pair))
    scores = np.array([_scores(reference.fields[name])[binned[name]] for name in names])  # place -1 is what is missing
    place = {name: row for row, name in enumerate(names)}
    left, right = ([place[pair[side]] for pair in reference.pairs] for side in (0, 1))
    found = []
    for one in range(groups):
        those = scores if groups == 1 else scores[:, of == one]
        found.append((those @ those.T)[left, right].tolist())
    return found


def _scores(field: FieldReference) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.append(normal_scores(field.counts), 0.0)
