"""
What an alert becomes: a table of transitions. No clock, no store, no sink.

A reading is put into a word (`Event`), the word and the phase are looked up in `TABLE`; that is all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from cloche.monitoring.documents import AlertPhase

Reading = Literal["over", "near", "under", "missing"]
Event = Literal["over", "held", "near", "clear", "missing", "gone", "rested"]
#: How long an alert that is over is shown as such.
RESOLVED_SHOWN_S: Final = 900.0

#: over: exceeded, not long enough · held: exceeded for `for` · near: neither exceeded nor long and far enough below ·
#: clear: below · missing: no reading · gone: none for `no_data_after` · rested: below, resolved for long enough
TABLE: Final[dict[AlertPhase, dict[Event, AlertPhase]]] = {
    "ok": {
        "over": "pending", "held": "firing", "near": "ok", "clear": "ok", "rested": "ok",
        "missing": "ok", "gone": "no_data",
    },
    "pending": {
        "over": "pending", "held": "firing", "near": "ok", "clear": "ok", "rested": "ok",
        "missing": "pending", "gone": "no_data",
    },
    "firing": {
        "over": "firing", "held": "firing", "near": "firing", "clear": "resolved", "rested": "resolved",
        "missing": "firing", "gone": "no_data",
    },
    "resolved": {
        "over": "pending", "held": "firing", "near": "resolved", "clear": "resolved", "rested": "ok",
        "missing": "resolved", "gone": "no_data",
    },
    "no_data": {
        "over": "pending", "held": "firing", "near": "ok", "clear": "ok", "rested": "ok",
        "missing": "no_data", "gone": "no_data",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Timing:
    """How long: exceeded before it fires, below before it is over, silent before nothing is known; in seconds."""

    for_s: float = 0.0
    keep_firing_s: float = 0.0
    no_data_after_s: float = 1_800.0


class Condition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    An alert's phase and since when, in seconds since 1970.

    `over_since`, `under_since`, `missing_since`: since when the readings have been so without a break; a missing one
    does not interrupt the first two.
    """

    phase: AlertPhase = "ok"
    since: float | None = None
    over_since: float | None = None
    under_since: float | None = None
    missing_since: float | None = None


def step(before: Condition, reading: Reading, timing: Timing, now: float) -> Condition:
    """The condition after *reading* at *now*."""
    noted = _noted(before, reading, now)
    phase = TABLE[before.phase][_event(noted, reading, timing, now)]
    if phase == "no_data":  # what comes after the silence is counted anew
        noted = msgspec.structs.replace(noted, over_since=None, under_since=None)
    if phase == before.phase:
        return noted if before.since is not None else msgspec.structs.replace(noted, since=now)
    return msgspec.structs.replace(noted, phase=phase, since=now)


def _noted(before: Condition, reading: Reading, now: float) -> Condition:
    if reading == "missing":
        return msgspec.structs.replace(before, missing_since=_first(before.missing_since, now))
    over = _first(before.over_since, now) if reading == "over" else None
    under = _first(before.under_since, now) if reading == "under" else None
    return msgspec.structs.replace(before, over_since=over, under_since=under, missing_since=None)


def _event(noted: Condition, reading: Reading, timing: Timing, now: float) -> Event:
    if reading == "over":
        return "held" if now - _first(noted.over_since, now) >= timing.for_s else "over"
    if reading == "missing":
        return "gone" if now - _first(noted.missing_since, now) >= timing.no_data_after_s else "missing"
    if reading == "near" or now - _first(noted.under_since, now) < timing.keep_firing_s:
        return "near"
    rested = noted.phase == "resolved" and noted.since is not None and now - noted.since >= RESOLVED_SHOWN_S
    return "rested" if rested else "clear"


def _first(since: float | None, now: float) -> float:
    return now if since is None else since
