"""The agent's reports: on a change and every half minute, as long as the store takes them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from cloche._version import __version__
from cloche.errors import StoreError
from cloche.metrics import Samples
from cloche.registry import reports
from cloche.registry.reports import AgentReport, CallerReport, ModelReport, ReportWriter, WorkerReport
from cloche.store import Store
from cloche.web.processes.runtime import ModelState, ServerFile, SlotReport, State

_log = logging.getLogger("cloche.agent")
#: Changes that come faster are told together.
_PAUSE_S = 1.0
_LAST_WORD_S = 3.0


class Reporter:
    """Tells the store what this host serves."""

    def __init__(
        self,
        store: Store,
        server: ServerFile,
        host: str,
        *,
        reachable: Callable[[], bool],
        counted: Callable[[], Samples] = dict,
        log_waiting_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._store = store
        self._server = server
        self._host = host
        self._reachable = reachable
        self._counted = counted
        self._log_waiting_s = log_waiting_s
        self._writer = ReportWriter(store, host)
        self._last: AgentReport | None = None
        self._next = 0.0
        self._told = False

    async def tell(self, state: State, applied: State, slots: list[SlotReport]) -> None:
        """Report now if something changed, or the last report is old."""
        report = self._report(state, applied, slots)
        changed = self._last is None or report != msgspec.structs.replace(
            self._last, at=report.at, callers=report.callers, log_waiting_s=report.log_waiting_s
        )
        now = time.monotonic()
        if self._reachable() and now >= (self._next if changed else self._next - _PAUSE_S + reports.EVERY_S):
            self._next = now + _PAUSE_S
            await self._write(report)

    async def end(self, state: State, applied: State) -> None:
        """Say that this server has stopped, if the store takes it at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORD_S):
                await self._write(self._report(state, applied, [], ended=True))

    async def forget_silent(self) -> None:
        """Clear away what hosts that are long gone have left."""
        with contextlib.suppress(StoreError):
            await asyncio.to_thread(reports.forget_silent, self._store, datetime.now(UTC))

    async def _write(self, report: AgentReport) -> None:
        report = msgspec.structs.replace(report, log_waiting_s=self._log_waiting_s())
        try:
            await asyncio.to_thread(self._writer.write, report)
            self._last, self._told = report, False
        except StoreError as exc:
            if not self._told:
                _log.warning("this host cannot report to the store: %s", exc)
            self._told = True

    def _report(self, state: State, applied: State, slots: list[SlotReport], *, ended: bool = False) -> AgentReport:
        serving = {model.name: model for model in applied.models}
        return AgentReport(
            host=self._host,
            machine=platform.node(),
            pid=self._server.pid,
            url=self._server.url,
            cloche=__version__,
            at=reports.rfc3339(datetime.now(UTC)),
            models=tuple(model_report(model, serving.get(model.name)) for model in state.models),
            slots=self._server.config.workers,
            workers=tuple(WorkerReport(slot=s.slot, pid=s.pid, current=s.state >= state.number) for s in slots),
            degraded=state.degraded,
            callers=callers_of(self._counted()),
            ended=ended,
        )


def callers_of(counted: Samples) -> tuple[CallerReport, ...]:
    """Who called which contract, from what the workers counted."""
    series = counted.get("cloche_caller_requests_total", {})
    return tuple(
        CallerReport(model=model, contract=int(contract), key=key, requests=int(count))
        for (model, contract, key), (count,) in sorted(series.items())
    )


def model_report(model: ModelState, applied: ModelState | None) -> ModelReport:
    """
    What is said of *model*: every worker answers as in *applied*.

    `event` is the one whose outcome is told: refused versions, or what workers have applied.
    """
    serving = {} if applied is None else {number: one.record.version for number, one in applied.answering.items()}
    return ModelReport(
        name=model.name,
        route=model.route,
        event=model.event,
        wanted=model.wanted,
        serving=serving,
        refused=model.refused,
        warm=tuple(one.record.version for one in model.warm),
    )
