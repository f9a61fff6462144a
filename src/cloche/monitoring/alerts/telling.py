"""
What is to be told, to whom, and when again: decisions on what `memory` holds, without a clock or a sink.

A notice is claimed in the store before it is sent, and settled after. A claim without an end (its monitor was killed
in between) is sent again with the same id after `STALE_S`: whether it arrived cannot be known.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from cloche.monitoring.alerts.memory import Alert, Delivery
from cloche.monitoring.alerts.notices import Notice, Status
from cloche.monitoring.alerts.phases import Condition

FIRST_PAUSE_S: Final = 10.0
LONGEST_PAUSE_S: Final = 900.0
GIVE_UP_AFTER_S: Final = 86_400.0
#: Longer than any attempt takes.
STALE_S: Final = 60.0


def status_of(before: Alert, now: Condition, repeat_s: float | None, at: float) -> Status | None:
    """What sinks are told of an alert whose condition is *now*; None where there is nothing new."""
    was, phase = before.condition.phase, now.phase
    if phase == "firing":
        if was != "firing":
            return "firing"
        again = repeat_s is not None and before.told_at is not None and at - before.told_at >= repeat_s
        return "firing" if again else None
    if phase == "no_data":
        return "no_data" if was == "firing" else None
    return "resolved" if before.open and phase in ("ok", "resolved") else None


def told(alert: Alert, notice: Notice, sinks: Iterable[str], at: float) -> Alert:
    """*alert* with *notice* on its way to *sinks*, and, where it is over, to everybody who was told that it fires."""
    wanted = set(sinks) if notice.firing else {name for name, one in alert.deliveries.items() if _knows(one)}
    deliveries = dict(alert.deliveries)
    for name in sorted(wanted | (deliveries.keys() if not notice.firing else set())):
        queued = _queued(deliveries.get(name), notice, at) if name in wanted else None
        if queued is None:
            deliveries.pop(name, None)
        else:
            deliveries[name] = queued
    return msgspec.structs.replace(
        alert, told=alert.told + 1, told_at=at, open=notice.status != "resolved", deliveries=deliveries
    )


def _knows(one: Delivery) -> bool:
    """Whether the sink was told, or may have been, of what is not over yet."""
    return one.notice.status != "resolved" and (one.attempts > 0 or one.state != "due")


def _queued(before: Delivery | None, notice: Notice, at: float) -> Delivery:
    """What is newer takes the place of what was not sent yet."""
    if before is not None and before.state == "sending":
        return msgspec.structs.replace(before, after=notice)
    attempts = before.attempts if before is not None and before.state == "due" else 0
    return Delivery(notice=notice, at=at, first=at, attempts=attempts)


def due(one: Delivery, at: float) -> bool:
    """Whether it is to be sent now."""
    return one.at <= at if one.state == "due" else stale(one, at)


def stale(one: Delivery, at: float) -> bool:
    """Whether it is claimed by somebody who is gone."""
    return one.state == "sending" and abs(at - one.at) >= STALE_S


def claimed(one: Delivery, holder: str, at: float) -> Delivery:
    """*one* as ours to send."""
    return msgspec.structs.replace(one, state="sending", at=at, attempts=one.attempts + 1, holder=holder)


def settled(one: Delivery, *, taken: bool, outcome: str, at: float) -> Delivery:
    """*one* after an attempt."""
    if one.after is not None:
        return Delivery(notice=one.after, at=at, first=at, attempts=one.attempts, outcome=outcome)
    if taken:
        return msgspec.structs.replace(one, state="sent", at=at, outcome=outcome, holder="")
    if at - one.first >= GIVE_UP_AFTER_S:
        return msgspec.structs.replace(one, state="given_up", at=at, outcome=outcome, holder="")
    pause_s = min(FIRST_PAUSE_S * 2.0 ** min(one.attempts - 1, 10), LONGEST_PAUSE_S)
    return msgspec.structs.replace(one, state="due", at=at + pause_s, outcome=outcome, holder="")


def shown(one: Delivery, *, silenced: bool) -> str:
    """As a row shows it: `200`, `failed: connection refused (3 times)`, `silenced`."""
    if one.state == "sent":
        return one.outcome
    if one.state == "given_up":
        return f"given up: {one.outcome}"
    if one.state == "sending" and not one.outcome:
        return "being sent"
    if one.outcome:
        times = f" ({one.attempts} times)" if one.attempts > 1 else ""
        return f"failed: {one.outcome}{times}"
    return "silenced" if silenced else "waiting"


def fails(text: str) -> bool:
    """Whether what `shown` gave is a failure."""
    return text.startswith(("failed: ", "given up: "))
