"""
Concept drift: the loss of one version has risen, whatever the inputs do. HDDM with the A-test, one-sided.

I. Frías-Blanco, J. del Campo-Ávila, G. Ramos-Jiménez, R. Morales-Bueno, A. Ortiz-Díaz, Y. Caballero-Mota, "Online and
Non-Parametric Drift Detection Methods Based on Hoeffding's Bounds", IEEE Trans. Knowl. Data Eng. 27, 2015, algorithm 1.
It needs no law of the losses but that they lie in [0, 1], keeps five numbers, and forgets nothing between monitors.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

#: The chance of one comparison to err; see tests/unit/monitoring/test_concept.py for what it makes of a month.
DRIFT_CONFIDENCE: Final = 1e-4


class Detector(msgspec.Struct, kw_only=True):
    """
    The state of one version: `n` losses of sum `total` since the last drift, and the cut (`cut_n`, `cut_total`) before
    which the loss was lowest. `at` is when the last drift was seen (seconds since 1970), `before` and `after` are the
    mean losses on its two sides; `seen` counts all losses ever.
    """

    n: int = 0
    total: float = 0.0
    cut_n: int = 0
    cut_total: float = 0.0
    seen: int = 0
    at: float | None = None
    before: float | None = None
    after: float | None = None

    def take(self, loss: float, at: float, confidence: float = DRIFT_CONFIDENCE) -> bool:
        """Take one loss in [0, 1], in the order in which labels came; whether the loss has risen by now."""
        self.seen += 1
        self.n += 1
        self.total += loss
        if self.cut_n == 0:
            self.cut_n, self.cut_total = self.n, self.total
            return False
        here, lowest = _bound(self.n, confidence), _bound(self.cut_n, confidence)
        if self.cut_total / self.cut_n + lowest >= self.total / self.n + here:
            self.cut_n, self.cut_total = self.n, self.total
            return False
        if not self._risen(confidence):
            return False
        rest = self.n - self.cut_n
        self.at, self.before = at, self.cut_total / self.cut_n
        self.after = (self.total - self.cut_total) / rest
        self.n, self.total, self.cut_n, self.cut_total = 0, 0.0, 0, 0.0
        return True

    def _risen(self, confidence: float) -> bool:
        """Whether the mean of all is above that before the cut by more than Hoeffding's bound of the difference."""
        if self.n == self.cut_n:
            return False
        m = (self.n - self.cut_n) / self.n * (1.0 / self.cut_n)
        bound = math.sqrt(m / 2 * math.log(2.0 / confidence))
        return self.total / self.n - self.cut_total / self.cut_n >= bound


def _bound(n: int, confidence: float) -> float:
    return math.sqrt(1.0 / (2 * n) * math.log(1.0 / confidence))
