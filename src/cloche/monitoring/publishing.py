"""The documents of one look: of all versions together, and of each that was asked in the range."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from cloche.monitoring import lamps, service
from cloche.monitoring.alerts.rules import Owner
from cloche.monitoring.documents import RANGES, AlertRow, Lamps, Mark, ModelDocument, ParitySample, VersionRow, asked
from cloche.monitoring.judging import Judging
from cloche.monitoring.references import References
from cloche.monitoring.rollups import RollUp, history
from cloche.monitoring.rollups.recent import Recent
from cloche.monitoring.seen import QualityOf, Seen, UptimeOf
from cloche.monitoring.tallies import Tally, served, summed
from cloche.registry import Registry, RouteEvent

#: How often a range is made anew, in seconds, while there are new rows.
EVERY_S: Final = {"1h": 5.0, "6h": 60.0, "24h": 120.0, "7d": 600.0, "30d": 1_800.0, "90d": 3_600.0}
#: A version that was not asked since is made anew after so long, at least; a minute after labels came.
_REST_S: Final = 600.0
_LABELS_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Told:
    """
    What a look decided of the model as a whole: every document shows it. `labels` is another when labels came.
    """

    lamps: Lamps
    alerts: list[AlertRow]
    parity: ParitySample | None
    routes: Sequence[RouteEvent]
    labels: object = None


@dataclass(slots=True)
class Made:
    """When the last document of each version was made in each range, and of what."""

    at: dict[tuple[str, int], float] = field(default_factory=dict)
    of: dict[tuple[str, int], tuple[object, object]] = field(default_factory=dict)

    def due(self, range_: str, version: int, news: object, labels: object, now: float) -> bool:
        """Whether the document of *version* says something else now; noted as made then."""
        key = range_, version
        age = now - self.at.get(key, float("-inf"))
        before = self.of.get(key, (None, None))
        labelled = labels != before[1] and age >= _LABELS_S
        if news == before[0] and not labelled and age < max(_REST_S, RANGES[range_][1]):
            return False
        self.at[key], self.of[key] = now, (news, labels)
        return True


class Publishing:
    """Makes the documents of all models of a registry."""

    def __init__(
        self,
        registry: Registry,
        references: References,
        *,
        recent: Recent,
        quality_of: QualityOf,
        uptime_of: UptimeOf,
        owner_of: Callable[[str], Owner],
    ) -> None:
        self._registry = registry
        self._references = references
        self._recent = recent
        self._quality_of = quality_of
        self._uptime_of = uptime_of
        self._owner_of = owner_of

    def documents(self, seen: Seen, range_: str, told: Told, judging: Judging, made: Made) -> Iterator[ModelDocument]:
        """
        Of all versions together; and of each that was asked, where that is not the live one alone. What the whole says
        of drift and quality is of the live version. Only what has changed of a version is made anew.
        """
        seconds, step_s = RANGES[range_]
        end = (seen.now // step_s + 1) * step_s
        found = list(history(self._registry.store, seen.model, end - seconds, end, fields=False))
        whole = self._whole(seen, range_, told, found, end)
        yield whole
        for version in asked(whole):
            those = [one for one in found if one.version == version]
            news = _news(those), seen.version, decided(told.alerts)
            if made.due(range_, version, news, told.labels, seen.now):
                yield self._of_version(whole, seen, version, those, judging)

    def _whole(self, seen: Seen, range_: str, told: Told, found: Sequence[RollUp], end: float) -> ModelDocument:
        seconds, step_s = RANGES[range_]
        count, start = seconds // step_s, end - seconds
        steps = service.Steps.of(found, start, step_s, count, version=seen.version)
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
            live=seen.version,
            folded_until=max((min(float(one.start + one.seconds), seen.now) for one in found), default=None),
            lamps=told.lamps,
            traffic=service.traffic(steps),
            latency=service.latency(steps),
            uptime=self._uptime_of(seen.model, start, step_s, count),
            answers=service.answers(steps, seen.reference),
            drift=list(seen.drift),
            quality=quality.metrics,
            segments=quality.segments,
            calibration=quality.calibration,
            concept=quality.concept,
            parity=told.parity,
            alerts=told.alerts,
            versions=self._versions(seen.model, found),
            marks=_marks(told.routes, start),
            problems=service.problems(steps),
            recent=self._recent.of(seen.model),
            owner=owner.owner,
            contact=owner.contact,
            runbook=owner.runbook,
        )

    def _of_version(
        self, whole: ModelDocument, seen: Seen, version: int, found: Sequence[RollUp], judging: Judging
    ) -> ModelDocument:
        """What of *whole* is of one version, judged against its own reference and its own labels."""
        reference = self._references.of(seen.model, version)
        steps = service.Steps.of(found, whole.start, whole.step_s, len(whole.traffic[0].values))
        document = msgspec.structs.replace(
            whole,
            version=version,
            traffic=service.traffic(steps),
            latency=service.latency(steps),
            answers=service.answers(steps, reference),
            problems=service.problems(steps),
            recent=[one for one in whole.recent if one.version == version],
        )
        if version == seen.version:
            return document
        task, drift = self._references.task(seen.model, version), judging.of(version, whole.start, seen.now)
        of = replace(seen, version=version, task=task, reference=reference, drift=drift)
        quality = self._quality_of(of, whole.range)
        return msgspec.structs.replace(
            document,
            task=task,
            drift=drift,
            quality=quality.metrics,
            segments=quality.segments,
            calibration=quality.calibration,
            concept=quality.concept,
            parity=None,
        )

    def _versions(self, model: str, found: Sequence[RollUp]) -> list[VersionRow]:
        counted: dict[int, Tally] = {
            version: summed(served(o.tally) for o in found if o.version == version)
            for version in {o.version for o in found}
        }
        state = self._registry.routes(model)
        live = [] if state is None else list(state.live.values())
        rows = []
        for record in self._registry.versions(model):
            tally = counted.get(record.version, Tally())
            rows.append(
                VersionRow(
                    version=record.version,
                    contract=record.contract,
                    created=record.at,
                    routes=["live"] if record.version in live else [],
                    requests=tally.requests,
                    rows=tally.rows,
                )
            )
        return rows[::-1]


def _news(found: Sequence[RollUp]) -> object:
    """Something that is another when the version was asked since."""
    last = max((one.start for one in found), default=0)
    return last, sum(one.tally.requests for one in found if one.start == last)


def decided(alerts: Sequence[AlertRow]) -> object:
    """What of alerts is worth a document of its own."""
    return [(one.rule, one.phase, one.silenced_until is None, one.deliveries) for one in alerts]


def _marks(routes: Sequence[RouteEvent], start: float) -> list[Mark]:
    found = []
    for one in routes:
        at = lamps.moment(one.at)
        if at >= start:
            found.append(Mark(at=at, what=one.change.kind, version=one.change.version, by=one.by, why=one.why))
    return found
