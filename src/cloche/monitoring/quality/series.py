"""The metrics of a range: step by step, and over all of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from cloche.evaluation.counted import Counted
from cloche.monitoring.documents import RANGES, LampState, QualityMetric, Series
from cloche.monitoring.quality.delays import MATURE, Delays
from cloche.monitoring.quality.estimating import estimated
from cloche.monitoring.quality.metrics import MIN_ROWS, Baseline, baselines, better, estimates, verdict
from cloche.monitoring.quality.table import Measured
from cloche.monitoring.quality.tallies import QualityTally, together
from cloche.monitoring.reference import Reference
from cloche.monitoring.rollups import RollUp
from cloche.monitoring.tallies import OutputTally

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Steps:
    """A range of `count` steps of `step_s` seconds from `start` (seconds since 1970), looked at when it is `now`."""

    start: float
    step_s: int
    count: int
    now: float

    @classmethod
    def of_range(cls, range_: str, now: float) -> Steps:
        """Those of one of `RANGES` that ends with the step of *now*."""
        seconds, step_s = RANGES[range_]
        end = (now // step_s + 1) * step_s
        return cls(end - seconds, step_s, seconds // step_s, now)

    def counted_by(self, step_s: int) -> Steps:
        """Steps that are long enough for what is counted by *step_s*, and hold all of these."""
        if self.step_s >= step_s:
            return self
        start, end = self.start // step_s * step_s, self.start + self.step_s * self.count
        return Steps(start, step_s, math.ceil((end - start) / step_s), self.now)

    def spread(self, one: QualityMetric, by: Steps) -> QualityMetric:
        """*one*, told by the longer steps *by*, in these: each tells what that tells in which it lies."""
        if by == self:
            return one
        places = [by.place(self.start + self.step_s * step) for step in range(self.count)]

        def told(values: Sequence[_T]) -> list[_T]:
            return [values[place] for place in places if place is not None] if values else []

        def line(series: Series | None) -> Series | None:
            if series is None:
                return None
            low, high = told(series.low or []), told(series.high or [])
            return msgspec.structs.replace(series, values=told(series.values), low=low or None, high=high or None)

        return msgspec.structs.replace(
            one,
            realised=line(one.realised),
            estimated=line(one.estimated),
            labelled=told(one.labelled),
            provisional=told(one.provisional),
        )

    def place(self, at: float) -> int | None:
        """The step in which a moment lies."""
        place = int((at - self.start) // self.step_s)
        return place if 0 <= place < self.count else None


@dataclass(frozen=True, slots=True)
class Range:
    """By step: what is known of labels, what was answered, how many rows, and whether more labels are expected."""

    labelled: Sequence[QualityTally]
    answered: Sequence[OutputTally]
    rows: Sequence[int]
    provisional: Sequence[bool]

    @classmethod
    def of(cls, steps: Steps, measured: Iterable[Measured], rollups: Iterable[RollUp], delays: Delays) -> Range:
        """*measured* and *rollups* of one version; what is longer than a step counts where it begins."""
        labelled = [QualityTally() for _ in range(steps.count)]
        answered = [OutputTally() for _ in range(steps.count)]
        rows, come = [0] * steps.count, [0.0] * steps.count
        for one in measured:
            place = steps.place(one.start)
            if place is not None:
                labelled[place] = labelled[place].plus(one.tally)
        for roll in rollups:
            place = steps.place(roll.start)
            if place is not None:
                answered[place] = answered[place].plus(roll.tally.output)
                rows[place] += roll.tally.rows
                come[place] += roll.tally.rows * delays.come(steps.now - roll.start - roll.seconds / 2)
        return cls(labelled, answered, rows, [n > 0 and c < MATURE * n for n, c in zip(rows, come, strict=True)])

    def mature(self) -> tuple[QualityTally, bool]:
        """All steps of which no more labels are expected, or all where those are too few; and which of both."""
        found = together(one for one, more in zip(self.labelled, self.provisional, strict=True) if not more)
        return (found, True) if found.labelled >= MIN_ROWS else (together(self.labelled), False)


def metrics(found: Range, reference: Reference) -> list[QualityMetric]:
    """Every metric of the range, realised and estimated."""
    before = baselines(reference.quality)
    pooled, settled = found.mature()
    whole = {one.name: one for one in estimates(pooled)} if pooled.labelled else {}
    answers = OutputTally()
    for one in found.answered:
        answers = answers.plus(one)
    expected = {one.name: one for one in estimated(answers, reference.estimation)}
    realised = [{one.name: one for one in estimates(t)} if t.labelled else {} for t in found.labelled]
    guessed = [{one.name: one for one in estimated(t, reference.estimation)} for t in found.answered]
    labelled = [t.labelled / n if n else None for t, n in zip(found.labelled, found.rows, strict=True)]
    rows, come = sum(found.rows), sum(t.labelled for t in found.labelled)
    return [
        _metric(
            name,
            before.get(name),
            whole.get(name),
            expected.get(name),
            _series("realised", [step.get(name) for step in realised]) if name in whole else None,
            _series("estimated", [step.get(name) for step in guessed]) if name in expected else None,
            labelled=[None if share is None else min(share, 1.0) for share in labelled] if whole else [],
            covered=min(come / rows, 1.0) if whole and rows else None,
            provisional=list(found.provisional) if whole else [],
            settled=settled,
        )
        for name in {**whole, **expected}
    ]


def _metric(
    name: str,
    baseline: Baseline | None,
    whole: Counted | None,
    expected: Counted | None,
    realised: Series | None,
    guessed: Series | None,
    *,
    labelled: list[float | None],
    covered: float | None,
    provisional: list[bool],
    settled: bool,
) -> QualityMetric:
    told = whole if whole is not None and whole.need is None else None
    ends = told.interval if told is not None else None
    state, why = _state(baseline, whole, expected, settled=settled)
    return QualityMetric(
        name=name,
        better=better(name),
        baseline=None if baseline is None else baseline.value,
        realised=realised,
        estimated=guessed,
        labelled=labelled,
        covered=covered,
        provisional=provisional,
        value=None if told is None else told.value,
        low=None if ends is None else ends[0],
        high=None if ends is None else ends[1],
        n=0 if whole is None else int(whole.n),
        expected=None if expected is None else expected.value,
        state=state,
        why=why,
    )


def _state(
    baseline: Baseline | None, whole: Counted | None, expected: Counted | None, *, settled: bool
) -> tuple[LampState, str]:
    """From labels where there are enough; else from the estimate, which warns and never alarms."""
    state: LampState = "unknown"
    why = ""
    if whole is not None:
        state, why = verdict(whole, baseline)
    if state != "unknown":
        if state == "alarm" and not settled:
            return "warn", f"{why}; more labels are expected"
        return state, why
    if expected is None:
        return "unknown", why
    guess, told = verdict(expected, baseline, kind="estimated")
    return ("warn" if guess == "alarm" else guess), (told if guess != "unknown" or whole is None else why)


def _series(name: str, steps: Sequence[Counted | None]) -> Series:
    told = [one if one is not None and one.need is None else None for one in steps]
    return Series(
        name=name,
        values=[None if one is None else one.value for one in told],
        low=[None if one is None or one.interval is None else one.interval[0] for one in told],
        high=[None if one is None or one.interval is None else one.interval[1] for one in told],
    )
