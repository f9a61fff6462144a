"""Contract numbers of a name: the default, an end, who still calls which, and what changed between them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from cloche.api.workplace import Workplace
from cloche.errors import UsageError
from cloche.registry import Revision, RouteEvent, reports


@dataclass(frozen=True, slots=True)
class Caller:
    """Requests of one key under one contract, over the servers that reported; `key` is empty where none was asked."""

    contract: int
    key: str
    requests: int


@dataclass(frozen=True, slots=True)
class Callers:
    """Who calls which contract, by the last report of each of *servers* servers; counted since each one started."""

    servers: int
    callers: tuple[Caller, ...]


def set_default(here: Workplace, name: str, number: int, *, why: str | None = None) -> RouteEvent:
    """Let paths without a number mean contract *number*."""
    return here.registry.set_default(name, number, by=here.user, why=why)


def set_sunset(here: Workplace, name: str, text: str, *, why: str | None = None) -> RouteEvent:
    """
    `1=2027-06-30`: tell callers of contract 1 until when it is served; `1=` takes that back.

    Raises:
        UsageError: *text* is not of that shape.
    """
    number, sign, until = text.partition("=")
    if not sign or not (number.isascii() and number.isdigit()):
        raise UsageError(f"--sunset: expected NUMBER=YYYY-MM-DD such as 1=2027-06-30, got '{text[:32]}'")
    return here.registry.set_sunset(name, int(number), until or None, by=here.user, why=why)


def callers(here: Workplace, name: str) -> Callers:
    """
    Who called which contract of *name*, as its servers report.

    Raises:
        ModelNotFoundError: no such model.
    """
    if not here.registry.versions(name):
        raise here.registry.no_model(name)
    told = [one for one in reports.latest(here.store, datetime.now(UTC)) if one.model(name) is not None]
    counts: Counter[tuple[int, str]] = Counter()
    for report in told:
        for one in report.callers:
            if one.model == name:
                counts[one.contract, one.key] += one.requests
    return Callers(len(told), tuple(Caller(number, key, n) for (number, key), n in sorted(counts.items())))


def changes(here: Workplace, name: str) -> tuple[Revision, ...]:
    """What changed for callers from one revision and number of the contract to the next."""
    return here.registry.revisions(name)
