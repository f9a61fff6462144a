"""`cloche status`: what each host says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cloche.api.workplace import Workplace
from cloche.registry import check_name, reports
from cloche.registry.reports import AgentReport, ModelReport, WorkerReport

#: A host that was silent for longer is not listed.
_LISTED_S = 86_400.0


@dataclass(frozen=True, slots=True)
class HostStatus:
    """A host by its last report; `silent` where that is too old to be counted on."""

    host: str
    machine: str
    url: str
    pid: int
    cloche: str
    age_s: float
    silent: bool
    models: tuple[ModelReport, ...]
    slots: int
    workers: tuple[WorkerReport, ...]
    degraded: tuple[str, ...]


def status(here: Workplace, name: str | None = None) -> list[HostStatus]:
    """
    Every host that was not stopped and spoke within a day; with *name* those that serve it, and it alone.

    Raises:
        ModelNotFoundError: no such model.
    """
    now = datetime.now(UTC)
    if name is not None and not here.registry.versions(check_name(name)):
        raise here.registry.no_model(name)
    found = [one for one in reports.latest(here.store, now) if not one.ended and one.age_s(now) <= _LISTED_S]
    return [_host(one, name, now) for one in found if name is None or one.model(name) is not None]


def _host(report: AgentReport, name: str | None, now: datetime) -> HostStatus:
    age_s = report.age_s(now)
    return HostStatus(
        host=report.host,
        machine=report.machine,
        url=report.url,
        pid=report.pid,
        cloche=report.cloche,
        age_s=round(max(age_s, 0.0), 1),
        silent=age_s > reports.CURRENT_S,
        models=tuple(one for one in report.models if name in (None, one.name)),
        slots=report.slots,
        workers=report.workers,
        degraded=report.degraded,
    )
