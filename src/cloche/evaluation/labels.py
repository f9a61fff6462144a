"""Accuracy, balanced accuracy, precision, recall and F1 of labels, by class and averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cloche.evaluation import intervals
from cloche.evaluation.estimate import Estimate, Rows, Strata
from cloche.evaluation.intervals import Floats

Codes = np.ndarray[Any, np.dtype[np.int64]]
#: Per-class metrics are listed up to this many classes.
MAX_LISTED_CLASSES = 20
#: Of a share: rows of the class for a recall, answered so for a precision.
MIN_ROWS = 10


@dataclass(frozen=True, slots=True)
class Labels:
    """
    Rows by what they are and what was answered, as numbers of *names*: (n,) each.

    A rate without a denominator counts 0, as in scikit-learn; averages are over the classes that occur on
    either side, those of balanced accuracy over the classes that the rows are of.
    """

    actual: Codes
    answered: Codes
    names: tuple[str, ...]
    rows: Rows

    def estimates(self, *, by_class: bool = True) -> Iterator[Estimate]:
        """Every metric of labels."""
        rates = _Rates.of(self)
        yield rates.accuracy("accuracy")
        several = np.count_nonzero(rates.support) > 1
        yield from (one if several else replace(one, need="rows of two classes") for one in rates.averages())
        if by_class and len(self.names) <= MAX_LISTED_CLASSES:
            for code, name in enumerate(self.names):
                yield from rates.of_class(code, name)


def _need(n: int, least: int) -> str | None:
    return None if n >= least else f"{least} rows"


@dataclass(frozen=True, slots=True)
class _Rates:
    """By class: the share of rows that are it, that are answered so, and what follows from both."""

    labels: Labels
    hit: Floats  #: (n,) 1 where the answer is right
    support: Floats
    guessed: Floats
    precision: Floats
    recall: Floats
    f1: Floats

    @classmethod
    def of(cls, labels: Labels) -> _Rates:
        k, n = len(labels.names), labels.actual.size
        hit = (labels.actual == labels.answered).astype(np.float64)
        support = np.bincount(labels.actual, minlength=k) / n
        guessed = np.bincount(labels.answered, minlength=k) / n
        hits = np.bincount(labels.actual, weights=hit, minlength=k) / n
        return cls(
            labels, hit, support, guessed,
            _share(hits, guessed), _share(hits, support), _share(2 * hits, support + guessed),
        )  # fmt: skip

    def accuracy(self, name: str) -> Estimate:
        n, hits = self.hit.size, round(float(self.hit.sum()))
        everything = Strata(self.hit, np.zeros(n, dtype=np.int64), np.ones(1))
        return Estimate(
            name, hits / n, self.labels.rows, intervals.wilson(hits, n), "wilson",
            lambda: self.hit - hits / n, _need(n, MIN_ROWS), strata=everything,
        )  # fmt: skip

    def averages(self) -> Iterator[Estimate]:
        """Over the classes: evenly, and by how many rows each has."""
        occurs = (self.support + self.guessed) > 0
        even = occurs / max(1, int(occurs.sum()))
        there = (self.support > 0) / max(1, int((self.support > 0).sum()))
        yield self._recall("balanced_accuracy", there)
        yield self._precision("precision_macro", even, even)
        yield self._recall("recall_macro", even)
        yield self._f1("f1_macro", even, lambda: self._of_f1(even))
        yield self._precision("precision_weighted", self.support, even)
        yield self.accuracy("recall_weighted")
        weights = self._of_weights(self.f1)
        yield self._f1("f1_weighted", self.support, lambda: self._of_f1(self.support) + weights)

    def of_class(self, code: int, name: str) -> Iterator[Estimate]:
        """Precision over the rows answered so, recall over the rows that are so, F1 over both."""
        only = (np.arange(len(self.labels.names)) == code).astype(np.float64)
        n = self.hit.size
        if self.guessed[code]:
            yield replace(self._precision(f"precision[{name}]", only, only), n=round(self.guessed[code] * n))
        if self.support[code]:
            yield replace(self._recall(f"recall[{name}]", only), n=round(self.support[code] * n))
        if self.guessed[code] + self.support[code]:
            yield self._f1(f"f1[{name}]", only, lambda: self._of_f1(only))

    def _recall(self, name: str, weights: Floats) -> Estimate:
        strata = Strata(self.hit, self.labels.actual, weights)
        interval = intervals.of_strata(strata.counted(self.hit), self.support * self.hit.size, weights)
        return Estimate(
            name, float(self.recall @ weights), self.labels.rows, interval, _shares_method(weights),
            lambda: self._of_recall(weights), self._few(weights, self.support, "of"), strata=strata,
        )  # fmt: skip

    def _precision(self, name: str, weights: Floats, needed: Floats) -> Estimate:
        strata = Strata(self.hit, self.labels.answered, weights)
        interval = intervals.of_strata(strata.counted(self.hit), self.guessed * self.hit.size, weights)
        estimate = Estimate(
            name, float(self.precision @ weights), self.labels.rows, interval, _shares_method(weights),
            lambda: self._of_precision(weights), self._few(needed, self.guessed, "answered as"),
            said=self.labels.answered,
        )  # fmt: skip
        return estimate if weights is not self.support else self._with_weights(estimate)

    def _with_weights(self, estimate: Estimate) -> Estimate:
        """Of a weighted precision, whose weights are no less estimated than the shares; see bench/coverage.py."""
        influence = self._of_precision(self.support) + self._of_weights(self.precision)
        interval = intervals.of_share(estimate.value, influence)
        if interval is None:  # 0 or 1: the shares alone
            return replace(estimate, influence=lambda: influence)
        return replace(estimate, influence=lambda: influence, interval=interval, method="delta")

    def _f1(self, name: str, weights: Floats, influence: Callable[[], Floats]) -> Estimate:
        value = float(self.f1 @ weights)
        need = self._few(weights, self.support, "of") or self._few(weights, self.guessed, "answered as")
        return Estimate(
            name, value, self.labels.rows, intervals.of_share(value, influence()), "delta", influence, need,
            said=self.labels.answered,
        )  # fmt: skip

    def _few(self, weights: Floats, shares: Floats, what: str) -> str | None:
        """What is missing where a class that counts has too few rows."""
        counts = np.rint(shares * self.hit.size).astype(np.int64)
        if self.hit.size < MIN_ROWS:
            return f"{MIN_ROWS} rows"
        used = np.flatnonzero(weights > 0)
        least = int(used[counts[used].argmin()])
        if counts[least] >= MIN_ROWS:
            return None
        return f"{MIN_ROWS} rows {what} each class, '{self.labels.names[least]}' has {counts[least]}"

    # -- influence functions, (n,), of averages with these weights by class --------------------------

    def _of_recall(self, weights: Floats) -> Floats:
        actual = self.labels.actual
        return (self.hit - self.recall[actual]) * _share(weights, self.support)[actual]

    def _of_precision(self, weights: Floats) -> Floats:
        answered = self.labels.answered
        return (self.hit - self.precision[answered]) * _share(weights, self.guessed)[answered]

    def _of_f1(self, weights: Floats) -> Floats:
        """F1 is 2 · hits / (support + guessed): a ratio of means."""
        by_class = _share(weights, self.support + self.guessed)
        lost = by_class * self.f1
        actual, answered = self.labels.actual, self.labels.answered
        return 2 * self.hit * by_class[actual] - lost[actual] - lost[answered]

    def _of_weights(self, rates: Floats) -> Floats:
        """The weights of a weighted average are estimated too."""
        return rates[self.labels.actual] - float(rates @ self.support)


def _shares_method(weights: Floats) -> str:
    return "wilson" if np.count_nonzero(weights) == 1 else "mover wilson"


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)
