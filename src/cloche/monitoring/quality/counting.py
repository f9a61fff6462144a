"""Answers with their truths to tallies, a pass of numpy for each group of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cloche.contract.model import Output
from cloche.evaluation.chances import CALIBRATION_BINS
from cloche.evaluation.counted import Moments
from cloche.monitoring.quality.tallies import QualityTally, delay_bucket
from cloche.monitoring.rollups.expected import SCORE_BINS, score_bins
from cloche.prediction_log.homes import home
from cloche.prediction_log.joining import Truth

Places = np.ndarray[Any, np.dtype[np.int64]]
Values = np.ndarray[Any, np.dtype[np.float64]]
#: Tasks whose quality is followed.
TASKS: Final = ("classification", "regression")
#: Of more classes no areas under curves are counted.
MAX_SCORED_CLASSES: Final = 10
_TINY: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Answers:
    """
    n answers of one version: `said` and `truth` are places in `names` (−1: no label), or numbers (NaN).

    `shares` (n, k) are probabilities. `delay` is in seconds, NaN without a label; `status` what joining says of it.
    """

    names: tuple[str, ...]
    said: Any
    truth: Any
    shares: Values | None
    delay: Values
    status: np.ndarray[Any, Any]
    centre: float = 0.0

    @property
    def labelled(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which of them have a truth that can be compared."""
        if self.names:
            return np.asarray((self.truth >= 0) & (self.said >= 0))
        return np.asarray(np.isfinite(self.truth) & np.isfinite(self.said))

    def losses(self) -> Values:
        """0 or 1 for a class, |error| for a number; NaN without a truth."""
        lost = (self.said != self.truth) * 1.0 if self.names else np.abs(self.said - self.truth)
        return np.where(self.labelled, lost, np.nan)


def answers_of(rows: Any, output: Output, truths: Sequence[Truth | None], centre: float) -> Answers:
    """*rows* of the log (an Arrow table of one version's answers) with the *truths* that labels told of them."""
    arrow = home("arrow")
    at = arrow.numbers_of(rows, "time")
    received = np.array([np.nan if one is None else one.received_us / 1e6 for one in truths], dtype=np.float64)
    status = np.array(["" if one is None else one.status for one in truths], dtype=object)
    delay = received - at
    if output.task == "regression":
        known = np.array([np.nan if one is None else float(one.value) for one in truths], dtype=np.float64)
        return Answers((), arrow.numbers_of(rows, "prediction"), known, None, delay, status, centre)
    names = tuple(str(one) for one in output.classes or ())
    place = {name: code for code, name in enumerate(names)}
    texts, codes = arrow.codes_of(rows, "prediction")
    said = np.array([place.get(text, -1) for text in texts] + [-1], dtype=np.int64)[codes]
    truth = np.array([-1 if one is None else place.get(str(one.value), -1) for one in truths], dtype=np.int64)
    shares = arrow.lists_of(rows, "probabilities", len(names)) if "probabilities" in rows.column_names else None
    return Answers(names, said, truth, shares, delay, status)


def tally(answers: Answers, picked: Places) -> QualityTally:
    """What is counted of the *picked* ones."""
    known = picked[answers.labelled[picked]]
    found = QualityTally(rows=int(picked.size), labelled=int(known.size))
    if answers.names:
        said = answers.said[picked]
        found.said = _named(np.bincount(said[said >= 0], minlength=len(answers.names)), answers.names)
    if not known.size:
        return found
    found.late = int((answers.status[known] == "late").sum())
    found.corrected = int((answers.status[known] == "corrected").sum())
    for seconds in answers.delay[known]:
        bucket = delay_bucket(float(seconds))
        found.delay[bucket] = found.delay.get(bucket, 0) + 1
    if answers.names:
        _classes(found, answers, known)
    else:
        found.sums = Moments.sums(answers.truth[known], answers.said[known], answers.centre)
    return found


def _classes(found: QualityTally, answers: Answers, known: Places) -> None:
    k = len(answers.names)
    truth, said = answers.truth[known], answers.said[known]
    counts = np.bincount(truth * k + said, minlength=k * k).reshape(k, k)
    found.confusion = {
        name: _named(row, answers.names) for name, row in zip(answers.names, counts, strict=True) if row.any()
    }
    if answers.shares is None:
        return
    shares = answers.shares[known]
    usable = np.isfinite(shares).all(axis=1)
    if usable.any():
        _chances(found, answers.names, truth[usable], shares[usable])


def _chances(found: QualityTally, names: tuple[str, ...], truth: Places, shares: Values) -> None:
    """As `evaluation.chances` has it, in sums."""
    n, k = shares.shape
    surprise = -np.log(np.clip(shares[np.arange(n), truth], _TINY, 1.0))
    of_it = (truth[:, None] == np.arange(k)).astype(np.float64)
    distance = ((shares - of_it) ** 2).sum(axis=1) * (0.5 if k == 2 else 1.0)
    found.sums = {
        "n": float(n),
        "log_loss": float(surprise.sum()),
        "log_loss2": float(surprise @ surprise),
        "brier": float(distance.sum()),
        "brier2": float(distance @ distance),
    }
    confidence, right = shares.max(axis=1), (shares.argmax(axis=1) == truth).astype(np.float64)
    place = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    weights = (np.ones(n), confidence, confidence**2, right, right * confidence)
    sums = np.array([np.bincount(place, weights=one, minlength=CALIBRATION_BINS) for one in weights])
    found.bins = {int(one): sums[:, one].tolist() for one in np.flatnonzero(sums[0])}
    if k > MAX_SCORED_CLASSES:
        return
    for code in (1,) if k == 2 else range(k):
        bins = score_bins(shares[:, code])
        sides = np.bincount(bins * 2 + (truth == code), minlength=2 * SCORE_BINS).reshape(SCORE_BINS, 2)
        found.scores[names[code]] = {int(one): sides[one].tolist() for one in np.flatnonzero(sides.sum(axis=1))}


def _named(counts: Any, names: tuple[str, ...]) -> dict[str, int]:
    return {name: int(n) for name, n in zip(names, counts.tolist(), strict=True) if n}
