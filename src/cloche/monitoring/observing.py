"""
What the monitor does beside folding: looks at every model that was asked something, and publishes what it sees.

A look costs what is new. The shortest range is made anew with every look that found new rows, longer ones less often;
windows for verdicts are closed once and kept.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from cloche.errors import ClocheError
from cloche.monitoring import lamps, service
from cloche.monitoring.alerts.rules import Owner
from cloche.monitoring.documents import (
    RANGES,
    AlertRow,
    ConceptDrift,
    FieldDrift,
    Lamps,
    Mark,
    ModelDocument,
    ParitySample,
    QualityMetric,
    Segment,
    VersionRow,
)
from cloche.monitoring.drift import DriftSettings, verdicts
from cloche.monitoring.drift.keeping import Keeper
from cloche.monitoring.drift.windows import Slot
from cloche.monitoring.reference import Reference
from cloche.monitoring.references import References
from cloche.monitoring.rollups import RollUp, history
from cloche.monitoring.rollups.recent import Recent
from cloche.monitoring.samples import merged
from cloche.monitoring.shelf import Shelf
from cloche.monitoring.tallies import Tally, served, summed
from cloche.registry import Registry, RouteEvent

_log = logging.getLogger("cloche.monitor")
#: How far back windows are looked for when a monitor starts.
_BACK_S: Final = 8 * 86_400
#: A minute is whole when so many seconds have passed since its end: segments land within some seconds.
_SETTLED_S: Final = 20.0
#: Roll-ups of so many seconds are looked at every time.
SERVICE_S: Final = 900
#: How often a range is made anew, in seconds, while there are new rows.
_EVERY: Final = {"1h": 5.0, "6h": 60.0, "24h": 120.0, "7d": 600.0, "30d": 1_800.0, "90d": 3_600.0}
#: And at least so often, new rows or not.
_AT_LEAST_S: Final = 600.0
#: Of so many versions there are documents of their own.
_MOST_VERSIONS: Final = 4


@dataclass(slots=True)
class Watched:
    """What is remembered of one model between looks."""

    model: str
    keepers: dict[int, Keeper] = field(default_factory=dict)
    verdicts: dict[int, list[FieldDrift]] = field(default_factory=dict)
    made: dict[str, float] = field(default_factory=dict)
    news: object = None  #: how many requests, and what labels; another look is worth it where that changed
    looked: float = 0.0
    lamps: Lamps = field(default_factory=Lamps)
    parity: ParitySample | None = None
    seen: Seen | None = None
    quality: Quality | None = None
    alerts: list[AlertRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Seen:
    """
    What one look found, for those who add to it: quality, alerts. `minutes` are the roll-ups of the last `SERVICE_S`
    seconds, `recent` is what of them can be added over versions.
    """

    model: str
    task: str
    live: int | None
    now: float
    reference: Reference
    recent: Tally
    drift: Sequence[FieldDrift]
    minutes: Sequence[RollUp] = ()


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the answers were, as far as labels or estimates tell."""

    metrics: list[QualityMetric] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    calibration: list[dict[str, float]] = field(default_factory=list)
    concept: ConceptDrift | None = None


#: Quality of a model in a range; alerts of a model, decided once a look.
QualityOf = Callable[[Seen, str], Quality]
AlertsOf = Callable[[Seen, Quality, Lamps], list[AlertRow]]
UptimeOf = Callable[[str, float, int, int], list[float | None]]
ParityOf = Callable[[Seen], ParitySample | None]


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
        self._recent = recent or Recent()
        self._quality_of = quality_of
        self._alerts_of = alerts_of
        self._uptime_of = uptime_of
        self._parity_of = parity_of
        self._news_of = news_of
        self._owner_of = owner_of
        self._clock = clock
        self._watched: dict[str, Watched] = {}

    def look(self) -> None:
        """Look at every model once; one that fails hinders no other."""
        for model in self._registry.models():
            watched = self._watched.setdefault(model, Watched(model))
            try:
                self._look_at(watched)
            except ClocheError as exc:
                _log.warning("%s cannot be looked at now: %s", model, exc)
            except Exception as exc:  # noqa: BLE001  the others are looked at
                _log.error("%s: the monitor failed: %s", model, exc, exc_info=exc)

    def _look_at(self, watched: Watched) -> None:
        now = self._clock()
        found = list(history(self._registry.store, watched.model, now - SERVICE_S, now + 60))
        rows = sum(one.tally.requests for one in found)
        news = rows, self._registry.routes(watched.model), self._news_of(watched.model)
        quiet = watched.seen is not None and news == watched.news and now - watched.looked < _AT_LEAST_S
        if quiet and watched.seen is not None:
            watched.seen = replace(watched.seen, now=now, minutes=found)
        else:
            watched.news, watched.looked = news, now
            self._see(watched, found, now)
        self._publish(watched, quiet=quiet)

    def _see(self, watched: Watched, found: Sequence[RollUp], now: float) -> None:
        live = _live(self._registry.history(watched.model))
        reference = self._references.of(watched.model, live) if live is not None else Reference()
        recent = summed(served(one.tally) for one in found)
        drift = self._judged(watched, live, reference, now)
        seen = Seen(watched.model, self._task(watched.model, live), live, now, reference, recent, drift, found)
        quality = self._quality_of(seen, "24h")
        watched.seen, watched.quality, watched.parity = seen, quality, self._parity_of(seen)
        watched.lamps = lamps.lit(
            watched.lamps, recent, drift, quality.metrics, now, concept=quality.concept, parity=watched.parity
        )

    def _publish(self, watched: Watched, *, quiet: bool) -> None:
        """The documents that are due; alerts are decided with every look, and what they become is shown at once."""
        if watched.seen is None or watched.quality is None:
            return
        alerts = self._alerts_of(watched.seen, watched.quality, watched.lamps)
        news = _news(alerts) != _news(watched.alerts)
        watched.alerts, now = alerts, watched.seen.now
        for range_ in RANGES:
            due = not quiet and now - watched.made.get(range_, 0.0) >= _EVERY[range_]
            if due or (news and range_ == next(iter(RANGES))):
                watched.made[range_] = now
                routes = self._registry.history(watched.model)
                for document in self._documents(watched.seen, range_, watched.lamps, alerts, routes):
                    self._shelf.put(msgspec.structs.replace(document, parity=watched.parity))

    # -- drift ----------------------------------------------------------------------------------

    def _judged(self, watched: Watched, live: int | None, reference: Reference, now: float) -> list[FieldDrift]:
        """The verdicts on the live version, made anew where a window closed."""
        if live is None:
            return []
        keeper = watched.keepers.get(live)
        if keeper is None:
            watched.keepers = {live: Keeper(self._settings)}  # another version, another reference: windows begin anew
            keeper = watched.keepers[live]
        start = keeper.until or now - _BACK_S
        those = history(self._registry.store, watched.model, start, now, version=live, sampled=reference.sampled)
        slots = _by_minute([one for one in those if one.start + one.seconds <= now - _SETTLED_S])
        if keeper.take(slots) or live not in watched.verdicts:
            watched.verdicts = {live: verdicts(reference, list(keeper.closed), self._settings)}
        return watched.verdicts[live]

    # -- documents ------------------------------------------------------------------------------

    def _documents(
        self, seen: Seen, range_: str, lit: Lamps, alerts: list[AlertRow], routes: Sequence[RouteEvent]
    ) -> Iterator[ModelDocument]:
        """Of all versions together, and where several were asked of each of the newest; one version is all there is."""
        whole = self._document(seen, range_, lit, alerts, routes)
        yield whole
        asked = [one.version for one in whole.versions if one.requests]
        for version in asked[:_MOST_VERSIONS] if len(asked) > 1 else ():
            yield self._of_version(whole, seen, version)

    def _of_version(self, whole: ModelDocument, seen: Seen, version: int) -> ModelDocument:
        """What of *whole* is of one version; verdicts and quality are known of the live one."""
        found = list(history(self._registry.store, seen.model, whole.start, whole.end, version=version))
        steps = service.Steps.of(found, whole.start, whole.step_s, len(whole.traffic[0].values))
        document = msgspec.structs.replace(
            whole,
            version=version,
            traffic=service.traffic(steps),
            latency=service.latency(steps),
            answers=service.answers(steps, self._references.of(seen.model, version)),
            problems=service.problems(steps),
            recent=[one for one in whole.recent if one.version == version],
        )
        if version == seen.live:
            return document
        return msgspec.structs.replace(document, drift=[], quality=[], segments=[], calibration=[], concept=None)

    def _document(
        self, seen: Seen, range_: str, lit: Lamps, alerts: list[AlertRow], routes: Sequence[RouteEvent]
    ) -> ModelDocument:
        seconds, step_s = RANGES[range_]
        count = seconds // step_s
        end = (seen.now // step_s + 1) * step_s
        start = end - count * step_s
        found = list(history(self._registry.store, seen.model, start, end))
        steps = service.Steps.of(found, start, step_s, count, version=seen.live)
        quality = self._quality_of(seen, range_)
        owner = self._owner_of(seen.model)
        return ModelDocument(
            model=seen.model,
            range=range_,
            made=seen.now,
            start=start,
            end=end,
            step_s=step_s,
            task=seen.task,
            live=seen.live,
            folded_until=max((float(one.start + one.seconds) for one in found), default=None),
            lamps=lit,
            traffic=service.traffic(steps),
            latency=service.latency(steps),
            uptime=self._uptime_of(seen.model, start, step_s, count),
            answers=service.answers(steps, seen.reference),
            drift=list(seen.drift),
            quality=quality.metrics,
            segments=quality.segments,
            calibration=quality.calibration,
            concept=quality.concept,
            alerts=alerts,
            versions=self._versions(seen.model, found),
            marks=_marks(routes, start),
            problems=service.problems(steps),
            recent=self._recent.of(seen.model),
            owner=owner.owner,
            contact=owner.contact,
            runbook=owner.runbook,
        )

    def _versions(self, model: str, found: Sequence[RollUp]) -> list[VersionRow]:
        counted = {
            version: summed(served(o.tally) for o in found if o.version == version)
            for version in {o.version for o in found}
        }
        state = self._registry.routes(model)
        rows = []
        for record in self._registry.versions(model):
            on = [name for name, those in _routes(state) if record.version in those]
            tally = counted.get(record.version, Tally())
            rows.append(
                VersionRow(
                    version=record.version,
                    contract=record.contract,
                    created=record.at,
                    routes=on,
                    requests=tally.requests,
                    rows=tally.rows,
                )
            )
        return rows[::-1]

    def _task(self, model: str, live: int | None) -> str:
        return "" if live is None else self._registry.manifest_of(self._registry.record(model, live)).task


def _news(alerts: Sequence[AlertRow]) -> list[tuple[object, ...]]:
    """What of alerts is worth a document of its own."""
    return [(one.rule, one.phase, one.silenced_until is None, one.deliveries) for one in alerts]


def _live(routes: Sequence[RouteEvent]) -> int | None:
    """The version that answers who names no contract."""
    if not routes:
        return None
    state = routes[-1].routes
    return state.live.get(state.default_contract)


def _routes(state: object) -> list[tuple[str, list[int]]]:
    live = getattr(state, "live", None) or {}
    return [("live", list(live.values()))]


def _by_minute(rollups: Sequence[RollUp]) -> list[Slot]:
    """All routes together."""
    held: dict[tuple[int, int], list[RollUp]] = defaultdict(list)
    for one in rollups:
        held[one.start, one.seconds].append(one)
    return [
        Slot(float(start), float(seconds), summed(one.tally for one in those), merged(one.samples for one in those))
        for (start, seconds), those in sorted(held.items())
    ]


def _marks(routes: Sequence[RouteEvent], start: float) -> list[Mark]:
    found = []
    for one in routes:
        at = lamps.moment(one.at)
        if at >= start:
            found.append(Mark(at=at, what=one.change.kind, version=one.change.version, by=one.by, why=one.why))
    return found
