"""Whose trace a request belongs to, which are sampled, what the spans say, and that exporting them costs no answer."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from cloche.calling import Server
from cloche.config import Secret, ServerConfig, TracesConfig
from cloche.errors import EngineError, MissingExtraError, OverloadedError, UsageError
from cloche.records import Columns, Outputs
from cloche.web import otlp, routes
from cloche.web.app import create_app
from cloche.web.gate import Gate, by_key
from cloche.web.head import Head
from cloche.web.otlp import Exporting, resource_of
from cloche.web.trace_context import Parent, members_of, parent_of
from cloche.web.traces import Finished, Trace, Traces, measured, traces_of
from simulators import FakeEngine, deployment, deployments, ids, sign_of_x

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
ROW = b'{"x": 1.0, "colour": "red"}'


# -- the caller's trace ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sampled"),
    [
        pytest.param(PARENT, True, id="sampled"),
        pytest.param(f"00-{TRACE}-{SPAN}-00", False, id="not-sampled"),
        pytest.param(f"00-{TRACE}-{SPAN}-03", True, id="a-flag-of-level-2"),
        pytest.param(f" {PARENT}\t", True, id="white-space-around"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01-what-comes-later", True, id="a-later-version"),
        pytest.param(f"{PARENT}-more", None, id="version-00-with-more"),
        pytest.param(f"ff-{TRACE}-{SPAN}-01", None, id="forbidden-version"),
        pytest.param(f"00-{'0' * 32}-{SPAN}-01", None, id="no-trace"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", None, id="no-span"),
        pytest.param(PARENT.upper(), None, id="upper-case"),
        pytest.param(PARENT[:-1], None, id="too-short"),
        pytest.param(f"00-{TRACE}-{SPAN}-1x", None, id="no-hex"),
        pytest.param(f"{PARENT}, {PARENT}", None, id="sent-twice"),
        pytest.param(f"{PARENT}\n", None, id="a-line-end"),
        pytest.param("", None, id="empty"),
    ],
)
def test_traceparent(text: str, sampled: bool | None) -> None:
    wanted = None if sampled is None else Parent(int(TRACE, 16), int(SPAN, 16), sampled, "a=1")
    assert parent_of({"traceparent": text, "tracestate": "a=1"}) == wanted
    assert parent_of({}) is None


PIECES = st.sampled_from(["00", "01", "cc", "ff", TRACE, "0" * 32, SPAN, "0" * 16, "zz", "", "A1", "more"])


@given(st.lists(PIECES, min_size=3, max_size=6).map("-".join))
def test_traceparent_is_read_as_opentelemetry_reads_it(text: str) -> None:
    read = otel.get_current_span(TraceContextTextMapPropagator().extract({"traceparent": text})).get_span_context()
    ours = parent_of({"traceparent": text})
    theirs = Parent(read.trace_id, read.span_id, read.trace_flags.sampled) if read.is_valid else None
    assert ours == theirs


@pytest.mark.parametrize(
    ("text", "members"),
    [
        pytest.param("a=1,b=2", (("a", "1"), ("b", "2")), id="two"),
        pytest.param(" a=1 ,\t, b@v=x y", (("a", "1"), ("b@v", "x y")), id="white-space-and-empty-members"),
        pytest.param("a=1,a=2", (), id="twice"),
        pytest.param("a=1,=2", (), id="no-key"),
        pytest.param("a=1,A=2", (), id="no-such-key"),
        pytest.param("a=1\x1b[2J", (), id="control-characters"),
        pytest.param(",".join(f"k{n}=v" for n in range(33)), (), id="one-too-many"),
        pytest.param(f"a={'v' * 255},b={'v' * 254}", (), id="too-long"),
        pytest.param("", (), id="empty"),
    ],
)
def test_tracestate(text: str, members: tuple[tuple[str, str], ...]) -> None:
    assert members_of(text) == members


# -- which requests -------------------------------------------------------------------------------


class Kept:
    """A sink that keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[Finished] = []

    def send(self, done: Finished) -> None:
        self.sent.append(done)

    def close(self) -> None: ...


def begun(sample: float, traceparent: str | None = None, low: int = 1 << 62, **given: Any) -> Trace | None:
    """What becomes of a predict request whose trace id, where it is ours, ends in *low*; 1 << 62 is a quarter."""
    random = ((1 << 64) + low).to_bytes(16, "big")
    headers = {} if traceparent is None else {"traceparent": traceparent}
    return Traces(sample, Kept(), random=lambda _: random, **given).begin(Head("POST", "/predict", "", headers))


@pytest.mark.parametrize(
    ("sample", "traceparent", "sampled"),
    [
        pytest.param(1.0, None, True, id="all"),
        pytest.param(0.0, None, None, id="none"),
        pytest.param(0.26, None, True, id="below-the-share"),
        pytest.param(0.25, None, None, id="at-the-share"),
        pytest.param(0.0, PARENT, True, id="the-caller-wants-it"),
        pytest.param(1.0, f"00-{TRACE}-{SPAN}-00", False, id="the-caller-does-not"),
        pytest.param(1.0, "nonsense", True, id="malformed"),
    ],
)
def test_who_decides_what_is_sampled(sample: float, traceparent: str | None, sampled: bool | None) -> None:
    found = begun(sample, traceparent)
    assert (None if found is None else found.sampled) == sampled


def test_the_span_around_a_guest_is_nearer_than_the_callers() -> None:
    here = Parent(1, 2, True, remote=False)
    found = begun(0.0, PARENT, here=lambda: here)
    assert found is not None
    assert (found.trace_id, found.parent) == (1, here)
    assert begun(0.0, PARENT, here=lambda: None).shown == TRACE  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("method", "path", "traced"),
    [
        pytest.param("POST", "/predict", True, id="predict"),
        pytest.param("POST", "/models/a/labels", True, id="labels"),
        pytest.param("OPTIONS", "/predict", False, id="preflight"),
        pytest.param("GET", "/ready", False, id="health"),
    ],
)
def test_what_is_traced(method: str, path: str, traced: bool) -> None:
    assert (Traces(1.0, Kept()).begin(Head(method, path)) is not None) == traced


@pytest.mark.parametrize(
    "path",
    ["/predict", "/v{contract}/predict", "/models/{model}/predict", "/models/{model}/v{contract}/predict",
     "/models/{model}/versions/{version}/predict", "/labels", "/models/{model}/labels"],
)  # fmt: skip
def test_the_template_of_a_route(path: str) -> None:
    target = routes.match(path.replace("{model}", "pen").replace("{contract}", "2").replace("{version}", "3"))
    assert target is not None
    assert routes.template(target) == path


# -- what the spans say ---------------------------------------------------------------------------


def exporting(exporter: SpanExporter, **given: Any) -> Exporting:
    return Exporting(exporter, resource_of(None), where="http://collector", **{"every_s": 0.01, **given})


class KeyOne:
    id, rate = "one", None

    def allows(self, scope: str, model: str | None = None) -> bool:
        return scope in ("predict", "label")


async def asked(
    path: str, body: bytes, answer: Any, headers: dict[str, str], records: list[dict[str, Any]]
) -> tuple[int, tuple[ReadableSpan, ...]]:
    """The status of one request to an application whose model is *answer*, and the spans that were exported."""
    memory, statuses = InMemorySpanExporter(), []
    traces = Traces(1.0, exporting(memory))
    gate = Gate(new_id=ids(), authenticators=[by_key({"clk_secret": KeyOne()}.get)], traces=traces)
    held = deployments(deployment(FakeEngine(answer), version=3))
    app = create_app(held, gate, ServerConfig(), log_request=records.append, traces=traces)
    named = {"content-type": "application/json", "x-api-key": "clk_secret", **headers}
    scope: dict[str, Any] = {
        "type": "http", "method": "POST", "path": path, "query_string": b"top=1", "scheme": "https",
        "headers": [(name.encode(), value.encode()) for name, value in named.items()], "client": ("10.1.2.3", 5),
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
            assert not any(b"trace" in name for name, _ in message["headers"])

    await app(scope, receive, send)
    traces.close()
    for one in held:
        for each in one:
            await each.close()
    return statuses[0], memory.get_finished_spans()


def raising(exc: Exception) -> Any:
    def answer(_columns: Columns, _n: int) -> Outputs:
        raise exc

    return answer


@pytest.mark.parametrize(
    ("path", "body", "answer", "headers", "status", "names", "said"),
    [
        pytest.param(
            "/models/colours/predict", ROW, sign_of_x, {}, 200, ["decode", "infer", "encode"],
            {"http.route": "/models/{model}/predict", "cloche.model": "colours", "cloche.version": 3,
             "cloche.contract": 1, "cloche.rows": 1, "cloche.request_id": "id-1"}, id="answered",
        ),
        pytest.param("/predict", b'{"x": "secret", "colour": "red"}', sign_of_x, {}, 400, ["decode"],
                     {"cloche.error": "InvalidInput", "cloche.model": "colours"}, id="invalid-input"),
        pytest.param("/predict", ROW, sign_of_x, {"x-api-key": "secret"}, 401, [],
                     {"cloche.error": "Unauthorized"}, id="refused-at-the-gate"),
        pytest.param("/predict", ROW, raising(EngineError("secret")), {}, 500, ["decode", "infer"],
                     {"error.type": "Engine", "cloche.error": "Engine"}, id="the-model-fails"),
        pytest.param("/predict", ROW, raising(OverloadedError("full")), {}, 503, ["decode", "infer"],
                     {"error.type": "Overloaded"}, id="overloaded"),
        pytest.param("/labels", b'{"request_id": "id-1", "label": "secret"}', sign_of_x, {}, 400, ["decode"],
                     {"http.route": "/labels"}, id="a-label-that-is-none"),
    ],
)  # fmt: skip
def test_the_spans_of_a_request(
    path: str, body: bytes, answer: Any, headers: dict[str, str], status: int, names: list[str], said: dict[str, Any]
) -> None:
    records: list[dict[str, Any]] = []
    sent = {"traceparent": PARENT, "tracestate": "vendor=t1", **headers}
    got, spans = asyncio.run(asked(path, body, answer, sent, records))
    request, *steps = spans
    attributes = dict(request.attributes or {})
    assert (got, attributes["http.response.status_code"]) == (status, status)
    assert [one.name for one in steps] == names
    assert said.items() <= attributes.items()
    base = {"http.request.method": "POST", "url.path": path, "url.scheme": "https"}
    assert base.items() <= attributes.items()
    assert request.name == f"POST {attributes['http.route']}"
    assert (request.kind, {one.kind for one in steps} <= {SpanKind.INTERNAL}) == (SpanKind.SERVER, True)
    assert request.status.status_code == (StatusCode.ERROR if status >= 500 else StatusCode.UNSET)
    assert f"{request.context.trace_id:032x}-{request.parent.span_id:016x}" == f"{TRACE}-{SPAN}"
    assert request.parent.is_remote
    assert all(one.parent == request.context and one.context.trace_id == int(TRACE, 16) for one in steps)
    assert all(dict(one.context.trace_state) == {"vendor": "t1"} for one in spans)
    assert len({one.context.span_id for one in spans}) == len(spans)
    assert all(request.start_time <= one.start_time <= one.end_time <= request.end_time for one in steps)
    assert records[0]["trace_id"] == TRACE
    shown = "".join(one.to_json() for one in spans)
    assert not any(word in shown for word in ("secret", "clk_", "10.1.2.3", '"red"', "top=1"))


def test_only_the_step_that_failed_is_marked() -> None:
    _, (_, decode, infer) = asyncio.run(asked("/predict", ROW, raising(EngineError("x")), {}, []))
    assert (decode.status.status_code, infer.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)
    assert dict(infer.attributes or {}) == {"error.type": "Engine"}


def test_a_request_that_is_not_sampled_is_logged_by_its_callers_id_and_not_exported() -> None:
    records: list[dict[str, Any]] = []
    status, spans = asyncio.run(asked("/predict", ROW, sign_of_x, {"traceparent": f"00-{TRACE}-{SPAN}-00"}, records))
    assert (status, spans, records[0]["trace_id"]) == (200, (), TRACE)


def test_steps_follow_one_another() -> None:
    trace = Trace(1, None, True, 0)
    trace.end()
    trace.begin("decode")
    trace.begin("infer")
    trace.end("Engine")
    trace.end()
    assert [(one.name, one.error) for one in trace.steps] == [("decode", None), ("infer", "Engine")]
    assert trace.steps[0].end_ns <= trace.steps[1].start_ns


def test_a_step_that_nobody_could_end_ends_with_its_request() -> None:
    sink = Kept()
    trace = Trace(1, None, True, 0)
    trace.begin("record")
    Traces(1.0, sink).finish(trace, {"error": "LogUnavailable"}, "http")
    assert [(one.name, one.error) for one in sink.sent[0].trace.steps] == [("record", "LogUnavailable")]


def test_only_what_is_sampled_is_measured() -> None:
    sampled, other = Trace(1, None, True, 0), Trace(1, None, False, 0)
    assert [measured(one) for one in (sampled, other, None)] == [sampled, None, None]


def test_who_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resource_of(None).attributes["service.name"] == "cloche"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "scores")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=p-1")
    found = resource_of(None).attributes
    assert (found["service.name"], found["k8s.pod.name"]) == ("scores", "p-1")
    assert resource_of("penguins").attributes["service.name"] == "penguins"


def test_the_span_that_the_program_is_in() -> None:
    assert otlp.current() is None
    with TracerProvider(shutdown_on_exit=False).get_tracer("around").start_as_current_span("around") as span:
        found = otlp.current()
    context = span.get_span_context()
    assert found == Parent(context.trace_id, context.span_id, True, remote=False)


# -- exporting ------------------------------------------------------------------------------------


def done(number: int = 1) -> Finished:
    record = {"method": "POST", "path": "/predict", "status": 200, "request_id": f"id-{number}"}
    return Finished(Trace(number, None, True, 1), record, "http", 2)


class Collector(SpanExporter):
    """An exporter that takes, refuses, raises or hangs, as the test says."""

    def __init__(self) -> None:
        self.results: list[SpanExportResult | Exception] = []  #: of the next calls; then all is taken
        self.taken: list[str] = []
        self.calls = 0
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.entered = threading.Event()
        self.shut = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.entered.set()
        self.may_go_on.wait(30)
        self.calls += 1
        result = self.results.pop(0) if self.results else SpanExportResult.SUCCESS
        if isinstance(result, Exception):
            raise result
        if result is SpanExportResult.SUCCESS:
            self.taken += [str((one.attributes or {})["cloche.request_id"]) for one in spans]
        return result

    def shutdown(self) -> None:
        self.shut = True
        self.may_go_on.set()


def until(check: Any) -> None:
    for _ in range(2_000):
        if check():
            return
        threading.Event().wait(0.005)
    raise AssertionError("not after 10 s")


def test_a_collector_that_fails_is_told_once_and_once_that_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    collector = Collector()
    collector.results = [SpanExportResult.FAILURE, OSError("no route"), SpanExportResult.FAILURE]
    sink = exporting(collector)
    with caplog.at_level(logging.INFO, "cloche.traces"):
        for number in range(1, 5):
            sink.send(done(number))
            until(lambda number=number: collector.calls == number)
        until(lambda: len(caplog.records) == 2)
        sink.close()
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("WARNING", "traces are not taken by the collector"),
        ("INFO", "traces are taken again"),
    ]
    assert caplog.records[1].fields["lost"] == 3  # type: ignore[attr-defined]
    assert collector.taken == ["id-4"]


def test_what_does_not_fit_is_let_go_and_nobody_waits() -> None:
    collector = Collector()
    collector.may_go_on.clear()
    sink = exporting(collector, most_waiting=2)
    sink.send(done(1))
    assert collector.entered.wait(10)
    for number in range(2, 6):
        sink.send(done(number))
    collector.may_go_on.set()
    sink.close()
    assert collector.taken == ["id-1", "id-2", "id-3"]


def test_closing_sends_what_waits(caplog: pytest.LogCaptureFixture) -> None:
    collector = Collector()
    sink = exporting(collector, every_s=60.0)
    for number in range(1, 4):
        sink.send(done(number))
    sink.close()
    sink.send(done(9))
    assert (collector.taken, collector.shut, caplog.records) == (["id-1", "id-2", "id-3"], True, [])


def test_closing_does_not_wait_for_a_collector_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    collector = Collector()
    collector.may_go_on.clear()
    sink = exporting(collector, close_s=0.05)
    sink.send(done(1))
    assert collector.entered.wait(10)
    sink.send(done(2))
    sink.close()
    assert collector.shut
    assert [one.getMessage() for one in caplog.records] == ["traces lost"]


def test_closing_what_never_sent_is_nothing() -> None:
    collector = Collector()
    exporting(collector).close()
    assert (collector.shut, collector.calls) == (True, 0)


def test_what_the_exporter_logs_of_others_stays(caplog: pytest.LogCaptureFixture) -> None:
    """A program that we are a guest in exports spans of its own."""
    logger = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")

    class Logging(Collector):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            logger.error("Failed to export spans batch code: %s", 503)
            super().export(spans)
            return SpanExportResult.FAILURE

    collector = Logging()
    sink = exporting(collector)
    sink.send(done())
    until(lambda: collector.calls == 1 and caplog.records)
    logger.error("of the program itself")
    sink.close()
    told = [one.getMessage() for one in caplog.records]
    assert told[:2] == ["traces are not taken by the collector", "of the program itself"]
    assert caplog.records[0].fields["why"] == "Failed to export spans batch code: 503"  # type: ignore[attr-defined]
    until(lambda: not logger.filters)


# -- the client -----------------------------------------------------------------------------------


def test_a_client_passes_on_the_span_that_its_program_is_in() -> None:
    there = Server("http://h", key=None, model=None, contract=None, timeout_s=1.0, retries=0, verify=True)
    call = partial(there.predicting, {"x": 1}, probabilities=True, top=None, request_id=None)
    assert "traceparent" not in call().headers
    with TracerProvider(shutdown_on_exit=False).get_tracer("program").start_as_current_span("asks") as span:
        found = parent_of({name.lower(): value for name, value in call().headers.items()})
    context = span.get_span_context()
    assert found == Parent(context.trace_id, context.span_id, True)


# -- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "headers", "says"),
    [
        pytest.param("collector:4318", None, "expected http://HOST:PORT/v1/traces, got 'collector", id="no-scheme"),
        pytest.param("grpc://collector", None, "'endpoint': expected http", id="another-scheme"),
        pytest.param("http://", None, "'endpoint': expected http", id="no-host"),
        pytest.param("http://[::1", None, "'endpoint': expected http", id="half-an-ipv6-address"),
        pytest.param("http://h:99999/", None, "'endpoint': expected http", id="no-such-port"),
        pytest.param("http://me:secret@h/", None, "no user and password", id="password-in-the-url"),
        pytest.param("http://h/", "a=1,secret", "'headers': header 2: expected NAME=VALUE", id="no-value"),
        pytest.param("http://h/", "=secret", "header 1: expected NAME=VALUE", id="no-name"),
        pytest.param("http://h/", "a b=secret", "header 1: expected NAME=VALUE", id="no-such-name"),
        pytest.param("http://h/", "a=secret%0d%0ax:y", "header 1: expected NAME=VALUE", id="two-lines"),
    ],
)
def test_what_cannot_be_meant(endpoint: str, headers: str | None, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        traces_of(TracesConfig(endpoint=endpoint, headers=None if headers is None else Secret(headers)))
    assert "secret" not in str(caught.value)


def test_without_a_collector_there_is_nothing() -> None:
    assert traces_of(TracesConfig(headers=Secret("nonsense"))) is None


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cloche.web.otlp")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(MissingExtraError, match=r"\[traces\] 'endpoint' needs .*pip install 'cloche\[otel\]'"):
        traces_of(TracesConfig(endpoint="http://127.0.0.1:4318/v1/traces"))
