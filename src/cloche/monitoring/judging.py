"""
The verdicts on all versions of one model that are asked, each against its own reference.

Minutes are taken as they come and windows closed once; a verdict is worked out when somebody wants it and a window of
that version has closed since. A version that was not asked for a day keeps its verdict and gives its windows away.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cloche.monitoring.documents import FieldDrift
from cloche.monitoring.drift import DriftSettings, verdicts
from cloche.monitoring.drift.keeping import Keeper
from cloche.monitoring.drift.windows import Slot
from cloche.monitoring.reference import Reference
from cloche.monitoring.rollups import RollUp
from cloche.monitoring.samples import merged
from cloche.monitoring.seen import SERVICE_S
from cloche.monitoring.tallies import summed

#: How far back windows are looked for when a monitor starts, and when a version is asked again: with some rows a day a
#: window lasts days, and older roll-ups are one an hour.
BACK_S: Final = 40 * 86_400.0
#: A minute is whole when so many seconds have passed since its end: segments land within some seconds.
SETTLED_S: Final = 20.0
#: Minutes may be folded so late and are judged all the same.
LATE_S: Final = SERVICE_S - 300.0
_REST_S: Final = 86_400.0
#: Of so many versions that are not asked the verdict is kept.
_MOST_RESTING: Final = 32
#: Roll-ups with their samples, from a moment up to another, of one version or of all.
History = Callable[[float, float, int | None], Iterable[RollUp]]


@dataclass(slots=True)
class _Judged:
    """One version: its windows, while it is asked, and the verdict on the last of them."""

    keeper: Keeper | None
    until: float = 0.0
    verdict: list[FieldDrift] | None = None


class Judging:
    """The verdicts on the versions of one model, from the roll-ups that *history* gives."""

    def __init__(self, settings: DriftSettings, reference_of: Callable[[int], Reference], history: History) -> None:
        self._settings = settings
        self._reference_of = reference_of
        self._history = history
        self._versions: dict[int, _Judged] = {}
        self._until = 0.0

    def look(self, live: int | None, minutes: Sequence[RollUp], now: float) -> None:
        """
        Take what is new; *minutes* are the roll-ups of the last `SERVICE_S` seconds, without samples.

        Raises:
            StoreError: the store did not answer; what is new is taken with the next look.
        """
        start = max(self._until - LATE_S, now - BACK_S)
        enough = start >= now - SERVICE_S and not self._sampled({one.version for one in minutes})
        news = minutes if enough else self._history(start, now, None)
        for version, slots in _by_version(news, now).items():
            self._took(version, slots, start, now)
        self._rest(live, now)

    def of(self, version: int, start: float, now: float) -> list[FieldDrift]:
        """
        The verdict on *version*; of one that was not asked in the days that were looked back, by what it was asked from
        *start* on.

        Raises:
            StoreError: the store did not answer.
        """
        judged = self._versions.get(version)
        if judged is None:
            judged = _Judged(Keeper(self._settings))
            self._take(judged, _by_version(self._history(start, now, version), now).get(version, []))
            self._versions[version] = judged
        if judged.verdict is None and judged.keeper is not None:
            keeper, reference = judged.keeper, self._reference_of(version)
            judged.verdict = verdicts(reference, list(keeper.closed), self._settings, waiting=keeper.waiting)
        return judged.verdict or []

    def _sampled(self, versions: Iterable[int]) -> bool:
        """Whether more is wanted of any of *versions* than what is counted."""
        return any(self._reference_of(one).sampled for one in versions)

    # -- taking ---------------------------------------------------------------------------------

    def _took(self, version: int, slots: Sequence[Slot], start: float, now: float) -> None:
        judged = self._versions.setdefault(version, _Judged(None))
        if slots[-1].start < judged.until:
            return
        if judged.keeper is None:
            judged.keeper = Keeper(self._settings)
            if start > now - BACK_S:
                before = self._history(now - BACK_S, start, version)
                self._take(judged, _by_version(before, now).get(version, []))
        self._take(judged, slots)

    def _take(self, judged: _Judged, slots: Sequence[Slot]) -> None:
        assert judged.keeper is not None, "it was given one"
        if judged.keeper.take(slots) or not judged.keeper.closed:
            judged.verdict = None
        judged.until = max(judged.until, judged.keeper.until)
        self._until = max(self._until, judged.until)

    def _rest(self, live: int | None, now: float) -> None:
        """Windows are some megabytes: they go where nobody asks for the version."""
        quiet = [one for one, judged in self._versions.items() if one != live and judged.until < now - _REST_S]
        for version in sorted(quiet, key=lambda one: self._versions[one].until)[:-_MOST_RESTING]:
            del self._versions[version]
        for version in quiet:
            if version in self._versions and self._versions[version].keeper is not None:
                self.of(version, now, now)
                self._versions[version].keeper = None


def _by_version(rollups: Iterable[RollUp], now: float) -> dict[int, list[Slot]]:
    """What is whole by now, all routes together, in the order of time."""
    found: dict[int, list[RollUp]] = {}
    for one in rollups:
        if one.start + one.seconds <= now - SETTLED_S:
            found.setdefault(one.version, []).append(one)
    return {version: _together(those) for version, those in found.items()}


def _together(rollups: Iterable[RollUp]) -> list[Slot]:
    held: dict[tuple[int, int], list[RollUp]] = defaultdict(list)
    for one in rollups:
        held[one.start, one.seconds].append(one)
    return [
        Slot(float(start), float(seconds), summed(one.tally for one in those), merged(one.samples for one in those))
        for (start, seconds), those in sorted(held.items())
    ]
