"""
What the monitor does beside folding: looks at every model that was asked something, and publishes what it sees.

A look costs what is new. The shortest range is made anew with every look that found new rows, longer ones less often;
windows for verdicts are closed once and kept, those of every version that is asked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from cloche.errors import ClocheError
from cloche.monitoring import lamps, shelf
from cloche.monitoring.alerts.rules import Owner
from cloche.monitoring.documents import RANGES, AlertRow, Lamps, ParitySample, asked
from cloche.monitoring.drift import DriftSettings
from cloche.monitoring.judging import Judging
from cloche.monitoring.publishing import EVERY_S, Made, Publishing, Told, decided
from cloche.monitoring.reference import Reference
from cloche.monitoring.references import References
from cloche.monitoring.rollups import RollUp, history
from cloche.monitoring.rollups.recent import Recent
from cloche.monitoring.seen import SERVICE_S, AlertsOf, ParityOf, Quality, QualityOf, Seen, UptimeOf
from cloche.monitoring.shelf import Shelf
from cloche.monitoring.tallies import served, summed
from cloche.registry import Registry, RouteEvent

_log = logging.getLogger("cloche.monitor")
#: A model is looked at anew at least so often, new rows or not.
_AT_LEAST_S: Final = 600.0


@dataclass(slots=True)
class Watched:
    """What is remembered of one model between looks."""

    model: str
    judging: Judging
    made: dict[str, float] = field(default_factory=dict)
    versions: Made = field(default_factory=Made)
    news: tuple[object, ...] = ()  #: how many requests, where routes point, what labels; another look is worth it then
    looked: float = 0.0
    lamps: Lamps = field(default_factory=Lamps)
    parity: ParitySample | None = None
    seen: Seen | None = None
    quality: Quality | None = None
    alerts: list[AlertRow] = field(default_factory=list)


class Observer:
    """One monitor's view of all models of a registry; `look` is called by who holds the lease."""

    def __init__(
        self,
        registry: Registry,
        *,
        settings: DriftSettings | None = None,
        recent: Recent | None = None,
        quality_of: QualityOf = lambda _seen, _range: Quality(),
        alerts_of: AlertsOf = lambda _seen, _quality, _lamps: [],
        uptime_of: UptimeOf = lambda _model, _start, _step, _count: [],
        parity_of: ParityOf = lambda _seen: None,
        news_of: Callable[[str], object] = lambda _model: None,
        owner_of: Callable[[str], Owner] = lambda _model: Owner(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._registry = registry
        self._settings = settings or DriftSettings()
        self._references = References(registry)
        self._shelf = Shelf(registry.store)
        self._quality_of = quality_of
        self._alerts_of = alerts_of
        self._parity_of = parity_of
        self._news_of = news_of
        self._clock = clock
        self._watched: dict[str, Watched] = {}
        self._publishing = Publishing(
            registry,
            self._references,
            recent=recent or Recent(registry.store),
            quality_of=quality_of,
            uptime_of=uptime_of,
            owner_of=owner_of,
        )

    def look(self) -> None:
        """Look at every model once; one that fails hinders no other."""
        for model in self._registry.models():
            try:
                self._look_at(self._of(model))
            except ClocheError as exc:
                _log.warning("%s cannot be looked at now: %s", model, exc)
            except Exception as exc:  # noqa: BLE001  the others are looked at
                _log.error("%s: the monitor failed: %s", model, exc, exc_info=exc)

    def _of(self, model: str) -> Watched:
        if model not in self._watched:
            store = self._registry.store
            judging = Judging(
                self._settings,
                partial(self._references.of, model),
                lambda start, end, version: history(store, model, start, end, version=version, sampled=True),
            )
            last = shelf.read(store, model, shelf.SHORTEST)  # since when lamps show what they show, it told
            self._watched[model] = Watched(model, judging, lamps=Lamps() if last is None else last.lamps)
        return self._watched[model]

    def _look_at(self, watched: Watched) -> None:
        now = self._clock()
        found = list(history(self._registry.store, watched.model, now - SERVICE_S, now + 60))
        rows = sum(one.tally.requests for one in found)
        news = rows, self._registry.routes(watched.model), self._news_of(watched.model)
        quiet = watched.seen is not None and news == watched.news and now - watched.looked < _AT_LEAST_S
        if quiet and watched.seen is not None:
            watched.seen = replace(watched.seen, now=now, minutes=found)
        else:
            if rows and watched.seen is not None and not watched.seen.recent.requests:
                watched.made.clear()  # asked again: no page goes on saying that nobody did
            watched.news, watched.looked = news, now
            self._see(watched, found, now)
        self._publish(watched, quiet=quiet)

    def _see(self, watched: Watched, found: Sequence[RollUp], now: float) -> None:
        model, live = watched.model, _live(self._registry.history(watched.model))
        recent = summed(served(one.tally) for one in found)
        watched.judging.look(live, found, now)
        if live is None:
            seen = Seen(model, "", None, now, Reference(), recent, [], found)
        else:
            task, reference = self._references.task(model, live), self._references.of(model, live)
            seen = Seen(model, task, live, now, reference, recent, watched.judging.of(live, now, now), found)
        quality = self._quality_of(seen, "24h")
        watched.seen, watched.quality, watched.parity = seen, quality, self._parity_of(seen)
        watched.lamps = lamps.lit(
            watched.lamps,
            recent,
            seen.drift,
            quality.metrics,
            now,
            reference=seen.reference,
            concept=quality.concept,
            parity=watched.parity,
        )

    def _publish(self, watched: Watched, *, quiet: bool) -> None:
        """The documents that are due; alerts are decided with every look, and what they become is shown at once."""
        if watched.seen is None or watched.quality is None:
            return
        alerts = self._alerts_of(watched.seen, watched.quality, watched.lamps)
        news = decided(alerts) != decided(watched.alerts)
        watched.alerts, now = alerts, watched.seen.now
        for range_ in RANGES:
            due = not quiet and now - watched.made.get(range_, 0.0) >= EVERY_S[range_]
            if due or (news and range_ == shelf.SHORTEST):
                watched.made[range_] = now
                self._put(watched, range_)

    def _put(self, watched: Watched, range_: str) -> None:
        assert watched.seen is not None, "it was looked at"
        routes = self._registry.history(watched.model)
        told = Told(watched.lamps, watched.alerts, watched.parity, routes, watched.news[-1])
        for document in self._publishing.documents(watched.seen, range_, told, watched.judging, watched.versions):
            self._shelf.put(document)
            if document.version is None:
                self._shelf.keep(watched.model, range_, asked(document), watched.seen.now)


def _live(routes: Sequence[RouteEvent]) -> int | None:
    """The version that answers who names no contract."""
    if not routes:
        return None
    state = routes[-1].routes
    return state.live.get(state.default_contract)
