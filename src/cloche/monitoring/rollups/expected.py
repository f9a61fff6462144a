"""
What is summed of probabilities as a fold passes by, so that quality can be estimated before labels come.

Of two classes by the answer (0 or 1) and the bin of the second one's probability: `n1.57` rows, of which `c1.57` are
expected to be of the second; and the expected `log_loss` and `brier`, row by row. Of more classes `n` rows, of which
`c` are expected to be answered rightly; of up to ten also `m0.2`, how many rows that were answered as the first are
expected to be of the third, with the two losses.
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
        more = _several(rows, estimation, of, groups)
        return [{"n": float(n[one]), "c": float(c[one]), **more[one]} if n[one] else {} for one in range(groups)]
    shares = arrow.lists_of(rows, "probabilities", 2)[:, 1]
    said = _said(rows, estimation)
    there = np.isfinite(shares) & (said >= 0)
    return _two(shares[there], said[there], estimation.calibrated(shares[there]), of[there], groups)


def _said(rows: Any, estimation: Estimation) -> Places:
    """What was answered as a place in the classes; −1 where it is none of them."""
    texts, codes = home("arrow").codes_of(rows, "prediction")
    place = {name: code for code, name in enumerate(estimation.classes)}
    found: Places = np.array([place.get(text, -1) for text in texts] + [-1], dtype=np.int64)[codes]
    return found


def _several(rows: Any, estimation: Estimation, of: Places, groups: int) -> list[dict[str, float]]:
    """Of rows that were answered as a class, how many are expected to be of each; and the two losses."""
    k = len(estimation.each)
    if not k:
        return [{} for _ in range(groups)]
    shares, said = home("arrow").lists_of(rows, "probabilities", k), _said(rows, estimation)
    there = np.isfinite(shares).all(axis=1) & (said >= 0)
    shares, said, of = shares[there], said[there], of[there]
    chance = np.stack([one.calibrated(shares[:, place]) for place, one in enumerate(estimation.each)], axis=1)
    whole = chance.sum(axis=1, keepdims=True)
    chance = np.divide(chance, whole, out=np.full_like(chance, 1 / k), where=whole > 0)
    inside = np.clip(shares, _TINY, 1.0)
    losses = {
        "log_loss": -(chance * np.log(inside)).sum(axis=1),
        "brier": (shares**2).sum(axis=1) + 1 - 2 * (chance * shares).sum(axis=1),
    }
    cells = np.stack([_by(of * k + said, groups * k, chance[:, place]) for place in range(k)], axis=-1)
    sums = {name: _by(of, groups, one) for name, one in losses.items()}
    found: list[dict[str, float]] = []
    for group, those in enumerate(cells.reshape(groups, k, k)):
        told = {f"m{one}.{place}": float(those[one, place]) for one, place in np.argwhere(those > 0).tolist()}
        found.append({**told, **{name: float(one[group]) for name, one in sums.items()}} if told else {})
    return found


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
