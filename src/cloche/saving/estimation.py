"""
What quality is estimated from before labels come, learnt on the test set: `estimation` of `reference.json`.

Classes: how the model's own probabilities have to be bent to come true, so that they say how often an answer will be
right (confidence-based performance estimation). Numbers: the mean error by bin of the answer, a
binned model of the loss that sees of the inputs only what the answer shows of them (direct loss estimation).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from cloche.contract.model import Output
from cloche.evaluation.chances import logit
from cloche.records import Outputs

#: Fewer rows with a truth say too little.
MIN_ROWS: Final = 100
_BINS: Final = 20
_ROWS_A_BIN: Final = 50
#: Rows that speak for the mean loss in every bin; as many as a bin has at least speak for the fitted probability.
_PRIOR: Final = 10.0
_STEPS: Final = 50
#: Roll-ups hold the square of their number.
_MOST_CLASSES: Final = 10
_BENT: Final = ("slope", "intercept", "at", "offsets")
Values = np.ndarray[Any, np.dtype[np.float64]]


def estimation(output: Output, outputs: Outputs, truth: Sequence[Any], answers: Any) -> dict[str, Any] | None:
    """
    For the answers to the test set; *answers* is what `reference.predictions` says of them.

    None for other tasks, without probabilities, and with fewer than 100 rows of which the truth is known.
    """
    kept = [row for row, value in enumerate(truth) if value is not None]
    if output.task == "regression" and answers and "bins" in answers:
        pairs = [(outputs.prediction[row], truth[row]) for row in kept]
        return _losses(np.array(pairs, dtype=np.float64).reshape(-1, 2), answers["bins"]["edges"])
    if output.task != "classification" or outputs.probabilities is None or not output.classes:
        return None
    classes = list(output.classes)
    shares = np.array([outputs.probabilities[row] for row in kept], dtype=np.float64).reshape(-1, len(classes))
    if len(classes) == 2:
        of_it = np.array([truth[row] == classes[1] for row in kept], dtype=np.float64)
        found = _calibrated(shares[:, 1], of_it)
        return None if found is None else {"of": "probability", "classes": [str(one) for one in classes], **found}
    right = np.array([truth[row] == outputs.prediction[row] for row in kept], dtype=np.float64)
    found = _calibrated(shares.max(axis=1) if kept else np.zeros(0), right)
    if found is None:
        return None
    of_each = np.array([[truth[row] == one for one in classes] for row in kept], dtype=np.float64)
    return {"of": "confidence", **found, **_each(classes, shares, of_each)}


def _each(classes: Sequence[Any], shares: Values, of_each: Values) -> dict[str, Any]:
    """How the probabilities of each class against all others come true; of many classes that is not written down."""
    if len(classes) > _MOST_CLASSES:
        return {}
    found = [_calibrated(shares[:, place], of_each[:, place]) for place in range(len(classes))]
    bent = [{name: one[name] for name in _BENT} for one in found if one is not None]
    return {"classes": [str(one) for one in classes], "each": bent} if len(bent) == len(classes) else {}


def _calibrated(shares: Values, hit: Values) -> dict[str, Any] | None:
    """Slope and intercept on the logit scale (Platt 2000), then what is left by bins of that."""
    finite = np.isfinite(shares)
    shares, hit = shares[finite], hit[finite]
    if shares.size < MIN_ROWS:
        return None
    slope, intercept = _platt(logit(shares), hit)
    near = 1 / (1 + np.exp(-(slope * logit(shares) + intercept)))
    bins = int(np.clip(near.size // _ROWS_A_BIN, 1, _BINS))
    edges = np.unique(np.quantile(near, np.linspace(0, 1, bins + 1)))[1:-1]
    place = np.searchsorted(edges, near, side="right")
    n, middle, apart = (
        np.bincount(place, weights=one, minlength=edges.size + 1) for one in (np.ones(near.size), near, hit - near)
    )
    used = n > 0
    return {
        "slope": slope,
        "intercept": intercept,
        "at": (middle[used] / n[used]).tolist(),
        "offsets": (apart[used] / (n[used] + _ROWS_A_BIN)).tolist(),
        "n": n[used].astype(int).tolist(),
    }


def _platt(x: Values, hit: Values) -> tuple[float, float]:
    """Logistic regression by Newton's method; a weak prior for (1, 0) keeps it finite where one line separates all."""
    prior, fitted = np.array([1.0, 0.0]), np.array([1.0, 0.0])
    design = np.stack([x, np.ones(x.size)], axis=1)
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(design @ fitted, -30, 30)))
        weights = np.maximum(chance * (1 - chance), 1e-12)
        gradient = design.T @ (hit - chance) - (fitted - prior)
        step = np.linalg.solve((design * weights[:, None]).T @ design + np.eye(2), gradient)
        fitted = fitted + step / max(1.0, float(np.abs(step).max()))
        if float(np.abs(step).max()) < 1e-9:
            break
    return max(float(fitted[0]), 0.0), float(fitted[1])


def _losses(pairs: Values, edges: Sequence[float]) -> dict[str, Any] | None:
    """Means of |e|, e² and e⁴ by bin of the answer."""
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    if len(pairs) < MIN_ROWS or len(edges) < 2:
        return None
    bins = len(edges) - 1
    place = np.clip(np.searchsorted(edges, pairs[:, 0], side="right") - 1, 0, bins - 1)
    n = np.bincount(place, minlength=bins)
    error = np.abs(pairs[:, 0] - pairs[:, 1])
    found: dict[str, Any] = {"of": "prediction", "n": n.tolist()}
    for name, loss in (("a", error), ("e2", error**2), ("e4", error**4)):
        sums = np.bincount(place, weights=loss, minlength=bins) + _PRIOR * loss.mean()
        found[name] = (sums / (n + _PRIOR)).tolist()
    return found
