"""What rules see beside the log: which hosts serve a model, when it was asked last, what long windows hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from cloche.monitoring.alerts.facts import Window
from cloche.monitoring.rollups import RollUp, history
from cloche.monitoring.tallies import served, summed
from cloche.registry import reports
from cloche.registry.reports import AgentReport
from cloche.store import Store

#: Reports come every half minute.
_REPORTS_S: Final = 10.0
_DAY_S: Final = 86_400.0
#: So far back it is looked for the last request, in steps.
_BACK_S: Final = (3_600.0, _DAY_S, 7 * _DAY_S)
#: A host that was silent for longer has been taken away, and is missed by nobody.
_MISSED_S: Final = _DAY_S


class Hosts:
    """The hosts of a store by their reports, read at most every ten seconds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read = -math.inf
        self._known: list[AgentReport] = []

    def ready(self, model: str, now: float) -> bool | None:
        """Whether a host serves *model*; None where none has, or all of those were stopped in order."""
        those = [(one, one.model(model)) for one in self._reports(now)]
        serving = [(one, what) for one, what in those if what is not None]
        if not serving:
            return None
        return any(what.serving and one.age_s(_moment(now)) <= reports.CURRENT_S for one, what in serving)

    def log_waiting_s(self, now: float) -> float | None:
        """How long the oldest record of any host waits for the store, by its last report; None where none told."""
        told = [one.log_waiting_s for one in self._reports(now) if one.log_waiting_s is not None]
        return max(told, default=None)

    def _reports(self, now: float) -> list[AgentReport]:
        if abs(now - self._read) >= _REPORTS_S:
            self._read = now
            found = reports.latest(self._store, _moment(now))
            self._known = [one for one in found if not one.ended and one.age_s(_moment(now)) <= _MISSED_S]
        return self._known


class Requests:
    """What was asked of each model: windows longer than what the monitor holds anyway are read now and then."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._long: dict[tuple[str, float], tuple[float, list[RollUp]]] = {}
        self._last: dict[str, float | None] = {}

    def window(
        self, model: str, live: int | None, minutes: Sequence[RollUp], held_s: float, now: float
    ) -> Callable[[float], Window]:
        """Windows of *model* up to *now*; *minutes* are the roll-ups of the last *held_s*."""

        def of(over_s: float) -> Window:
            those = minutes if over_s <= held_s else self._read(model, over_s, now)
            inside = [one for one in those if one.start + one.seconds > now - over_s]
            return Window(
                served=summed(served(one.tally) for one in inside),
                live=summed(one.tally for one in inside if one.version == live),
            )

        return of

    def last(self, model: str, minutes: Sequence[RollUp], now: float) -> float | None:
        """About when *model* was asked last, to the minute; None where it was not in the last week."""
        found = _last_of(minutes)
        if found is None and model in self._last:
            return self._last[model]
        for back_s in _BACK_S if found is None else ():
            found = _last_of(list(history(self._store, model, now - back_s, now)))
            if found is not None:
                break
        self._last[model] = found
        return found

    def _read(self, model: str, over_s: float, now: float) -> list[RollUp]:
        read_at, found = self._long.get((model, over_s), (-math.inf, []))
        if abs(now - read_at) >= max(15.0, over_s / 60):
            found = list(history(self._store, model, now - over_s - 3_600, now + 60))
            self._long[model, over_s] = (now, found)
        return found


def _last_of(those: Sequence[RollUp]) -> float | None:
    return max((float(one.start + one.seconds) for one in those if one.tally.requests), default=None)


def _moment(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC)
