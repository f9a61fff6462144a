"""
The monitor's loop: folds what lands while it holds the lease, and keeps the tables small.

It does nothing that another monitor could not do at the same moment, and can be killed at any.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
import os
import platform
import secrets
import time
from collections.abc import Callable
from typing import Final

from cloche.errors import ClocheError
from cloche.prediction_log import fold_lists, upkeep, waiting
from cloche.prediction_log.folding import Folded, Folder, Parts
from cloche.prediction_log.lease import TTL_S, Lease
from cloche.store import Store

_log = logging.getLogger("cloche.log")
#: Between two folds: a table's commits are many enough.
FOLD_EVERY_S: Final = 5.0
COMPACT_EVERY_S: Final = 3600.0
RETAIN_EVERY_S: Final = 86_400.0
#: While nothing lands it is looked at more rarely (silence is news too), and not at all after an hour of it.
OBSERVE_IDLE_EVERY_S: Final = 60.0
IDLE_AFTER_S: Final = 3600.0
_AWAY_S = 10.0
_NAP_S = 0.2


def holder() -> str:
    """A name for this process that no other has."""
    return f"{platform.node()}:{os.getpid()}:{secrets.token_hex(4)}"


class Monitor:
    """
    One monitor of *store*; *by* names it in the lease and in fold lists.

    *derive* makes further tables of a fold's rows, see `Folder`. *observe* is called by who holds the lease, after its
    folds, and for an hour after the last one; it gives within how many seconds it wants to be called again in any case.
    """

    def __init__(
        self,
        store: Store,
        by: str,
        *,
        derive: Callable[[Parts], Parts] = lambda _parts: {},
        observe: Callable[[], float] = lambda: math.inf,
        retention_days: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._folder = Folder(store, by, derive=derive)
        self._observe = observe
        self._lease = Lease(store, by)
        self._retention_days = retention_days
        self._clock = clock
        self._sleep = sleep
        self._seen: upkeep.Seen = {}
        self._compact_at = clock() + COMPACT_EVERY_S
        self._retain_at = clock()
        self._observe_at = self._idle_at = clock()
        self._away = False

    def run(self, stopping: Callable[[], bool]) -> None:
        """Work until *stopping*; a store that is away is told, and waited for."""
        while not stopping():
            pause_s = self._look(stopping)
            until = self._clock() + pause_s
            while not stopping() and self._clock() < until:
                self._sleep(min(_NAP_S, pause_s))

    def finish(self, within_s: float) -> None:
        """
        The last folds before the end, no new one after *within_s*; then the lease is given back.

        Whoever holds the lease: it may be one that was killed, and two at once do no harm.
        """
        until = self._clock() + within_s
        try:
            while self._clock() < until and (done := self._folder.step()) is not None:
                _tell(done)
            self._lease.release()
        except Exception as exc:  # noqa: BLE001  nothing depends on it
            _log.warning("segments wait for the next monitor: %s", exc)

    def waits(self) -> bool:
        """Whether a segment has landed that is not folded yet."""
        return bool(waiting.waiting(self._store))

    # -- one look -------------------------------------------------------------------------------

    def _look(self, stopping: Callable[[], bool]) -> float:
        """Do what there is to do; returns for how many seconds to pause."""
        try:
            pause_s = self._step(stopping)
        except ClocheError as exc:
            if not self._away:
                _log.warning("the log cannot be folded now; segments wait: %s", exc)
            self._away = True
            return _AWAY_S
        except Exception as exc:  # noqa: BLE001  the next look may fare better
            _log.error("the monitor failed: %s", exc, exc_info=exc)
            return _AWAY_S
        if self._away:
            _log.info("the log is folded again")
        self._away = False
        return pause_s

    def _step(self, stopping: Callable[[], bool]) -> float:
        now = self._clock()
        due = now >= min(self._compact_at, self._retain_at) or self._observe_at <= now < self._idle_at
        if not due and not self.waits():
            return FOLD_EVERY_S
        if not self._lease.hold():
            return TTL_S / 3
        self._fold(stopping)
        self._keep_up()
        within_s = self._observe()
        self._observe_at = self._clock() + min(within_s, OBSERVE_IDLE_EVERY_S)
        if math.isfinite(within_s):
            self._idle_at = self._clock() + IDLE_AFTER_S
        return FOLD_EVERY_S

    def _fold(self, stopping: Callable[[], bool]) -> None:
        while not stopping() and self._lease.hold():
            done = self._folder.step()
            if done is None:
                return
            self._idle_at = self._clock() + IDLE_AFTER_S
            _tell(done)

    def _keep_up(self) -> None:
        if self._clock() >= self._retain_at:
            self._retain_at = self._clock() + RETAIN_EVERY_S
            if self._retention_days is not None:
                upkeep.retain(self._store, self._retention_days, dt.datetime.now(dt.UTC))
        if self._clock() >= self._compact_at:
            self._compact_at = self._clock() + COMPACT_EVERY_S
            upkeep.compact(self._store, seen=self._seen)
            fold_lists.forget_old(self._store)


def _tell(done: Folded) -> None:
    _log.info("fold %d: %d rows of %d segments in %.2f s", done.number, done.rows, done.segments, done.seconds)
