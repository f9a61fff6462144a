"""The windows of one version, closed one after the other as the log is folded: cost follows new rows, not history."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from cloche.monitoring.drift.deciding import DriftSettings
from cloche.monitoring.drift.windows import Slot, full, together

#: So many closed windows stay, for the trend and for "since".
KEPT: Final = 96


class Keeper:
    """
    Takes slots in the order of time, each once, and closes windows of them.

    What comes for a time that lies in a closed window is too late for a verdict; it is in the history all the same.
    """

    def __init__(self, settings: DriftSettings) -> None:
        self._settings = settings
        self._open: list[Slot] = []
        self.closed: deque[Slot] = deque(maxlen=KEPT)
        self.until = 0.0

    def take(self, slots: Iterable[Slot]) -> int:
        """Take what begins at `until` or later; how many windows that closed."""
        closed = 0
        for slot in slots:
            if slot.start < self.until:
                continue
            self.until = slot.end
            self._open.append(slot)
            if full(self._open, self._settings):
                self.closed.append(together(self._open))
                self._open = []
                closed += 1
            elif len(self._open) > 1:
                self._open = [together(self._open)]
        return closed

    @property
    def waiting(self) -> int:
        """Rows in the window that is not full yet."""
        return sum(one.tally.rows for one in self._open)
