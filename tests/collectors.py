"""A small OTLP/HTTP collector for tests: takes spans over a real socket and decodes them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from processes import eventually


class Collector:
    """What was received: spans as dicts, the resources they came with, the headers of each export."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.services: set[str] = set()
        self.headers: list[dict[str, str]] = []
        self.raw = b""
        self.url = ""

    def take(self, headers: dict[str, str], body: bytes) -> None:
        self.headers.append(headers)
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.services.add(_attributes(resource.resource.attributes)["service.name"])
            self.spans += [_span(one) for scope in resource.scope_spans for one in scope.spans]

    def of_trace(self, trace_id: str) -> dict[str, dict[str, Any]]:
        """The spans of a trace by their names."""
        return {one["name"]: one for one in self.spans if one["trace_id"] == trace_id}

    def awaited(self, trace_id: str) -> dict[str, dict[str, Any]]:
        """The same, when there are any."""
        found: dict[str, dict[str, Any]] = eventually(lambda: self.of_trace(trace_id), f"spans of {trace_id} came")
        return found


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port until the block ends."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.take({name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_port}/v1/traces"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield collector
        server.shutdown()


def _span(one: Any) -> dict[str, Any]:
    return {
        "name": one.name,
        "trace_id": one.trace_id.hex(),
        "span_id": one.span_id.hex(),
        "parent": one.parent_span_id.hex(),
        "state": one.trace_state,
        "kind": one.kind,
        "status": one.status.code,
        "attributes": _attributes(one.attributes),
    }


def _attributes(given: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in given}
