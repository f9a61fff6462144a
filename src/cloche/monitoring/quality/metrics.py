"""From a tally to its metrics, in the order in which they are shown; the first one lights the lamp."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from cloche.evaluation.chances import CALIBRATION_BINS
from cloche.evaluation.counted import Confusion, Counted, Moments, area, calibration_error, mean
from cloche.evaluation.intervals import Z, wilson
from cloche.monitoring.documents import LampState
from cloche.monitoring.quality.tallies import QualityTally
from cloche.monitoring.rollups.expected import SCORE_BINS

_LOWER: Final = frozenset({"log_loss", "brier", "calibration_error", "mae", "rmse"})
_BIAS: Final = "bias"
#: Fewer labelled rows of the range give no verdict.
MIN_ROWS: Final = 50
#: A difference from the baseline that is smaller does not matter: of a share, and of a loss in parts of the baseline.
EFFECT: Final = 0.02
RELATIVE_EFFECT: Final = 0.05
#: So many standard errors of the difference: half a thousandth of looks that are independent (a day is one, or a few).
_Z_WORSE: Final = 3.29


@dataclass(frozen=True, slots=True)
class Baseline:
    """A metric on the test set when the version was saved, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def estimates(tally: QualityTally, *, by_class: bool = False) -> list[Counted]:
    """Every metric of the labelled rows; of two classes also precision, recall and F1 of the second."""
    if not tally.confusion:
        return [one for one in Moments(tally.sums).estimates() if one.name != _BIAS]
    return [*_of_labels(tally, by_class=by_class), *_of_chances(tally)]


def confusion_of(tally: QualityTally) -> Confusion:
    """The counts as an array, the classes sorted."""
    names = sorted({*tally.confusion, *(name for row in tally.confusion.values() for name in row)})
    rows = [[float(tally.confusion.get(one, {}).get(other, 0)) for other in names] for one in names]
    return Confusion(tuple(names), np.array(rows))


def positive(tally: QualityTally) -> str | None:
    """Of two classes the second, where probabilities were counted."""
    return next(iter(tally.scores)) if len(tally.scores) == 1 else None


def _of_labels(tally: QualityTally, *, by_class: bool) -> Iterator[Counted]:
    found = list(confusion_of(tally).estimates(by_class=True))
    of = positive(tally)
    second = {f"{name}[{of}]" for name in ("precision", "recall", "f1")}
    for one in found:
        plain = "[" not in one.name
        if (plain and (of is None or not one.name.endswith("_macro"))) or one.name in second or by_class:
            yield one


def _of_chances(tally: QualityTally) -> Iterator[Counted]:
    n = tally.sums.get("n", 0.0)
    sides = [sides_of(bins) for _, bins in sorted(tally.scores.items())]
    found = [
        area("roc_auc" if len(sides) == 1 else "roc_auc_ovr", sides),
        mean("log_loss", n, tally.sums.get("log_loss", 0.0), tally.sums.get("log_loss2", 0.0)),
        mean("brier", n, tally.sums.get("brier", 0.0), tally.sums.get("brier2", 0.0)),
        calibration_error(tally.bins),
    ]
    yield from (one for one in found if one is not None)


def sides_of(bins: Mapping[int, Sequence[int]]) -> tuple[Any, Any]:
    """Rows of the class and others, by bin of score."""
    counts = np.zeros((SCORE_BINS, 2))
    for place, pair in bins.items():
        counts[place] = pair
    return counts[:, 1], counts[:, 0]


def calibration(tally: QualityTally) -> list[dict[str, float]]:
    """The reliability diagram of the answered class, with the interval of each share; as `evaluation` tells it."""
    found = []
    for place in sorted(tally.bins):
        n, confidence, _, right, _ = tally.bins[place]
        low, high = wilson(right, n) or (0.0, 1.0)
        found.append(
            {
                "from": place / CALIBRATION_BINS,
                "to": (place + 1) / CALIBRATION_BINS,
                "n": n,
                "confidence": confidence / n,
                "accuracy": right / n,
                "low": low,
                "high": high,
            }
        )
    return found


def better(name: str) -> Literal["higher", "lower"]:
    """Which way is good."""
    return "lower" if name in _LOWER else "higher"


def baselines(quality: Iterable[Mapping[str, Any]]) -> dict[str, Baseline]:
    """What `reference.json` says of the test set, by metric; what was given without an interval counts as exact."""
    found = {}
    for one in quality:
        if one.get("split") == "test":
            ends = one.get("interval")
            found[one["name"]] = Baseline(one["value"], *(ends or (one["value"], one["value"])))
    return found


def verdict(one: Counted, baseline: Baseline | None, *, kind: str = "live") -> tuple[LampState, str]:
    """
    Whether a metric of a range is worse than when the version was saved, and why.

    Worse is what differs by more than matters and by more than 3.29 standard errors of the difference, the test set's
    own chance being part of it: what looks at a window each minute may not cry at the 95 % of one look. The errors are
    those towards the other value: a test set without a mistake says little of how many there are (Newcombe 1998,
    method 10; Zou and Donner 2008).
    """
    if one.need is not None or one.n < MIN_ROWS:
        return "unknown", f"{one.n:.0f} labelled rows, {MIN_ROWS} are needed"
    if baseline is None:
        return "unknown", f"{kind} {one.name} {one.value:.3g}; no test set when it was saved"
    told = f"{kind} {one.name} {one.value:.3g}, when it was saved {baseline.value:.3g}"
    worse = one.value - baseline.value if better(one.name) == "lower" else baseline.value - one.value
    share = better(one.name) == "higher"
    least = EFFECT if share else RELATIVE_EFFECT * abs(baseline.value)
    ends = one.interval or (one.value, one.value)
    down, up = (
        (baseline.value - baseline.low, ends[1] - one.value),
        (baseline.high - baseline.value, one.value - ends[0]),
    )
    error = math.hypot(*(up if better(one.name) == "lower" else down)) / Z
    return ("alarm" if worse >= least and worse > _Z_WORSE * error else "ok"), told
