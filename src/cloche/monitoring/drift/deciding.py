"""
The verdict: a field has drifted only where effect, significance, persistence and enough rows come together.

Fixed thresholds cry wolf on small windows (100 rows without drift: PSI above 0.1 in 40 % of them), bare tests drown in
large ones (half a million rows: p = 3e-14 for a shift of 0.02 standard deviations). So the effect is measured without
what chance alone adds to it, and the level of the test follows from how many false alarms a month are acceptable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import special

from cloche.monitoring.drift import cells, measures

Values = np.ndarray[Any, np.dtype[np.float64]]
_MONTH_MIN: Final = 30 * 24 * 60
_LARGEST_ALPHA: Final = 0.01
#: What the reference's own chance adds to PSI is the same in every window, so persistence does not take it away: this
#: many of its standard deviations, √(2 (B − 1)) / m, are taken off the effect.
_OF_REFERENCE: Final = 3.0
#: States of a field in a window, as numbers; see `documents.DriftState`.
INSUFFICIENT, OK, SMALL, DRIFT = range(4)


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """
    When something is called drift.

    A window ends with the minute in which it has `window_minutes` and `window_rows`; one that has at least `min_rows`
    ends after a day. `effect` is the smallest PSI (without its mean under no drift) that matters, `correlation` the
    smallest change of a correlation; both have to be seen in `persist` windows one after the other.
    """

    effect: float = 0.1
    correlation: float = 0.2
    min_rows: int = 50
    window_rows: int = 500
    window_minutes: int = 60
    persist: int = 2
    false_alarms_per_month: float = 1.0

    @property
    def alpha(self) -> float:
        """
        The level at which the fields of one window are tested, false discoveries controlled.

        Independent windows pass twice in a row with alpha²: of a month's windows that is `false_alarms_per_month` at
        most. Half of it is left for what asymptotic laws get wrong; above 1 % no level is honest, because windows that
        are compared with one and the same small reference are not independent.
        """
        windows = _MONTH_MIN / max(self.window_minutes, 1)
        return min(_LARGEST_ALPHA, float((self.false_alarms_per_month / windows) ** (1 / self.persist)) / 2)


def compared(
    reference: np.ndarray[Any, Any], current: np.ndarray[Any, Any], *, ordered: int, n: int
) -> tuple[Values, Values]:
    """
    Effect and p of windows (…, cells) of about *n* rows against *reference* (cells,).

    The first *ordered* cells are bins in order; the others (levels, missing, unseen) are not. The effect is PSI less
    its mean without drift. p is the smallest of up to three tests times their number: Pearson's over all groups of
    cells; by rank over the bins, which sees a shift of the whole in few rows; and exactly whether rare cells have
    become more frequent.
    """
    group = cells.grouping(reference, n, ordered=ordered)
    before, rare_before = cells.joined(reference, group)
    now, rare_now = cells.joined(current, group)
    rows, m = current.sum(axis=-1), int(reference.sum())
    whole_before = np.append(before, rare_before)
    whole_now = np.concatenate([now, rare_now[..., None]], axis=-1)
    effect = measures.psi(whole_before, whole_now) - measures.psi_without_drift(len(whole_before), rows, m)
    effect = effect - _OF_REFERENCE * math.sqrt(2 * max(len(whole_before) - 1, 0)) / max(m, 1)
    tests = []
    if len(before) > 1:
        tests.append(measures.chi_square(before, now)[1])
    if ordered > 1:
        tests.append(measures.rank_test(reference[:ordered], current[..., :ordered])[1])
    if cells.RARE in group:
        tests.append(_more_often(rare_now, int(rare_before), rows, m))
    if not tests:
        return effect, np.ones_like(effect)
    return effect, np.minimum(1.0, len(tests) * np.min(tests, axis=0))


def _more_often(now: Values, before: int, n: Values, m: int) -> Values:
    """
    Whether what was seen *before* times in m rows and *now* times in n is more frequent now: p, exact.

    Given how often it was seen in all, each time falls into the window with n / (n + m) (Przyborowski and Wilenski
    1940).
    """
    share = n / np.maximum(n + m, 1)
    found: Values = np.where(now > 0, special.bdtrc(np.maximum(now - 1, 0), now + before, share), 1.0)
    return found


def decide(effect: Values, p: Values, rows: Values, settings: DriftSettings, least: Values | float) -> Values:
    """
    The state of every field in every window: `INSUFFICIENT`, `OK`, `SMALL` or `DRIFT`, as an array (fields, windows).

    *effect* and *p* are (fields, windows), *rows* (windows,), *least* the effect from which on it matters, of one field
    or of each (fields, 1). p is adjusted over the fields of a window by Benjamini and Hochberg (1995).
    """
    adjusted = adjust(p)
    seen = (adjusted <= settings.alpha) & (rows >= settings.min_rows)
    large = seen & (effect >= least)
    state = np.where(seen, SMALL, OK)
    held = large.copy()
    for back in range(1, settings.persist):
        held[:, back:] &= large[:, :-back]
        held[:, :back] = False
    state = np.where(held, DRIFT, state)
    return np.where(rows >= settings.min_rows, state, INSUFFICIENT)


def adjust(p: Values) -> Values:
    """
    p of (fields, windows), adjusted over the fields of each window (`scipy.stats` says the same, and takes half a
    second to import).
    """
    if p.shape[0] == 0:
        return p
    count = p.shape[0]
    order = np.argsort(-p, axis=0, kind="stable")  # the largest first
    ranks = np.arange(count, 0, -1)[:, None]
    falling = np.minimum.accumulate(np.take_along_axis(p, order, axis=0) * count / ranks, axis=0)
    found: Values = np.empty_like(p, dtype=np.float64)
    np.put_along_axis(found, order, np.minimum(falling, 1.0), axis=0)
    return found


def correlated(before: Values, now: Values, n: Values, m: int) -> tuple[Values, Values]:
    """
    The change of correlations *before* (pairs,) to *now* (pairs, windows) over *n* rows (windows,), and p.

    By Fisher's z: atanh r has variance 1 / (n − 3) for normal scores (Fisher 1921).
    """
    bound = 1 - 1e-9
    change = now - before[:, None]
    spread = np.sqrt(1 / np.maximum(n - 3, 1) + 1 / max(m - 3, 1))
    z = (np.arctanh(np.clip(now, -bound, bound)) - np.arctanh(np.clip(before, -bound, bound))[:, None]) / spread
    p: Values = np.array([math.erfc(abs(one) / math.sqrt(2)) for one in z.ravel()]).reshape(z.shape)
    return np.abs(change), p
