"""From values to places on a drawing: pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

#: The size of a drawing in its own units; it is stretched to the page's width.
WIDTH: Final = 1_000.0
HEIGHT: Final = 240.0
#: No line has more points: more than this nobody sees, and every one is sent.
MOST_POINTS: Final = 500


@dataclass(frozen=True, slots=True)
class Scale:
    """A vertical axis from *low* to *high*, with labels at equal distances from the top down."""

    low: float
    high: float
    log: bool = False

    def place(self, value: float) -> float:
        """How far below the top *value* lies."""
        if self.log:
            low, high, at = math.log10(self.low), math.log10(self.high), math.log10(max(value, self.low))
        else:
            low, high, at = self.low, self.high, value
        share = (at - low) / (high - low)
        return round(HEIGHT * (1 - min(max(share, 0.0), 1.0)), 1)

    def ticks(self) -> list[float]:
        """The values to label, the highest first."""
        if self.log:
            decades = round(math.log10(self.high / self.low))
            every = max(1, math.ceil(decades / 4))
            return [self.high / 10**step for step in range(0, decades + 1, every)]
        return [self.high - (self.high - self.low) * step / 4 for step in range(5)]


def linear(values: Iterable[float], *, zero: bool = True, top: float | None = None) -> Scale:
    """A scale that all *values* fit on; from zero, unless their differences are what matters."""
    found = [value for value in values if math.isfinite(value)]
    low, high = (min(found), max(found)) if found else (0.0, 1.0)
    if top is not None:
        return Scale(0.0, top)
    if zero and low >= 0:
        return Scale(0.0, nice(high) if high > 0 else 1.0)
    room = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
    step = nice((high - low + 2 * room) / 4)
    start = math.floor((low - room) / step) * step
    while start + 4 * step < high:
        step = nice(step * 1.01)
        start = math.floor((low - room) / step) * step
    if low >= 0 and high <= 1 < start + 4 * step:  # what ends at 1 needs no room above
        bottom = max(0.0, 1 - 4 * step)
        return Scale(bottom if low >= bottom else 0.0, 1.0)
    return Scale(start, start + 4 * step)


def logarithmic(values: Iterable[float]) -> Scale:
    """Whole decades around all *values*."""
    found = [value for value in values if value > 0 and math.isfinite(value)]
    if not found:
        return Scale(1.0, 10.0, log=True)
    low, high = math.floor(math.log10(min(found))), math.ceil(math.log10(max(found)))
    return Scale(10.0**low, 10.0 ** max(high, low + 1), log=True)


def nice(value: float) -> float:
    """The next of 1, 2, 4, 5, 8 times a power of ten: its quarters are short to write."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= value * (1 - 1e-9))


def thinned(values: Sequence[float | None]) -> Sequence[float | None]:
    """At most `MOST_POINTS`, the last one among them."""
    every = math.ceil(len(values) / MOST_POINTS)
    return values if every <= 1 else values[::-1][::every][::-1]


def across(index: float, steps: int) -> float:
    """How far right the step *index* of so many begins."""
    return round(WIDTH * index / max(steps, 1), 1)
