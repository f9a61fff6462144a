"""Sends notices in threads of its own: a sink that hangs keeps no fold waiting."""

from __future__ import annotations

import logging
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from time import monotonic
from typing import Final

from cloche.errors import DeliveryError
from cloche.logs import one_line
from cloche.monitoring.alerts.notices import Notice
from cloche.monitoring.alerts.sinks.base import Sink

_log = logging.getLogger("cloche.alerts")
_THREADS: Final = 4
_MAX_OUTCOME: Final = 200


@dataclass(frozen=True, slots=True)
class Place:
    """Where a delivery stands: the name of the memory, the rule, the sink."""

    name: str
    rule: str
    sink: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt."""

    place: Place
    notice: Notice
    taken: bool
    text: str


class Courier:
    """Attempts under way, and those that have ended. One attempt a place at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="alerts")
        self._under_way: dict[Place, Future[Outcome]] = {}

    def __contains__(self, place: Place) -> bool:
        return place in self._under_way

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._under_way

    def send(self, place: Place, sink: Sink, notice: Notice) -> None:
        """Begin an attempt."""
        self._under_way[place] = self._pool.submit(_attempt, place, sink, notice)

    def ended(self, name: str, within_s: float = 0.0) -> list[Outcome]:
        """What has ended of *name*, waiting for all of it at most so long."""
        until = monotonic() + within_s
        mine = {place: one for place, one in self._under_way.items() if place.name == name}
        open_ = set(mine.values())
        while open_ and (left := until - monotonic()) > 0:
            open_ = wait(open_, timeout=left, return_when=FIRST_COMPLETED).not_done
        found = [one.result() for one in mine.values() if one.done()]
        for outcome in found:
            del self._under_way[outcome.place]
        return found


def attempt(sink: Sink, notice: Notice) -> tuple[bool, str]:
    """Whether *sink* took it, and what it answered; whatever it raises is an outcome."""
    try:
        return True, one_line(sink.send(notice))[:_MAX_OUTCOME]
    except DeliveryError as exc:
        return False, one_line(exc)[:_MAX_OUTCOME]
    except Exception as exc:  # noqa: BLE001  a defect of one sink keeps nobody else from being told
        _log.error("a sink failed: %s", exc, exc_info=exc)
        return False, type(exc).__name__


def _attempt(place: Place, sink: Sink, notice: Notice) -> Outcome:
    taken, text = attempt(sink, notice)
    return Outcome(place, notice, taken, text)
