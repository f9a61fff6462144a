"""Accuracy, balanced accuracy, precision, recall, F1, log loss, Brier score and ROC AUC, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cloche.evaluation import intervals
from cloche.evaluation.intervals import Floats
from cloche.manifest import Metric

#: Per-class metrics are listed up to this many classes.
MAX_LISTED_CLASSES = 20
CALIBRATION_BINS = 10

Ints = np.ndarray[Any, np.dtype[np.int64]]


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
    kept = [row for row, label in enumerate(truth) if label is not None]
    if not kept:
        return []
    labels = _labels(classes, [truth[row] for row in kept], [predicted[row] for row in kept])
    actual = _codes(labels, [truth[row] for row in kept])
    answered = _codes(labels, [predicted[row] for row in kept])
    found = _of_labels(actual, answered, labels, split)
    if probabilities is not None and classes:
        chances = np.array([probabilities[row] for row in kept], dtype=np.float64)
        usable = (actual < len(classes)) & np.isfinite(chances).all(axis=1)
        found += _of_probabilities(actual[usable], chances[usable], split)
    return found


def calibration_bins(correct: Floats, confidence: Floats) -> list[dict[str, float]]:
    """Ten equal bins of confidence: rows, mean confidence, share that was right (empty bins are left out)."""
    place = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    found = []
    for number in range(CALIBRATION_BINS):
        inside = place == number
        if inside.any():
            found.append(
                {
                    "from": number / CALIBRATION_BINS,
                    "to": (number + 1) / CALIBRATION_BINS,
                    "n": int(inside.sum()),
                    "confidence": float(confidence[inside].mean()),
                    "accuracy": float(correct[inside].mean()),
                }
            )
    return found


def _labels(classes: Sequence[Any], *columns: Sequence[Any]) -> list[Any]:
    """The model's classes first, in its order; then what else occurs."""
    known = dict.fromkeys(classes)
    for column in columns:
        known.update(dict.fromkeys(column))
    return list(known)


def _codes(labels: Sequence[Any], values: Sequence[Any]) -> Ints:
    position = {label: code for code, label in enumerate(labels)}
    return np.array([position[value] for value in values], dtype=np.int64)


# -- labels ---------------------------------------------------------------------------------------


def _of_labels(actual: Ints, answered: Ints, labels: Sequence[Any], split: str) -> list[Metric]:
    n = int(actual.size)
    right = int((actual == answered).sum())
    found = [Metric("accuracy", right / n, split, n, intervals.wilson(right, n), "wilson")]
    cells, counts = np.unique(actual * len(labels) + answered, return_counts=True)
    rows, columns = np.divmod(cells, len(labels))
    once = _rates(counts[None, :].astype(np.float64), rows, columns, len(labels))
    often = _rates(intervals.resample_counts(counts.astype(np.float64)), rows, columns, len(labels))
    found += [
        Metric(name, float(once[name][0]), split, n, intervals.percentile(often[name]), "bootstrap")
        for name in ("balanced_accuracy", "precision_macro", "recall_macro", "f1_macro")
    ]
    if len(labels) <= MAX_LISTED_CLASSES:
        for code, label in enumerate(labels):
            found += _of_class(code, str(label), actual, answered, often["f1"][:, code], split)
    return found


def _rates(counts: Floats, rows: Ints, columns: Ints, k: int) -> dict[str, Floats]:
    """Precision, recall and F1 of a whole stack of confusion tables; a rate without a denominator counts 0."""
    pick = np.arange(k)
    support = counts @ (rows[:, None] == pick).astype(np.float64)
    guessed = counts @ (columns[:, None] == pick).astype(np.float64)
    hits = counts @ ((rows[:, None] == pick) & (columns[:, None] == pick)).astype(np.float64)
    precision, recall = _share(hits, guessed), _share(hits, support)
    f1 = _share(2 * hits, support + guessed)
    seen = (support + guessed) > 0
    return {
        "balanced_accuracy": recall.sum(axis=1) / np.maximum((support > 0).sum(axis=1), 1),
        "precision_macro": precision.sum(axis=1) / np.maximum(seen.sum(axis=1), 1),
        "recall_macro": recall.sum(axis=1) / np.maximum(seen.sum(axis=1), 1),
        "f1_macro": f1.sum(axis=1) / np.maximum(seen.sum(axis=1), 1),
        "f1": f1,
    }


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _of_class(code: int, label: str, actual: Ints, answered: Ints, f1s: Floats, split: str) -> list[Metric]:
    """Precision over the rows answered so, recall over the rows that are so, F1 over both."""
    hits = int(((actual == code) & (answered == code)).sum())
    guessed, support = int((answered == code).sum()), int((actual == code).sum())
    found = []
    for name, whole in (("precision", guessed), ("recall", support)):
        if whole:
            found.append(
                Metric(f"{name}[{label}]", hits / whole, split, whole, intervals.wilson(hits, whole), "wilson")
            )
    if guessed + support:
        value = 2 * hits / (guessed + support)
        found.append(Metric(f"f1[{label}]", value, split, int(actual.size), intervals.percentile(f1s), "bootstrap"))
    return found


# -- probabilities --------------------------------------------------------------------------------


def _of_probabilities(actual: Ints, chances: Floats, split: str) -> list[Metric]:
    n, k = chances.shape
    if not n:
        return []
    truth = (actual[:, None] == np.arange(k)).astype(np.float64)
    surprise = -np.log(np.clip(chances[np.arange(n), actual], np.finfo(np.float64).eps, 1.0))
    distance = ((chances - truth) ** 2).sum(axis=1) * (0.5 if k == 2 else 1.0)
    found = [
        Metric("log_loss", float(surprise.mean()), split, n, intervals.of_mean(surprise), "normal"),
        Metric("brier", float(distance.mean()), split, n, intervals.of_mean(distance), "normal"),
    ]
    return found + (_binary_auc(truth[:, 1], chances[:, 1], split) if k == 2 else _macro_auc(truth, chances, split))


def _binary_auc(truth: Floats, score: Floats, split: str) -> list[Metric]:
    n, positives = int(truth.size), int(truth.sum())
    if positives in (0, n):
        return []
    auc = float(_auc(truth, score, np.ones((1, n)))[0])
    return [Metric("roc_auc", auc, split, n, intervals.of_auc(auc, positives, n - positives), "newcombe")]


def _macro_auc(truth: Floats, chances: Floats, split: str) -> list[Metric]:
    """One class against the rest, averaged over the classes; needs every class among the rows."""
    n, k = truth.shape
    if not 2 < k <= MAX_LISTED_CLASSES or (truth.sum(axis=0) == 0).any() or (truth.sum(axis=0) == n).any():
        return []

    def estimate(rows: np.ndarray[Any, Any], weights: Floats) -> Floats:
        each = [_auc(truth[rows, one], chances[rows, one], weights) for one in range(k)]
        return np.asarray(np.mean(each, axis=0), dtype=np.float64)

    auc = float(estimate(np.arange(n), np.ones((1, n)))[0])
    return [Metric("roc_auc_ovr", auc, split, n, intervals.bootstrap(n, estimate), "bootstrap")]


def _auc(truth: Floats, score: Floats, weights: Floats) -> Floats:
    """The weighted Mann–Whitney statistic, ties counted half; one value a row of *weights*."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    positive = np.add.reduceat(weights[:, order] * truth[order], starts, axis=1)
    negative = np.add.reduceat(weights[:, order] * (1 - truth[order]), starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((positive * below).sum(axis=1) / (positive.sum(axis=1) * negative.sum(axis=1)))
