"""
Which requests are traced, what is measured of them, and what their spans say. Knows no library.

A request that is not traced costs a look at one header; one that is costs a reading of the clock a step, and its spans
are made by the thread that exports them. A span never holds a value of a row, a key, a query or an address.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from cloche.config import Secret, TracesConfig
from cloche.errors import MissingExtraError, UsageError
from cloche.web import routes
from cloche.web.head import Head
from cloche.web.trace_context import Parent, parent_of

_HOME = "cloche.web.otlp"
#: What a path of the traced routes ends in; the table of routes is asked later, by the thread that exports.
_ENDINGS = ("/predict", "/labels")
_TRACED = frozenset({"predict", "label"})
_HALF = 1 << 64
#: Of the record of a request to the attributes of its span: OpenTelemetry's conventions for HTTP, then ours.
_ATTRIBUTES = {
    "method": "http.request.method",
    "path": "url.path",
    "status": "http.response.status_code",
    "request_id": "cloche.request_id",
    "model": "cloche.model",
    "version": "cloche.version",
    "contract": "cloche.contract",
    "rows": "cloche.rows",
    "error": "cloche.error",
}


class Step(NamedTuple):
    """A part of the work, in nanoseconds since the epoch; `error` is the class of what it raised."""

    name: str
    start_ns: int
    end_ns: int
    error: str | None


@dataclass(slots=True)
class Trace:
    """One request that its caller traces or that we chose to; its steps follow one another."""

    trace_id: int
    parent: Parent | None
    sampled: bool
    start_ns: int
    steps: list[Step] = field(default_factory=list)
    _name: str | None = None
    _began_ns: int = 0

    @property
    def shown(self) -> str:
        """As log lines write it."""
        return f"{self.trace_id:032x}"

    def begin(self, name: str) -> None:
        """The step *name* begins; one that has not ended does."""
        self.end()
        self._name, self._began_ns = name, time.time_ns()

    def end(self, error: str | None = None) -> None:
        """The step, if there is one, is over; *error* is the class of what it raised."""
        if self._name is not None:
            self.steps.append(Step(self._name, self._began_ns, time.time_ns(), error))
            self._name = None


def measured(trace: Trace | None) -> Trace | None:
    """*trace* where its steps are asked for."""
    return trace if trace is not None and trace.sampled else None


@dataclass(frozen=True, slots=True)
class Finished:
    """A request that was answered: its trace and what the gate logged of it."""

    trace: Trace
    record: Mapping[str, Any]
    scheme: str
    end_ns: int


@dataclass(frozen=True, slots=True)
class Span:
    """One span; `server` is the request itself, the others are its steps, in order."""

    name: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, str | int]
    server: bool = False
    failed: bool = False


class Sink(Protocol):
    """Where finished requests go: `otlp.Exporting`. It neither waits nor raises."""

    def send(self, done: Finished) -> None: ...
    def close(self) -> None: ...


class Traces:
    """
    The traces of one server.

    *here* is the span that the program around us is in, for a guest: it is nearer than the caller's.
    """

    def __init__(
        self,
        sample: float,
        sink: Sink,
        *,
        here: Callable[[], Parent | None] | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._bound = round(sample * _HALF)
        self._sink = sink
        self._here = here
        self._random = random

    def begin(self, head: Head) -> Trace | None:
        """The trace that the request belongs to; None where nobody wants one."""
        if head.method != "POST" or not head.path.endswith(_ENDINGS):
            return None
        parent = (self._here() if self._here is not None else None) or parent_of(head.headers)
        if parent is not None:
            return Trace(parent.trace_id, parent, parent.sampled, time.time_ns())
        trace_id = int.from_bytes(self._random(16), "big") or 1
        if not self._chosen(trace_id):
            return None
        return Trace(trace_id, None, True, time.time_ns())

    def finish(self, trace: Trace | None, record: Mapping[str, Any], scheme: str) -> None:
        """The request was answered; *record* is what `Gate.finish` made of it."""
        if trace is not None and trace.sampled:
            trace.end(record.get("error"))  # one that nobody could end
            self._sink.send(Finished(trace, record, scheme, time.time_ns()))

    def close(self) -> None:
        """Hand over what waits, for as long as that is worth waiting for."""
        self._sink.close()

    def _chosen(self, trace_id: int) -> bool:
        """By the lower half of the id, as OpenTelemetry's TraceIdRatioBased: services of one ratio agree."""
        return trace_id % _HALF < self._bound


def spans_of(done: Finished) -> tuple[Span, ...]:
    """The span of the request, then those of its steps; none where the path leads to no model."""
    record, status = done.record, int(done.record["status"])
    target = routes.match(record["path"])
    if target is None or target.route.name not in _TRACED:
        return ()
    failed = status >= 500
    attributes = {ours: record[name] for name, ours in _ATTRIBUTES.items() if name in record}
    attributes |= {"http.route": routes.template(target), "url.scheme": done.scheme}
    if failed:
        attributes["error.type"] = record.get("error", str(status))
    name = f"{record['method']} {attributes['http.route']}"
    request = Span(name, done.trace.start_ns, done.end_ns, attributes, server=True, failed=failed)
    return request, *(_span_of(one, failed=failed) for one in done.trace.steps)


def _span_of(one: Step, *, failed: bool) -> Span:
    attributes = {} if one.error is None else {"error.type": one.error}
    return Span(one.name, one.start_ns, one.end_ns, attributes, failed=failed and one.error is not None)


def traces_of(config: TracesConfig, *, guest: bool = False) -> Traces | None:
    """
    The traces of a server with these settings, exported from now on; None where no collector is named.

    Raises:
        UsageError: `endpoint` is no address of a collector, `headers` are no headers.
        MissingExtraError: OpenTelemetry is not installed.
    """
    if config.endpoint is None:
        return None
    headers = _checked(config.endpoint, config.headers)
    try:
        home = importlib.import_module(_HOME)
    except ModuleNotFoundError as exc:
        if (exc.name or "").startswith("cloche"):
            raise
        raise MissingExtraError("[traces] 'endpoint'", exc.name or "opentelemetry", "otel") from exc
    sink: Sink = home.exporting(config.endpoint, headers, config.service_name)
    return Traces(config.sample, sink, here=home.current if guest else None)


def _checked(endpoint: str, headers: Secret | None) -> dict[str, str]:
    """The headers, when both can be meant; what they hold is never shown."""
    try:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError
    except ValueError:  # half an IPv6 address, a port beyond 65535
        raise UsageError(f"[traces] 'endpoint': expected http://HOST:PORT/v1/traces, got '{endpoint}'") from None
    if parts.username is not None:
        raise UsageError("[traces] 'endpoint': expected no user and password in it; [traces] 'headers' is the place")
    return {} if headers is None else _headers_of(headers.reveal())


def _headers_of(text: str) -> dict[str, str]:
    """As OTEL_EXPORTER_OTLP_HEADERS is written: `name=value,name=value`, values percent-encoded."""
    found = {}
    for number, one in enumerate((one for one in text.split(",") if one.strip()), start=1):
        name, equals, value = (part.strip() for part in one.partition("="))
        value = unquote(value)
        if not equals or not name.replace("-", "").replace("_", "").isalnum() or not _plain(name + value):
            raise UsageError(f"[traces] 'headers': header {number}: expected NAME=VALUE")
        found[name] = value
    return found


def _plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
