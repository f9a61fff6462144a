"""From an answered request to its record: what is written down before the answer leaves."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from typing import Literal, Protocol

from cloche.contract.compiled import ValidRows
from cloche.contract.model import Contract
from cloche.errors import ClocheError, InvalidInputError, LogUnavailableError
from cloche.prediction_log.frames import Labels, Request
from cloche.prediction_log.version import Answered, LoggedVersion
from cloche.records import Outputs
from cloche.web import problems, routes
from cloche.web.answer import Answer, of_error
from cloche.web.gate import Admitted, Refusal
from cloche.web.traces import measured

_log = logging.getLogger("cloche.web")
LogState = Literal["full", "partial", "off"]


class Records(Protocol):
    """Where records go: `prediction_log.recorder.Recorder`."""

    @property
    def complete(self) -> bool: ...
    @property
    def able(self) -> bool: ...
    @property
    def at_once(self) -> bool: ...
    def record_all(self, requests: Sequence[tuple[Request, Answered | None]]) -> None: ...
    async def record(self, request: Request, answered: Answered | None = None, *, within_s: float) -> None: ...
    async def record_labels(self, labels: Labels, contract: Contract, *, within_s: float) -> None: ...


def state_of(records: Records | None) -> LogState:
    """What `/metadata` says of the log."""
    if records is None:
        return "off"
    return "full" if records.complete else "partial"


async def recorded(records: Records, verdict: Admitted | Refusal, answer: Answer, within_s: float) -> Answer:
    """
    *answer*, when it may leave: its record is kept.

    What cannot be kept *within_s* is answered with 503 instead.
    """
    if not _is_predict(verdict):
        return answer
    trace = measured(verdict.trace)
    if trace is not None:
        trace.begin("record")
    try:
        await records.record(request_of(verdict, answer), answer.answered, within_s=within_s)
    except Exception as exc:  # noqa: BLE001  an answer without a record does not leave, whatever the reason
        return not_recorded(exc, verdict)
    if trace is not None:
        trace.end()
    return answer


def not_recorded(exc: Exception, verdict: Admitted | Refusal) -> Answer:
    """What is answered instead of an answer whose record could not be kept, or not even be made."""
    if not isinstance(exc, LogUnavailableError):
        _log.error("the record of request %s could not be made", verdict.request_id, exc_info=exc)
    return of_error(exc, verdict)


def _is_predict(verdict: Admitted | Refusal) -> bool:
    if isinstance(verdict, Admitted):
        return verdict.target.route.name == "predict"
    target = routes.match(verdict.head.path)
    return target is not None and target.route.name == "predict"


def request_of(verdict: Admitted | Refusal, answer: Answer) -> Request:
    """What is written down of a request, beside what it was answered with."""
    caller = verdict.caller if isinstance(verdict, Admitted) else None
    key = verdict.key if isinstance(verdict, Refusal) else None
    return _request(
        verdict.request_id,
        verdict.client_request_id,
        verdict.started,
        answer.status,
        answer.facts.error,
        key if caller is None else caller.id,
        answer.facts.model,
    )


def _request(
    request_id: str,
    client_request_id: str | None,
    started: float,
    status: int,
    error: str | None,
    key: str | None = None,
    model: str | None = None,
) -> Request:
    """A request that began at *started* (`time.monotonic()`) and is answered now; its rows come with the answer."""
    latency_us = int((time.monotonic() - started) * 1e6)
    return Request(
        request_id=request_id,
        client_request_id=client_request_id,
        time_us=time.time_ns() // 1000 - latency_us,
        latency_us=latency_us,
        status=status,
        error=error,
        key=key,
        route=None,
        schema=None,
        model=model,
        n=0,
    )


class DirectCall:
    """A request that came by no socket: from the program that we are a guest in."""

    def __init__(self, request_id: str, records: Records | None, *, within_s: float) -> None:
        self.request_id = request_id
        self._records = records
        self._within_s = within_s
        self._started = time.monotonic()

    async def answered(self, version: LoggedVersion, route: str, rows: ValidRows, outputs: Outputs) -> None:
        """
        Keep the record of an answer.

        Raises:
            LogUnavailableError: it could not be kept, and the answer is not to leave.
        """
        await self._keep(self._finished(200, None), Answered(version, route, rows, outputs))

    async def failed(self, version: LoggedVersion, route: str, exc: ClocheError) -> None:
        """Keep that there was no answer; the error that is on its way is told in any case."""
        status, name = problems.status_of(exc)
        found = exc.problems if isinstance(exc, InvalidInputError) else ()
        with contextlib.suppress(LogUnavailableError):
            await self._keep(self._finished(status, name), Answered(version, route, problems=found))

    async def _keep(self, request: Request, answered: Answered) -> None:
        if self._records is not None:
            await self._records.record(request, answered, within_s=self._within_s)

    def _finished(self, status: int, error: str | None) -> Request:
        return _request(self.request_id, None, self._started, status, error)
