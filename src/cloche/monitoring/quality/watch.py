"""Follows labels as they come, and says how good the answers of each model are: what the observer asks."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cloche.contract.model import Contract
from cloche.errors import ClocheError
from cloche.monitoring.documents import ConceptDrift
from cloche.monitoring.quality import gaps
from cloche.monitoring.quality.concept import Detector
from cloche.monitoring.quality.counting import TASKS
from cloche.monitoring.quality.cutting import cuts
from cloche.monitoring.quality.delays import Delays
from cloche.monitoring.quality.labels import HOUR_S, Log, take_in
from cloche.monitoring.quality.measuring import STEP_S, Loss, measure_hours
from cloche.monitoring.quality.metrics import calibration, positive
from cloche.monitoring.quality.series import Range, Steps, metrics
from cloche.monitoring.quality.state import Remembered, State
from cloche.monitoring.quality.table import age, measured, replace_hours
from cloche.monitoring.quality.tallies import QualityTally, together
from cloche.monitoring.reference import Reference
from cloche.monitoring.references import References
from cloche.monitoring.rollups import history
from cloche.monitoring.seen import Quality, Seen
from cloche.prediction_log import layout
from cloche.prediction_log.homes import home
from cloche.registry import Registry, horizons

_log = logging.getLogger("cloche.monitor")
#: Labels are followed for so long in one look: folding waits meanwhile.
BUDGET_S: Final = 2.0
#: And at most a tenth of the time is spent on it.
_EVERY_S, _SHARE = 5.0, 10.0
_AGAIN_S: Final = 60.0
_DELAYS_S: Final = 600.0
_DELAYS_BACK_S: Final = 35 * 86_400
#: A loss of so many mean errors of the test set counts 1 for the detector.
_LARGEST: Final = 4.0


@dataclass(slots=True)
class _Followed:
    """What is remembered of one model between looks."""

    state: State
    remembered: Remembered
    looked: float = 0.0
    next_at: float = 0.0
    again_at: float = 0.0
    more: bool = False
    delays: dict[int, tuple[float, Delays]] = field(default_factory=dict)
    contracts: dict[int, Contract] = field(default_factory=dict)


class QualityWatch:
    """
    One monitor's view of the quality of all models; *horizon* is how long a label by key may take where the model has
    no setting of its own.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        horizon: dt.timedelta = dt.timedelta(days=30),
        reference_of: Callable[[str, int], Reference] | None = None,
        budget_s: float = BUDGET_S,
        spent: Callable[[], float] = time.perf_counter,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._registry = registry
        self._reference_of = reference_of or References(registry).of
        self._clock = clock
        self._horizon = horizon
        self._budget_s = budget_s
        self._spent = spent
        self._models: dict[str, _Followed] = {}

    def __call__(self, seen: Seen, range_: str) -> Quality:
        """The quality of a version in a range; labels that came since the last look are followed first."""
        if seen.version is None or seen.task not in TASKS:
            return Quality()
        followed = self._of(seen.model)
        if seen.now > followed.looked:
            followed.looked = seen.now
            self._followed(seen)
        return self._quality(seen, seen.version, range_, followed)

    def _followed(self, seen: Seen) -> None:
        """What labels say may fail; drift and alerts are looked at all the same."""
        try:
            self.follow(seen.model, seen.now)
        except ClocheError as exc:
            _log.warning("labels of %s cannot be followed now: %s", seen.model, exc)
        except Exception as exc:  # noqa: BLE001
            _log.error("labels of %s cannot be followed: %s", seen.model, exc, exc_info=exc)

    def news(self, model: str) -> object:
        """Something that is another when labels came since, or when there is more to be done."""
        followed = self._of(model)
        if followed.more or followed.state.dirty:
            return object()
        table = home("delta").LogTable.open(self._registry.store, layout.labels(model))
        minute = self._clock() // _AGAIN_S if followed.state.unmatched else 0
        return None if table is None else (table.version, minute)

    # -- following labels -----------------------------------------------------------------------

    def follow(self, model: str, now: float) -> None:
        """
        Take in what labels came, and count what they touch again, as long as the budget lasts.

        Raises:
            StoreError: the store did not answer; it goes on there the next time.
        """
        followed = self._of(model)
        if now < followed.next_at:
            return
        started = self._spent()
        log = self._log(model, followed)
        table = home("delta").LogTable.open(log.store, layout.labels(model))
        counts = {} if table is None else table.rows_by_date()
        known = followed.state
        again = bool(known.unmatched) and now >= followed.again_at
        if counts == known.labels and not known.dirty and not again:
            return
        followed.state = State()  # until it is read again: what fails below may have changed it
        state = followed.remembered.read()
        followed.more = True
        followed.more = self._work(log, state, now, started, again=again)
        followed.state = state
        followed.next_at = now + max(_EVERY_S, _SHARE * (self._spent() - started))
        followed.again_at = now + _AGAIN_S if again else followed.again_at

    def _work(self, log: Log, state: State, now: float, started: float, *, again: bool) -> bool:
        """Whether labels are left that were not looked at."""
        more = take_in(log, state, now, again=again)
        while more and self._spent() - started <= self._budget_s:
            more = take_in(log, state, now, again=again)
        for date in sorted(state.dirty, reverse=True):
            dirty = state.dirty[date]
            found = measure_hours(
                log,
                dirty.hours,
                lambda version: self._reference_of(log.model, version),
                since_us=dirty.since_us,
                now=now,
            )
            replace_hours(log.store, log.model, date, dirty.hours, found.measured)
            for loss in found.losses:
                self._detect(log.model, state, loss)
            del state.dirty[date]
            if self._spent() - started > self._budget_s:
                break
        state.aged = age(log.store, log.model, now, state.aged)
        Remembered(log.store, log.model).write(state)
        return more

    def _detect(self, model: str, state: State, loss: Loss) -> None:
        scaled = _scaled(loss.loss, self._reference_of(model, loss.version))
        if scaled is not None:
            detector = state.detectors.setdefault(loss.version, Detector())
            detector.take(scaled, loss.received_us / 1e6)

    def _log(self, model: str, followed: _Followed) -> Log:
        def contract_of(number: int) -> Contract:
            if number not in followed.contracts:
                followed.contracts[number] = self._registry.contract(model, number)
            return followed.contracts[number]

        horizon = horizons.horizon(self._registry.store, model) or self._horizon
        return Log(self._registry.store, model, contract_of, horizon)

    def _of(self, model: str) -> _Followed:
        if model not in self._models:
            remembered = Remembered(self._registry.store, model)
            self._models[model] = _Followed(remembered.read(), remembered)
        return self._models[model]

    # -- what it says ---------------------------------------------------------------------------

    def _quality(self, seen: Seen, version: int, range_: str, followed: _Followed) -> Quality:
        shown = Steps.of_range(range_, seen.now)
        steps = shown.counted_by(STEP_S)
        end, store = steps.start + steps.step_s * steps.count, self._registry.store
        found = Range.of(
            steps,
            measured(store, seen.model, steps.start, end, version=version, whole=True),
            history(store, seen.model, steps.start, end, version=version, fields=False),
            self._delays(seen, version, followed),
        )
        whole = together(found.labelled)
        by: dict[tuple[str, str], QualityTally] = defaultdict(QualityTally)
        hour = steps.start // HOUR_S * HOUR_S  # segments are counted by the hour
        for one in measured(store, seen.model, hour, end, version=version, whole=False) if whole.labelled else ():
            by[one.field, one.value] = by[one.field, one.value].plus(one.tally)
        contexts = [one.field for one in cuts(seen.reference) if one.role == "context"]
        return Quality(
            [shown.spread(one, steps) for one in metrics(found, seen.reference)],
            [*gaps.classes(whole), *gaps.segments(by), *gaps.fairness(by, contexts, positive(whole))],
            calibration(whole),
            _concept(version, followed.state.detectors.get(version)),
        )

    def _delays(self, seen: Seen, version: int, followed: _Followed) -> Delays:
        """Worked out anew every ten minutes."""
        known = followed.delays.get(version)
        if known is not None and seen.now - known[0] < _DELAYS_S and known[1].n:
            return known[1]
        those = measured(
            self._registry.store, seen.model, seen.now - _DELAYS_BACK_S, seen.now, version=version, whole=True
        )
        found = Delays.of((seen.now - one.start - one.seconds, one.tally.delay) for one in those)
        followed.delays[version] = (seen.now, found)
        return found


def _scaled(loss: float, reference: Reference) -> float | None:
    """As a number in [0, 1]; None where no test set says how large an error is."""
    error = next((one["value"] for one in reference.quality if one.get("name") == "mae"), None)
    if reference.number is None:
        return min(loss, 1.0)
    return min(loss / (_LARGEST * error), 1.0) if error else None


def _concept(version: int, detector: Detector | None) -> ConceptDrift | None:
    if detector is None:
        return None
    return ConceptDrift(version=version, n=detector.seen, at=detector.at, before=detector.before, after=detector.after)
