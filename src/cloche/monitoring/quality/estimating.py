"""
Quality before labels come.

Classes, CBPE: a calibrated probability says how often such an answer is right, so that the expected confusion matrix
and the expected ROC curve follow from probabilities alone (M. Garg and others, "Leveraging unlabeled data to predict
out-of-distribution performance", ICLR 2022, for the idea; NannyML's documentation, "Confidence-based Performance
Estimation", for the estimates of precision, recall, F1 and the area). Calibrated on the test set, see
`saving.estimation`. It is right as long as the relation between inputs and truth is what it was: it sees a shift of the
inputs, not concept drift. Of three to ten classes each one against all others is calibrated too, and so the expected
confusion matrix follows; of more only the accuracy is estimated.

Numbers, DLE: the mean error on the test set by bin of the answer, weighted as the answers are distributed now. It sees
of a shift only what moves the answers.

The interval is that of the realised metric around the estimate; what chance did to the test set is not in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from cloche.evaluation.counted import Confusion, Counted, Moments, area
from cloche.evaluation.intervals import wilson
from cloche.monitoring.reference import Estimation
from cloche.monitoring.rollups.expected import SCORE_BINS
from cloche.monitoring.tallies import OutputTally


def estimated(tally: OutputTally, estimation: Estimation | None) -> list[Counted]:
    """The metrics that the answers of a stretch can be expected to have; those that are not told are not known."""
    if estimation is None:
        return []
    if estimation.of == "prediction":
        return [one for one in _direct(tally, estimation) if one.name in ("mae", "rmse")]
    if estimation.of == "confidence":
        return list(of_several(tally.sums, estimation.classes))
    return list(of_two(tally.sums, estimation.classes))


def of_two(sums: Mapping[str, float], classes: tuple[str, ...]) -> Iterator[Counted]:
    """From the sums of `rollups.expected` for two classes."""
    rows, chance = np.zeros((2, SCORE_BINS)), np.zeros((2, SCORE_BINS))
    for name, value in sums.items():
        if name[0] in "nc" and name[1:2] in ("0", "1"):
            code, place = name[1:].split(".")
            (rows if name[0] == "n" else chance)[int(code), int(place)] = value
    n = float(rows.sum())
    if not n:
        return
    of, others = chance.sum(axis=1), (rows - chance).sum(axis=1)
    confusion = Confusion(classes, np.array([[others[0], others[1]], [of[0], of[1]]]))
    second = {f"{name}[{classes[1]}]" for name in ("precision", "recall", "f1")}
    yield from (
        one
        for one in confusion.estimates(by_class=True)
        if one.name in second or ("[" not in one.name and not one.name.endswith("_macro"))
    )
    found = area("roc_auc", [(chance.sum(axis=0), (rows - chance).sum(axis=0))])
    if found is not None:
        yield found
    for name in ("log_loss", "brier"):
        yield Counted(name, sums.get(name, 0.0) / n, n)


def of_several(sums: Mapping[str, float], classes: tuple[str, ...]) -> Iterator[Counted]:
    """From the sums of `rollups.expected` for more classes; of many of them, the accuracy alone."""
    n, right = sums.get("n", 0.0), sums.get("c", 0.0)
    if n:
        yield Counted("accuracy", right / n, n, wilson(right, n))
    counts = np.zeros((len(classes), len(classes)))
    for name, value in sums.items():
        if name[0] == "m":
            said, of = map(int, name[1:].split("."))
            counts[of, said] = value
    known = float(counts.sum())
    if not known:
        return
    yield from (one for one in Confusion(classes, counts).estimates() if one.name != "accuracy")
    for name in ("log_loss", "brier"):
        yield Counted(name, sums.get(name, 0.0) / known, known)


def _direct(tally: OutputTally, estimation: Estimation) -> Iterator[Counted]:
    counts = np.array([] if tally.number is None else tally.number.counts, dtype=np.float64)
    if counts.size != len(estimation.a) or not counts.sum():
        return
    sums = {name: float(counts @ np.array(getattr(estimation, name))) for name in ("a", "e2", "e4")}
    yield from Moments({"n": float(counts.sum()), **sums}).estimates()
