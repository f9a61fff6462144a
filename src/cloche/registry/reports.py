"""
What each host says of itself: `agents/HOST/000000000042.json`, written by its agent, read by `cloche status`.

Reports are no part of the registry's promises: a host keeps its last few, and one that is silent for a week is
forgotten. Times are the hosts' own clocks.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec

from cloche.errors import NotFoundError, ObjectExistsError, StoreError
from cloche.registry.model import decode, encode
from cloche.store import Store

AGENTS = "agents"
#: How many reports of a host stay.
KEPT = 3
#: A host reports at least this often.
EVERY_S = 30.0
#: A host that is silent for longer is not counted on: it was ended without a word, or cannot reach the store.
CURRENT_S = 90.0
_FORGOTTEN = timedelta(days=7)
_NUMBERED = re.compile(r"(\d{12})\.json")


class ModelReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One model on one host, by contract number the version: `wanted` by the routes, `serving` by every worker.

    `event` is the route event that this follows from, `refused` says why a version is not served there. `route`
    is None where exact versions were named: those do not follow.
    """

    name: str
    route: str | None
    event: int
    wanted: dict[int, int]
    serving: dict[int, int]
    refused: dict[int, str] = {}
    warm: tuple[int, ...] = ()


class WorkerReport(msgspec.Struct, frozen=True, kw_only=True):
    """A worker process, and whether it answers with what was chosen last."""

    slot: int
    pid: int
    current: bool


class CallerReport(msgspec.Struct, frozen=True, kw_only=True):
    """Predict requests of a key under a contract since the server started; `key` is empty where none is asked for."""

    model: str
    contract: int
    key: str
    requests: int


class AgentReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What a host serves; *slots* is how many workers it is to have, `ended` says that it was stopped in order.

    `log_waiting_s`: how long the oldest record on it waits for the store; None where it keeps no log.
    """

    host: str
    machine: str
    pid: int
    url: str
    cloche: str
    at: str
    models: tuple[ModelReport, ...] = ()
    slots: int = 1
    workers: tuple[WorkerReport, ...] = ()
    degraded: tuple[str, ...] = ()
    callers: tuple[CallerReport, ...] = ()
    ended: bool = False
    log_waiting_s: float | None = None

    def age_s(self, now: datetime) -> float:
        """How long ago it was written."""
        return (now - datetime.fromisoformat(self.at)).total_seconds()

    def model(self, name: str) -> ModelReport | None:
        """What it says of *name*."""
        return next((one for one in self.models if one.name == name), None)


class ReportWriter:
    """The reports of one host."""

    def __init__(self, store: Store, host: str) -> None:
        self._store = store
        self._host = host
        self._number: int | None = None

    def write(self, report: AgentReport) -> None:
        """
        Put *report* behind the earlier ones, and take the oldest away.

        Raises:
            StoreError: the store did not take it.
        """
        if self._number is None:
            self._number = max(_numbers(self._store, self._host), default=0)
        while True:
            self._number += 1
            with contextlib.suppress(ObjectExistsError):
                self._store.create(_path(self._host, self._number), encode(report))
                break
        for number in _numbers(self._store, self._host)[:-KEPT]:
            self._store.delete(_path(self._host, number))


def latest(store: Store, now: datetime) -> list[AgentReport]:
    """The last report of every host that spoke within a week, by host."""
    found = (_last(store, host) for host in store.folders(AGENTS))
    return [one for one in found if one is not None and one.age_s(now) < _FORGOTTEN.total_seconds()]


def current(reports: Iterable[AgentReport], now: datetime) -> list[AgentReport]:
    """Those hosts that can be counted on to follow a route."""
    return [one for one in reports if not one.ended and one.age_s(now) <= CURRENT_S]


def forget_silent(store: Store, now: datetime) -> None:
    """
    Take away the reports of hosts that are silent for a week.

    Raises:
        StoreError: the store did not do it.
    """
    for host in store.folders(AGENTS):
        last = _last(store, host)
        if last is None or last.age_s(now) > _FORGOTTEN.total_seconds():
            for number in _numbers(store, host):
                store.delete(_path(host, number))


def rfc3339(now: datetime) -> str:
    """*now* as reports spell it."""
    return now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _last(store: Store, host: str) -> AgentReport | None:
    """None too for a report that is damaged, or was taken away since it was listed."""
    numbers = _numbers(store, host)
    if not numbers:
        return None
    path = _path(host, numbers[-1])
    try:
        raw = store.get(path)
    except NotFoundError:
        return None
    try:
        report = decode(raw, AgentReport, f"store {store.describe()}: {path}")
        report.age_s(datetime.now(UTC))
    except (StoreError, ValueError, TypeError):
        return None
    return report


def _numbers(store: Store, host: str) -> list[int]:
    found = (_NUMBERED.fullmatch(path.rpartition("/")[2]) for path in store.list(f"{AGENTS}/{host}/"))
    return sorted(int(one[1]) for one in found if one)


def _path(host: str, number: int) -> str:
    return f"{AGENTS}/{host}/{number:012d}.json"
