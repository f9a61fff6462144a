"""Stretches of the log that are judged as one: closed when they hold enough, in the order of time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cloche.monitoring.drift.deciding import DriftSettings
from cloche.monitoring.samples import Samples, merged
from cloche.monitoring.tallies import Tally, summed

_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Slot:
    """What one version answered from `start` (seconds since 1970) for `seconds`, and a sample of it by field."""

    start: float
    seconds: float
    tally: Tally
    samples: Samples = field(default_factory=dict)

    @property
    def end(self) -> float:
        """When it ends."""
        return self.start + self.seconds


def windows(slots: Iterable[Slot], settings: DriftSettings) -> list[Slot]:
    """
    *slots*, in the order of time, joined to windows; the last one is what is not full yet, where there is such.

    A window is full with the slot in which it holds `window_rows` and `window_minutes`, or, from `min_rows` on, a day.
    What is quieter goes on until it has `min_rows`.
    """
    found: list[Slot] = []
    held: list[Slot] = []
    for slot in slots:
        held.append(slot)
        if full(held, settings):
            found.append(together(held))
            held = []
    return [*found, together(held)] if held else found


def full(slots: Sequence[Slot], settings: DriftSettings) -> bool:
    """Whether *slots* are a whole window."""
    rows = sum(one.tally.rows for one in slots)
    lasted_s = slots[-1].end - slots[0].start
    enough = rows >= settings.window_rows and lasted_s >= settings.window_minutes * 60
    return enough or (rows >= settings.min_rows and lasted_s >= _DAY_S)


def together(slots: Sequence[Slot]) -> Slot:
    """Several slots, in the order of time, as one."""
    tally, samples = summed(one.tally for one in slots), merged(one.samples for one in slots)
    return Slot(slots[0].start, slots[-1].end - slots[0].start, tally, samples)
