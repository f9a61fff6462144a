"""How long labels take: which share of them has come after a time, from what came so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cloche.monitoring.quality.tallies import delay_bucket, delay_end

#: A step is provisional until so many of its labels have come, of those that will.
MATURE: Final = 0.95
_MIN_LABELS: Final = 20


@dataclass(frozen=True, slots=True)
class Delays:
    """By bucket of delay the share of labels that have come by its end, of all that come; `n` labels say so."""

    first: int
    shares: np.ndarray[Any, np.dtype[np.float64]]
    n: int

    @classmethod
    def of(cls, seen: Iterable[tuple[float, Mapping[int, int]]]) -> Delays:
        """
        *seen*: how old the youngest answers of a stretch are, in seconds, and how many labels came by bucket of delay.

        Young answers have had no time for long delays, so that a mere count is too quick. The reversed hazard, the
        share of a delay among those up to it, is counted on answers that are old enough for it (S. W. Lagakos,
        L. M. Barraj, V. De Gruttola, Biometrika 75, 1988); what is longer than all answers are old nobody can know.
        """
        those = [(age, dict(counts)) for age, counts in seen if counts]
        if not those:
            return cls(0, np.ones(0), 0)
        first = min(min(counts) for _, counts in those)
        size = max(max(counts) for _, counts in those) - first + 1
        held = np.zeros((len(those), size))
        for row, (_, counts) in enumerate(those):
            for bucket, n in counts.items():
                held[row, bucket - first] = n
        ages = np.array([age for age, _ in those])
        ends = np.array([delay_end(first + place) for place in range(size)])
        old = ages[:, None] >= ends[None, :]
        so_far = (np.cumsum(held, axis=1) * old).sum(axis=0)
        hazard = np.divide((held * old).sum(axis=0), so_far, out=np.zeros(size), where=so_far > 0)
        later = np.append(np.cumprod((1 - hazard)[::-1])[::-1][1:], 1.0)
        return cls(first, later, int(held.sum()))

    def come(self, age_s: float) -> float:
        """The share of the labels of an answer that have come when it is *age_s* old; 0 while too little is known."""
        if self.n < _MIN_LABELS or age_s <= 0:
            return 0.0
        place = delay_bucket(age_s) - (0 if delay_end(delay_bucket(age_s)) <= age_s * (1 + 1e-9) else 1) - self.first
        if place < 0:
            return 0.0
        return float(self.shares[min(place, len(self.shares) - 1)])
