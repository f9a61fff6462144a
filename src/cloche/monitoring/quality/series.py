"""The metrics of a range: step by step, and over all of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cloche.evaluation.counted import Counted
from cloche.monitoring.documents import LampState, QualityMetric, Series
from cloche.monitoring.quality.delays import MATURE, Delays
from cloche.monitoring.quality.estimating import estimated
from cloche.monitoring.quality.metrics import MIN_ROWS, Baseline, baselines, better, estimates, verdict
from cloche.monitoring.quality.table import Measured
from cloche.monitoring.quality.tallies import QualityTally, together
from cloche.monitoring.reference import Reference
from cloche.monitoring.rollups import RollUp
from cloche.monitoring.tallies import OutputTally


@dataclass(frozen=True, slots=True)
class Steps:
    """A range of `count` steps of `step_s` seconds from `start` (seconds since 1970), looked at when it is `now`."""

    start: float
    step_s: int
    count: int
    now: float

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
    return [
        _metric(
            name,
            before.get(name),
            whole.get(name),
            expected.get(name),
            _series("realised", [step.get(name) for step in realised]) if name in whole else None,
            _series("estimated", [step.get(name) for step in guessed]) if name in expected else None,
            labelled=[None if share is None else min(share, 1.0) for share in labelled] if whole else [],
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
