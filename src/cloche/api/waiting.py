"""`promote | rollback --wait`: until every host that follows the model says that it serves the version, or why not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from cloche.api.workplace import Workplace
from cloche.errors import StoreError
from cloche.registry import RouteEvent, reports
from cloche.registry.reports import AgentReport

_LOOK_S = 0.5
State = Literal["serving", "refused", "overtaken", "stopped", "waiting"]


@dataclass(frozen=True, slots=True)
class Goal:
    """What hosts are to serve: *version* (None: nothing) under *contract*, by *event* of the routes or a later one."""

    name: str
    contract: int
    version: int | None
    event: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the goal on one host; `why` says more where it is not served."""

    host: str
    url: str
    state: State
    why: str | None = None

    @property
    def well(self) -> bool:
        """Whether nobody has to look after this host: it serves the version, or was stopped."""
        return self.state in ("serving", "stopped")

    def text(self) -> str:
        """One line for a person."""
        return f"{self.host} ({self.url}): {self.state}{f': {self.why}' if self.why else ''}"


def goal_of(event: RouteEvent, contract: int | None = None) -> Goal:
    """What *event* asks of the hosts; *contract* where the event that stands is about another one."""
    number = event.change.contract if contract is None else contract
    return Goal(event.name, number, event.routes.live.get(number), event.event)


def followers(here: Workplace, name: str) -> list[AgentReport]:
    """The hosts that can be counted on and follow the route of *name*."""
    now = datetime.now(UTC)
    current = reports.current(reports.latest(here.store, now), now)
    return [one for one in current if (model := one.model(name)) is not None and model.route is not None]


def wait(
    here: Workplace, goal: Goal, hosts: Iterable[AgentReport], *, timeout_s: float,
    tell: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:  # fmt: skip
    """
    Wait until each of *hosts* has come to an outcome; *tell* is called with each as it comes.

    Raises:
        StoreError: the reports cannot be read, up to the end.
    """
    until = time.monotonic() + timeout_s
    known = {one.host: one for one in hosts}
    outcomes: dict[str, Outcome] = {}
    while True:
        away = _read_again(here, known)
        for host, report in known.items():
            if host not in outcomes and (outcome := judge(report, goal)).state != "waiting":
                outcomes[host] = outcome
                tell(outcome)
        if len(outcomes) == len(known):
            break
        if time.monotonic() >= until:
            if away is not None:
                raise away
            break
        time.sleep(_LOOK_S)
    return [outcomes.get(host) or _missing(report, goal) for host, report in known.items()]


def judge(report: AgentReport, goal: Goal) -> Outcome:
    """What *report* says about *goal*."""
    state, why = _judged(report, goal)
    return Outcome(report.machine, report.url, state, why)


def _judged(report: AgentReport, goal: Goal) -> tuple[State, str | None]:
    model = report.model(goal.name)
    if report.ended or model is None:
        return "stopped", None
    if model.event < goal.event:
        return "waiting", None
    if model.serving.get(goal.contract) == goal.version:
        return "serving", None
    if model.wanted.get(goal.contract) != goal.version:
        return "overtaken", f"the routes were changed again (event {model.event})"
    if goal.version is not None and goal.version in model.refused:
        return "refused", model.refused[goal.version]
    return "waiting", None


def _missing(report: AgentReport, goal: Goal) -> Outcome:
    model = report.model(goal.name)
    version = None if model is None else model.serving.get(goal.contract)
    serves = "serves no version" if version is None else f"serves version {version}"
    age = report.age_s(datetime.now(UTC))
    return Outcome(report.machine, report.url, "waiting", f"{serves}; last report {age:.0f} s ago")


def _read_again(here: Workplace, known: dict[str, AgentReport]) -> StoreError | None:
    try:
        found: Mapping[str, AgentReport] = {
            one.host: one for one in reports.latest(here.store, datetime.now(UTC)) if one.host in known
        }
    except StoreError as exc:
        return exc
    known.update(found)
    return None
