"""How a model was served: traffic, latency, errors, and what its answers were, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloche.monitoring.documents import Lamp, ProblemRow, Series
from cloche.monitoring.reference import FieldReference, Reference
from cloche.monitoring.rollups import RollUp
from cloche.monitoring.tallies import FieldTally, Tally, quantile_ms, served

_SHARES: Final = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99))
_KINDS: Final = ("2xx", "4xx", "5xx")
_MAX_CLASSES: Final = 11  #: a chart has twelve colours, and the last is for all others
_MAX_PROBLEMS: Final = 20
#: Fewer requests say nothing about a share of errors.
_MIN_REQUESTS: Final = 20
#: One of twenty is 5 %, and an accident.
_MIN_FAILED: Final = 3
_WARN, _ALARM = 0.01, 0.05


@dataclass(frozen=True, slots=True)
class Steps:
    """A range cut into steps of `step_s` seconds from `start`, and what was counted in each."""

    start: float
    step_s: int
    tallies: Sequence[Tally]

    @classmethod
    def of(
        cls, rollups: Iterable[RollUp], start: float, step_s: int, count: int, *, version: int | None = None
    ) -> Steps:
        """
        *rollups* by step; one that is longer than a step counts where it begins.

        Of other versions than *version* only what can be added is taken.
        """
        tallies: list[Tally | None] = [None] * count
        for one in rollups:
            place = int((one.start - start) // step_s)
            if 0 <= place < count:
                held, tally = tallies[place], one.tally if version in (None, one.version) else served(one.tally)
                tallies[place] = tally if held is None else held.plus(tally)
        return cls(start, step_s, [one or Tally() for one in tallies])


def traffic(steps: Steps) -> list[Series]:
    """Requests by class of status."""
    return [
        Series(name=kind, unit="requests", values=[float(_of_kind(one.status, kind)) for one in steps.tallies])
        for kind in _KINDS
    ]


def latency(steps: Steps) -> list[Series]:
    """Latencies that so many of a hundred requests stayed under, within 1 %."""
    return [
        Series(name=name, unit="ms", values=[quantile_ms(one.latency, share) for one in steps.tallies])
        for name, share in _SHARES
    ]


def answers(steps: Steps, reference: Reference) -> list[Series]:
    """
    Shares of the commonest classes, or the tenth, middle and ninetieth of a hundred numbers; the mean of numbers
    that no bins are known for.
    """
    if reference.number is not None:
        numbers = [one.output.number for one in steps.tallies]
        return [
            Series(name=name, values=[_quantile(reference.number, one, share) for one in numbers])
            for name, share in (("p10", 0.1), ("p50", 0.5), ("p90", 0.9))
        ]
    if any(one.output.number is not None for one in steps.tallies):
        return [Series(name="mean", values=[_mean(one.output.number) for one in steps.tallies])]
    whole: dict[str, int] = {}
    for one in steps.tallies:
        for name, n in one.output.classes.items():
            whole[name] = whole.get(name, 0) + n
    names = sorted(whole, key=lambda name: (-whole[name], name))[:_MAX_CLASSES]
    shown = [
        Series(name=name, values=[_share(one.output.classes.get(name, 0), one.output.rows) for one in steps.tallies])
        for name in names
    ]
    rest = len(whole) - len(names)
    return [*shown, _others(f"{rest} others", shown)] if rest else shown


def problems(steps: Steps) -> list[ProblemRow]:
    """Why requests were refused, the commonest first."""
    whole: dict[str, int] = {}
    for one in steps.tallies:
        for name, n in one.problems.items():
            whole[name] = whole.get(name, 0) + n
    ranked = sorted(whole.items(), key=lambda entry: (-entry[1], entry[0]))[:_MAX_PROBLEMS]
    return [ProblemRow(field=name.rpartition(":")[0], code=name.rpartition(":")[2], n=n) for name, n in ranked]


def service_lamp(recent: Tally, since: float | None) -> Lamp:
    """
    From the requests of the last minutes: what failed on our side.

    What callers sent wrongly (4xx) is told, and is no failure of the service.
    """
    if recent.requests < _MIN_REQUESTS:
        return Lamp(state="unknown", why=f"{recent.requests} requests in the last minutes, {_MIN_REQUESTS} are needed")
    failed = _of_kind(recent.status, "5xx")
    share = failed / recent.requests
    why = f"{failed} of {recent.requests} requests failed ({share:.1%})"
    if share >= _ALARM and failed >= _MIN_FAILED:
        return Lamp(state="alarm", since=since, why=why)
    return Lamp(state="warn" if share >= _WARN else "ok", since=since, why=why)


def _of_kind(status: Mapping[str, int], kind: str) -> int:
    return sum(n for code, n in status.items() if code[:1] == kind[:1])


def _share(n: int, whole: int) -> float | None:
    return n / whole if whole else None


def _others(name: str, shown: Sequence[Series]) -> Series:
    """What *shown* leave of each step."""
    steps = zip(*(one.values for one in shown), strict=True)
    return Series(
        name=name,
        values=[None if step[0] is None else max(0.0, 1.0 - sum(one or 0.0 for one in step)) for step in steps],
    )


def _mean(tally: FieldTally | None) -> float | None:
    return tally.total / tally.finite if tally is not None and tally.finite else None


def _quantile(reference: FieldReference, tally: FieldTally | None, share: float) -> float | None:
    """From counts in bins, values lying evenly in theirs."""
    if tally is None or not tally.finite or len(reference.edges) != len(tally.counts) + 1:
        return None
    cumulated = np.cumsum(tally.counts)
    wanted = share * cumulated[-1]
    place = int(np.searchsorted(cumulated, wanted))
    low, high = reference.edges[place], reference.edges[place + 1]
    before = float(cumulated[place - 1]) if place else 0.0
    inside = (wanted - before) / max(float(tally.counts[place]), 1.0)
    return float(low + (high - low) * min(max(inside, 0.0), 1.0))
