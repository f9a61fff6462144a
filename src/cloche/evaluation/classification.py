"""From answers and truths as they come to `Labels` and `Chances`, and their metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cloche.evaluation.chances import Chances, as_shares, calibration_bins
from cloche.evaluation.estimate import Estimate
from cloche.evaluation.labels import Codes, Labels
from cloche.manifest import Metric

__all__ = ["Classified", "calibration_bins", "classification_metrics", "classified"]
#: A confusion matrix is told up to this many classes.
MAX_CONFUSED_CLASSES = 50


@dataclass(frozen=True, slots=True)
class Classified:
    """Rows with a target: what they are and what was answered, and the probabilities where the model gives any."""

    labels: Labels
    chances: Chances | None

    def estimates(self, *, by_class: bool = True) -> list[Estimate]:
        """Every metric."""
        found = list(self.labels.estimates(by_class=by_class))
        return found if self.chances is None else [*found, *self.chances.estimates()]

    def confusion(self) -> dict[str, Any] | None:
        """Counts by what rows are (down) and what was answered (across)."""
        k = len(self.labels.names)
        if k > MAX_CONFUSED_CLASSES:
            return None
        counts = np.bincount(self.labels.actual * k + self.labels.answered, minlength=k * k).reshape(k, k)
        return {"classes": list(self.labels.names), "counts": counts.tolist()}


def classification_metrics(
    truth: Sequence[Any],
    predicted: Sequence[Any],
    classes: Sequence[Any],
    probabilities: Sequence[Sequence[float]] | None = None,
    *,
    split: str = "test",
) -> list[Metric]:
    """
    The metrics of labels; `probabilities` hold one list a row in the order of *classes*.

    Rows without a target are left out. A target the model does not know counts as a wrong answer;
    metrics of probabilities, which are not defined for it, leave it out (their n says so).
    """
    found = classified(truth, predicted, classes, probabilities)
    return [] if found is None else [one.metric(split) for one in found.estimates()]


def classified(
    truth: Sequence[Any],
    predicted: Sequence[Any],
    classes: Sequence[Any],
    probabilities: Sequence[Sequence[float]] | None = None,
) -> Classified | None:
    """The rows with a target, or None where there are none."""
    kept = np.array([row for row, label in enumerate(truth) if label is not None], dtype=np.int64)
    if not kept.size:
        return None
    picked, answers = [truth[row] for row in kept], [predicted[row] for row in kept]
    names = _names(classes, picked, answers)
    actual = _codes(names, picked)
    labels = Labels(actual, _codes(names, answers), tuple(map(str, names)), kept)
    if probabilities is None or not classes:
        return Classified(labels, None)
    shares = as_shares([probabilities[row] for row in kept], len(classes))
    usable = (actual < len(classes)) & np.isfinite(shares).all(axis=1)
    return Classified(labels, Chances(actual[usable], shares[usable], kept[usable]))


def _names(classes: Sequence[Any], *columns: Sequence[Any]) -> list[Any]:
    """The model's classes first, in its order; then what else occurs."""
    known = dict.fromkeys(classes)
    for column in columns:
        known.update(dict.fromkeys(column))
    return list(known)


def _codes(names: Sequence[Any], values: Sequence[Any]) -> Codes:
    position = {label: code for code, label in enumerate(names)}
    return np.array([position[value] for value in values], dtype=np.int64)
