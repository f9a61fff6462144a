"""Four lamps say at a glance whether somebody has to look: service, data, predictions, performance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from cloche.monitoring.documents import FieldDrift, Lamp, Lamps, LampState, QualityMetric
from cloche.monitoring.service import service_lamp
from cloche.monitoring.tallies import Tally

_ANSWERS: Final = ("prediction", "confidence")
_SHOWN: Final = 3


def lit(
    before: Lamps, recent: Tally, drift: Sequence[FieldDrift], quality: Sequence[QualityMetric], now: float
) -> Lamps:
    """The lamps now; one whose state is that of *before* keeps its "since"."""
    answers = [one for one in drift if one.type != "pair" and one.name in _ANSWERS]
    inputs = [one for one in drift if one not in answers]
    return Lamps(
        service=_since(before.service, service_lamp(recent, None), now),
        data=_since(before.data, _of_drift(inputs, "field"), now),
        predictions=_since(before.predictions, _of_drift(answers, "answer"), now),
        performance=_since(before.performance, _of_quality(quality), now),
    )


def moment(text: str) -> float:
    """RFC 3339 as seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


def _of_drift(those: Sequence[FieldDrift], what: str) -> Lamp:
    drifted = [one.name for one in those if one.state == "drift"]
    if drifted:
        return Lamp(state="alarm", why=f"drift: {_listed(drifted)}")
    near = [one.name for one in those if one.state == "small" and (one.effect or 0.0) >= (one.threshold or 0.0)]
    if near:
        return Lamp(state="warn", why=f"seen in one window: {_listed(near)}")
    known = [one for one in those if one.state != "insufficient"]
    if not known:
        why = those[0].why if those else f"no reference of the {what}s"
        return Lamp(state="unknown", why=f"not enough data: {why}" if those else why)
    return Lamp(state="ok", why=f"{len(known)} {what}{'s' if len(known) != 1 else ''} as in the reference")


def _of_quality(metrics: Sequence[QualityMetric]) -> Lamp:
    """From the first metric: worse than its baseline by more than chance explains, or not."""
    for one in metrics:
        for kind, line in (("live", one.realised), ("estimated", one.estimated)):
            last = None if line is None else _last(line.values)
            if line is None or last is None or one.baseline is None:
                continue
            bound = _last((line.high if one.better == "higher" else line.low) or line.values)
            if bound is None:
                bound = last
            worse = bound < one.baseline if one.better == "higher" else bound > one.baseline
            why = f"{kind} {one.name} {last:.3g}, when it was saved {one.baseline:.3g}"
            return Lamp(state=("alarm" if kind == "live" else "warn") if worse else "ok", why=why)
    return Lamp(state="unknown", why="no labels yet, and nothing to estimate from")


def _last(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return known[-1] if known else None


def _since(before: Lamp, now: Lamp, at: float) -> Lamp:
    same: LampState = before.state
    since = before.since if same == now.state and before.since is not None else at
    return Lamp(state=now.state, since=since, why=now.why)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
