"""
What is summed of probabilities as a fold passes by, so that quality can be estimated before labels come.

Of two classes by the answer (0 or 1) and the bin of the second one's probability: `n1.57` rows, of which `c1.57` are
expected to be of the second; and the expected `log_loss` and `brier`, row by row. Of more classes `n` rows, of which
`c` are expected to be answered rightly.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from cloche.evaluation.chances import logit
from cloche.monitoring.reference import Estimation
from cloche.prediction_log.homes import home

Places = np.ndarray[Any, np.dtype[np.int64]]
Values = np.ndarray[Any, np.dtype[np.float64]]
#: Scores are counted in bins of logit(p), a quarter wide, from −12 to 12: ties within one count half in an area.
SCORE_STEP: Final = 0.25
SCORE_BINS: Final = 96
_TINY: Final = float(np.finfo(np.float64).eps)


def expected(rows: Any, estimation: Estimation | None, of: Places, groups: int) -> list[dict[str, float]] | None:
    """The sums by group; None where nothing can be estimated. *of* says to which of *groups* a row belongs."""
    if estimation is None or estimation.of == "prediction" or "probabilities" not in rows.column_names:
        return None
    arrow = home("arrow")
    if estimation.of == "confidence":
        shares = arrow.largest_of(rows, "probabilities")
        there = np.isfinite(shares)
        right = estimation.calibrated(shares[there])
        n, c = _by(of[there], groups), _by(of[there], groups, right)
        return [{"n": float(n[one]), "c": float(c[one])} if n[one] else {} for one in range(groups)]
    shares = arrow.lists_of(rows, "probabilities", 2)[:, 1]
    texts, codes = arrow.codes_of(rows, "prediction")
    place = {name: code for code, name in enumerate(estimation.classes)}
    said = np.array([place.get(text, -1) for text in texts] + [-1], dtype=np.int64)[codes]
    there = np.isfinite(shares) & (said >= 0)
    return _two(shares[there], said[there], estimation.calibrated(shares[there]), of[there], groups)


def _two(shares: Values, said: Places, chance: Values, of: Places, groups: int) -> list[dict[str, float]]:
    cells = 2 * SCORE_BINS
    cell = of * cells + said * SCORE_BINS + score_bins(shares)
    n = np.bincount(cell, minlength=groups * cells).reshape(groups, cells)
    c = np.bincount(cell, weights=chance, minlength=groups * cells).reshape(groups, cells)
    inside = np.clip(shares, _TINY, 1 - _TINY)
    surprise = -(chance * np.log(inside) + (1 - chance) * np.log(1 - inside))
    distance = chance * (1 - shares) ** 2 + (1 - chance) * shares**2
    losses = {"log_loss": _by(of, groups, surprise), "brier": _by(of, groups, distance)}
    found: list[dict[str, float]] = []
    for group in range(groups):
        sums = {name: float(one[group]) for name, one in losses.items()}
        for place in np.flatnonzero(n[group]).tolist():
            key = f"{place // SCORE_BINS}.{place % SCORE_BINS}"
            sums[f"n{key}"], sums[f"c{key}"] = float(n[group, place]), float(c[group, place])
        found.append(sums if n[group].any() else {})
    return found


def score_bins(shares: Values) -> Places:
    """The bins of probabilities, by their logit."""
    place = np.floor(logit(shares) / SCORE_STEP + SCORE_BINS / 2)
    return np.asarray(np.clip(place, 0, SCORE_BINS - 1), dtype=np.int64)


def _by(of: Places, groups: int, weights: Any = None) -> np.ndarray[Any, Any]:
    return np.bincount(of, weights=weights, minlength=groups)
