"""Where the model is worse than elsewhere: classes, segments, and differences between groups of a context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import Final

import msgspec
import numpy as np

from cloche.evaluation.intervals import Interval, half_width, of_two_shares, on_log, wilson
from cloche.evaluation.segments import MIN_ROWS_OF_A_LEVEL, MISSING, OTHER
from cloche.monitoring.documents import Segment
from cloche.monitoring.drift.deciding import adjust
from cloche.monitoring.quality.metrics import confusion_of, estimates
from cloche.monitoring.quality.tallies import QualityTally, together
from cloche.monitoring.quality.two_groups import means_differ, shares_differ

#: The share of false ones that is accepted among gaps that are called significant.
FALSE_DISCOVERIES: Final = 0.05
_MAX_CLASSES: Final = 20
_NORMAL: Final = NormalDist()
By = Mapping[tuple[str, str], QualityTally]


@dataclass(frozen=True, slots=True)
class _Mean:
    """n rows, the mean of their loss (or of what is right) and the variance of one row."""

    n: float
    mean: float
    variance: float

    @classmethod
    def of(cls, tally: QualityTally) -> tuple[str, _Mean] | None:
        """Accuracy, or the mean absolute error."""
        if tally.confusion:
            n = float(sum(n for row in tally.confusion.values() for n in row.values()))
            right = sum(row.get(name, 0) for name, row in tally.confusion.items()) / n
            return "accuracy", cls(n, right, right * (1 - right))
        n = tally.sums.get("n", 0.0)
        if not n or "a" not in tally.sums:
            return None
        size = tally.sums["a"] / n
        return "mae", cls(n, size, max(0.0, tally.sums["e2"] / n - size**2))

    def without(self, part: _Mean) -> _Mean | None:
        """What is left of it without *part*."""
        n = self.n - part.n
        if n < MIN_ROWS_OF_A_LEVEL:
            return None
        mean = (self.n * self.mean - part.n * part.mean) / n
        second = self.n * (self.variance + self.mean**2) - part.n * (part.variance + part.mean**2)
        return _Mean(n, mean, max(0.0, second / n - mean**2))

    def interval(self, name: str) -> Interval | None:
        if name == "accuracy":
            return wilson(self.mean * self.n, self.n)
        return on_log(self.mean, half_width(self.variance * self.n, self.n))


def classes(whole: QualityTally) -> list[Segment]:
    """Precision, recall and F1 of each class."""
    if not whole.confusion or len(confusion_of(whole).names) > _MAX_CLASSES:
        return []
    return [
        Segment(field="class", value=one.name.partition("[")[2][:-1], metric=one.name.partition("[")[0],
                n=int(one.n), estimate=one.value, low=one.interval[0] if one.interval else None,
                high=one.interval[1] if one.interval else None)
        for one in estimates(whole, by_class=True)
        if "[" in one.name
    ]  # fmt: skip


def segments(by: By) -> list[Segment]:
    """
    Accuracy or mean absolute error of each segment of at least 20 labelled rows.

    `gap` from the whole is told where the segment differs from all other rows (`two_groups`), false discoveries
    controlled over all segments (Benjamini and Hochberg 1995).
    """
    found: list[tuple[Segment, float, float]] = []
    for field in dict.fromkeys(name for name, _ in by):
        values = {value: _Mean.of(tally) for (name, value), tally in by.items() if name == field}
        whole = _Mean.of(together(tally for (name, _), tally in by.items() if name == field))
        for value, told in values.items():
            if told is None or whole is None or told[1].n < MIN_ROWS_OF_A_LEVEL:
                continue
            name, one = told
            low, high = one.interval(name) or (None, None)
            segment = Segment(
                field=field, value=value, metric=name, n=int(one.n), estimate=one.mean, low=low, high=high
            )
            found.append((segment, one.mean - whole[1].mean, _p(name, one, whole[1].without(one))))
    if not found:
        return []
    adjusted = adjust(np.array([[p] for *_, p in found]))[:, 0]
    return [
        msgspec.structs.replace(one, gap=gap if p <= FALSE_DISCOVERIES else None)
        for (one, gap, _), p in zip(found, adjusted, strict=True)
    ]


def _p(name: str, one: _Mean, rest: _Mean | None) -> float:
    if rest is None:
        return 1.0
    if name == "accuracy":
        return shares_differ(one.mean * one.n, one.n, rest.mean * rest.n, rest.n)
    return means_differ(one.n, one.mean, one.variance, rest.n, rest.mean, rest.variance)


# -- groups ---------------------------------------------------------------------------------------


def fairness(by: By, contexts: Sequence[str], positive: str | None) -> list[Segment]:
    """
    Of each group of a context column how often it is answered *positive* (`selection_rate`, of all answered rows), and
    of its labelled rows the true and the false positive rate; then the largest difference between two groups.

    The interval of a difference is Newcombe's, at a level for as many pairs as there are (Bonferroni).
    """
    if positive is None:
        return []
    found: list[Segment] = []
    for field in contexts:
        groups = {v: tally for (name, v), tally in by.items() if name == field and v not in (OTHER, MISSING)}
        for metric in ("selection_rate", "true_positive_rate", "false_positive_rate"):
            rates = {value: _rate(tally, metric, positive) for value, tally in groups.items()}
            told = {value: (hits, n) for value, (hits, n) in rates.items() if n >= MIN_ROWS_OF_A_LEVEL}
            found += _rates(field, metric, told)
    return found


def _rate(tally: QualityTally, metric: str, positive: str) -> tuple[float, float]:
    """Hits and rows."""
    if metric == "selection_rate":
        return float(tally.said.get(positive, 0)), float(sum(tally.said.values()))
    those = [row for truth, row in tally.confusion.items() if (truth == positive) == (metric == "true_positive_rate")]
    return float(sum(row.get(positive, 0) for row in those)), float(sum(n for row in those for n in row.values()))


def _rates(field: str, metric: str, told: Mapping[str, tuple[float, float]]) -> Iterator[Segment]:
    for value, (hits, n) in told.items():
        low, high = wilson(hits, n) or (None, None)
        yield Segment(field=field, value=value, metric=metric, n=int(n), estimate=hits / n, low=low, high=high)
    pairs = list(combinations(sorted(told, key=lambda one: -told[one][0] / told[one][1]), 2))
    if not pairs:
        return
    most, least = pairs[len(told) - 2]  # the first group with the last
    z = _NORMAL.inv_cdf(1 - FALSE_DISCOVERIES / 2 / len(pairs))
    ends = of_two_shares(told[most], told[least], z) or (None, None)
    gap = told[most][0] / told[most][1] - told[least][0] / told[least][1]
    yield Segment(
        field=field,
        value=f"{most} − {least}",
        metric=f"{metric}_difference",
        n=int(told[most][1] + told[least][1]),
        estimate=gap,
        low=ends[0],
        high=ends[1],
        gap=gap if ends[0] is not None and ends[0] > 0 else None,
    )
