"""
Spans to a collector by OTLP/HTTP: the only file that meets OpenTelemetry; imported where `[traces] endpoint` is set.

A batch processor of our own around the SDK's exporter: what the server hands over is one object a request, and spans
are made of it by the thread that sends them. The SDK's own takes finished spans (15 µs each to make, on the loop), and
its `shutdown` waits for 30 s. How a collector is reached (certificates, proxies, compression) is told to the
exporter by the `OTEL_EXPORTER_OTLP_*` variables, which it reads itself; where it is and what it is sent, never.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from urllib.parse import urlsplit
from uuid import uuid4

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState, get_current_span

from cloche._version import __version__
from cloche.logs import event
from cloche.web.trace_context import Parent, members_of
from cloche.web.traces import Finished, Span, spans_of

_log = logging.getLogger("cloche.traces")
_EVERY_S = 2.0
_BATCH = 128  #: requests, of up to five spans
_MOST_WAITING = 2_048  #: requests; what comes beyond is counted and let go
_EXPORT_S = 5.0
_CLOSE_S = 2.0
_SETTLE_S = 0.2  #: for an attempt that was broken off to be counted
_SCOPE = InstrumentationScope("cloche", __version__)
_EXPORTERS_HEADERS = frozenset({"content-type", "content-encoding", "user-agent"})
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


def exporting(endpoint: str, headers: Mapping[str, str], service_name: str | None) -> Exporting:
    """The spans of this process to the collector at *endpoint*."""
    exporter = OTLPSpanExporter(endpoint, headers=headers, timeout=_EXPORT_S, session=_Session(headers))
    parts = urlsplit(endpoint)
    return Exporting(exporter, resource_of(service_name), where=f"{parts.scheme}://{parts.netloc}{parts.path}")


def resource_of(service_name: str | None) -> Resource:
    """Who speaks: this process of that service, and what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say of it."""
    name = service_name or OTELResourceDetector().detect().attributes.get(SERVICE_NAME) or "cloche"
    return Resource.create({SERVICE_NAME: name, SERVICE_INSTANCE_ID: str(uuid4())})


def current() -> Parent | None:
    """The span that the running program is in, where it traces itself."""
    context = get_current_span().get_span_context()
    if not context.is_valid:
        return None
    state = context.trace_state.to_header()
    return Parent(context.trace_id, context.span_id, context.trace_flags.sampled, state, remote=False)


class Exporting:
    """
    Sends finished requests in batches from a daemon thread; neither `send` nor the collector makes anybody wait.

    A collector that takes nothing is told once, and once that it takes them again; what it did not take is lost.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        resource: Resource,
        *,
        where: str,
        every_s: float = _EVERY_S,
        most_waiting: int = _MOST_WAITING,
        close_s: float = _CLOSE_S,
    ) -> None:
        self._exporter = exporter
        self._resource = resource
        self._where = where
        self._every_s = every_s
        self._most_waiting = most_waiting
        self._close_s = close_s
        self._waiting: deque[Finished] = deque()
        self._wake = threading.Event()
        self._closing = False  #: what waits is still sent
        self._over = False  #: nothing is
        self._pid = 0
        self._thread: threading.Thread | None = None
        self._failing = False
        self._dropped = 0  #: requests for which there was no room; counted by who sends
        self._refused = 0  #: requests that the collector did not take; counted by the thread
        self._told = 0  #: of both
        self._hearing = _Hearing()

    def send(self, done: Finished) -> None:
        """Hand *done* over, if there is room for it."""
        if self._closing or len(self._waiting) >= self._most_waiting:
            self._dropped += 1
            return
        self._waiting.append(done)
        if self._pid != os.getpid():  # the first one, here or in a process forked from where it was
            self._start()
        elif len(self._waiting) >= _BATCH and not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Send what waits, within the bound; at once where the collector takes nothing anyway."""
        self._closing = True
        self._wake.set()
        thread = self._thread if self._pid == os.getpid() else None
        if thread is not None:
            thread.join(0.0 if self._failing else self._close_s)
        self._over = True
        self._exporter.shutdown()  # ends the pause before another attempt
        if thread is not None:
            thread.join(_SETTLE_S)
        lost = self._newly_lost() + len(self._waiting)
        if lost:
            level = logging.INFO if self._failing else logging.WARNING  # who was warned is not warned again
            event(_log, level, "traces lost", lost=lost, collector=self._where)

    def _start(self) -> None:
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._work, name="cloche-traces", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        with self._hearing:
            while not self._closing:
                self._wake.wait(self._every_s)
                self._wake.clear()
                while self._waiting and not self._over:
                    self._export([self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))])

    def _export(self, batch: list[Finished]) -> None:
        try:
            spans = [span for done in batch for span in _readable(done, self._resource)]
            taken = not spans or self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception as exc:  # noqa: BLE001  a thread that dies exports nothing more
            self._hearing.last = f"{type(exc).__name__}: {exc}"
            taken = False
        if not taken:
            self._refused += len(batch)
        self._tell(failing=not taken)

    def _tell(self, *, failing: bool) -> None:
        if failing == self._failing:
            return
        self._failing = failing
        if failing:
            why = self._hearing.last
            event(_log, logging.WARNING, "traces are not taken by the collector", why=why, collector=self._where)
        else:
            event(_log, logging.INFO, "traces are taken again", lost=self._newly_lost(), collector=self._where)

    def _newly_lost(self) -> int:
        """Requests whose spans were lost since this was last asked."""
        lost = self._dropped + self._refused - self._told
        self._told += lost
        return lost


class _Session(requests.Session):
    """Sends no header that was meant for another collector: the exporter adds those of OTEL_EXPORTER_OTLP_HEADERS."""

    def __init__(self, ours: Iterable[str]) -> None:
        super().__init__()
        self._known = _EXPORTERS_HEADERS | {name.lower() for name in ours}

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        given = request.headers or {}
        request.headers = {name: value for name, value in given.items() if name.lower() in self._known}
        return super().prepare_request(request)


class _Hearing(logging.Filter):
    """
    Keeps what the exporter says of our failures for the one line that we write of them.

    It logs each attempt, and a program that we are a guest in may export spans of its own: those lines stay.
    """

    def __init__(self) -> None:
        super().__init__()
        self.last = ""
        self._thread = 0
        self._logger = logging.getLogger(OTLPSpanExporter.__module__)

    def __enter__(self) -> None:
        self._thread = threading.get_ident()
        self._logger.addFilter(self)

    def __exit__(self, *_: object) -> None:
        self._logger.removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread:
            return True
        self.last = record.getMessage()
        return False


def _readable(done: Finished, resource: Resource) -> Iterator[ReadableSpan]:
    """The request's spans as the SDK's exporters read them; a step is a child of the request."""
    trace = done.trace
    parent = None if trace.parent is None else _context_of(trace.parent)
    state = TraceState() if trace.parent is None else _state_of(trace.parent.state)
    for one in spans_of(done):
        own = SpanContext(trace.trace_id, _new_span_id(), is_remote=False, trace_flags=_SAMPLED, trace_state=state)
        yield _span(one, own, parent, resource)
        parent = own if one.server else parent


def _span(one: Span, own: SpanContext, parent: SpanContext | None, resource: Resource) -> ReadableSpan:
    return ReadableSpan(
        one.name,
        context=own,
        parent=parent,
        resource=resource,
        attributes=one.attributes,
        kind=SpanKind.SERVER if one.server else SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR if one.failed else StatusCode.UNSET),
        start_time=one.start_ns,
        end_time=one.end_ns,
        instrumentation_scope=_SCOPE,
    )


def _context_of(parent: Parent) -> SpanContext:
    return SpanContext(
        parent.trace_id,
        parent.span_id,
        is_remote=parent.remote,
        trace_flags=_SAMPLED,
        trace_state=_state_of(parent.state),
    )


@lru_cache(maxsize=64)
def _state_of(state: str) -> TraceState:
    return TraceState(list(members_of(state)))


def _new_span_id() -> int:
    return int.from_bytes(os.urandom(8), "big") or 1
