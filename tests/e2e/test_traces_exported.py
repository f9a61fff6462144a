"""Real servers that export to a real collector: whose traces they continue, and what happens without one."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider

import cloche
from collectors import Collector, collecting
from processes import eventually
from servers import Server, serving
from servers import cloche as command

pytestmark = pytest.mark.e2e
ROW = {"a": 1.25, "b": 2.0}
SPAN = "b7ad6b7169203331"
SERVER, ERROR = 2, 2  #: SPAN_KIND_SERVER and STATUS_CODE_ERROR of the protocol


def trace_id(number: int) -> str:
    return f"{number:032x}"


def parent(number: int, flags: str = "01") -> dict[str, str]:
    return {"traceparent": f"00-{trace_id(number)}-{SPAN}-{flags}"}


def ask(url: str, body: Any = ROW, **headers: str) -> int:
    return httpx.post(url, json=body, headers=headers).status_code


def told(server: Server) -> list[dict[str, Any]]:
    """The log lines of a server."""
    return [json.loads(line) for line in server.said().splitlines() if line.startswith("{")]


def test_the_callers_trace_goes_on_and_sigterm_loses_none(lines_store: str, tmp_path: Path) -> None:
    with collecting() as collector:
        env = {
            "CLOCHE_TRACES_ENDPOINT": collector.url,
            "CLOCHE_TRACES_HEADERS": "X-Team=s%65cret-token",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-team=another,x-other=key-of-another-collector",
            "CLOCHE_TRACES_SAMPLE": "0",
            "CLOCHE_TRACES_SERVICE_NAME": "lines-here",
            "CLOCHE_SPOOL": str(tmp_path),
        }
        with serving(["lines"], store=lines_store, env=env, flags=["--workers", "2"]) as server:
            named = f"{server.url}/models/lines"
            assert ask(f"{named}/predict", tracestate="vendor=t1", **parent(1)) == 200
            assert ask(f"{named}/v1/predict", {"a": "nonsense"}, **parent(2)) == 400
            assert ask(f"{server.url}/predict", **parent(3, "00")) == 200
            assert ask(f"{server.url}/predict", traceparent="nonsense") == 200
            assert ask(f"{server.url}/labels", {"request_id": "x", "label": "yes"}, **parent(4)) == 202
            assert ask(f"{named}/predict?top=1", **parent(5)) == 200  # no plain one: the way through ASGI
            server.process.send_signal(signal.SIGTERM)  # before a batch is due
            assert server.process.wait(20) == 0
            lines = told(server)
    _check(collector)
    logged = [line.get("trace_id") for line in lines if line["event"] == "request" and line["method"] == "POST"]
    expected = [trace_id(1), trace_id(2), trace_id(3), None, trace_id(4), trace_id(5)]
    assert sorted(map(str, logged)) == sorted(map(str, expected))  # two workers write them
    assert not any("traces" in line["event"] for line in lines)
    assert "cret-token" not in json.dumps(lines)


def _check(collector: Collector) -> None:
    assert {one["trace_id"] for one in collector.spans} == {trace_id(1), trace_id(2), trace_id(4), trace_id(5)}
    answered = collector.of_trace(trace_id(1))
    request = answered.pop("POST /models/{model}/predict")
    assert (request["parent"], request["state"], request["kind"], request["status"]) == (SPAN, "vendor=t1", SERVER, 0)
    said = {"http.response.status_code": 200, "cloche.model": "lines", "cloche.version": 1, "cloche.rows": 1}
    assert said.items() <= request["attributes"].items()
    assert list(answered) == ["decode", "infer", "encode", "record"]
    assert {one["parent"] for one in answered.values()} == {request["span_id"]}
    assert list(collector.of_trace(trace_id(5)))[1:] == list(answered)
    refused = collector.of_trace(trace_id(2))
    assert list(refused) == ["POST /models/{model}/v{contract}/predict", "decode", "record"]
    assert refused["decode"]["attributes"] == {"error.type": "InvalidInput"}
    assert list(collector.of_trace(trace_id(4))) == ["POST /labels", "decode", "record"]
    assert collector.services == {"lines-here"}
    assert {(one["x-team"], one.get("x-other")) for one in collector.headers} == {("secret-token", None)}
    assert {one["content-type"] for one in collector.headers} == {"application/x-protobuf"}
    assert b"nonsense" not in collector.raw


def test_without_its_collector_a_server_answers_and_says_so_once(lines_store: str, tmp_path: Path) -> None:
    with socket.socket() as nobody:  # bound, so that nobody else is, and not listening
        nobody.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1/traces"
        env = {"CLOCHE_TRACES_ENDPOINT": endpoint, "CLOCHE_SPOOL": str(tmp_path)}
        with serving(["lines"], store=lines_store, env=env) as server, httpx.Client() as client:

            def answered() -> int:
                return client.post(f"{server.url}/predict", json=ROW).status_code

            assert {answered() for _ in range(200)} == {200}
            eventually(lambda: "not taken" in server.said(), "the collector is missed")
            assert {answered() for _ in range(200)} == {200}
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(20) == 0
            lines = told(server)
    warned = [line for line in lines if line["level"] in ("warning", "error")]
    assert [line["event"] for line in warned] == ["traces are not taken by the collector"]
    assert (warned[0]["collector"], bool(warned[0]["why"])) == (endpoint, True)
    assert [line["lost"] for line in lines if line["event"] == "traces lost"] == [400]


def test_what_is_wrong_is_said_before_anything_starts(lines_store: str) -> None:
    done = command("serve", "lines", store=lines_store, env={"CLOCHE_TRACES_ENDPOINT": "collector:4318"})
    assert done.returncode == 2
    assert "[traces] 'endpoint': expected http://HOST:PORT/v1/traces, got 'collector:4318'" in done.stderr


def test_a_mounted_application_is_part_of_its_programs_trace(lines_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        monkeypatch.setenv("CLOCHE_TRACES_ENDPOINT", collector.url)
        app = cloche.asgi("lines", store=lines_store)

        async def call() -> None:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
                assert (await client.post("/predict", json=ROW, headers=parent(7))).status_code == 200

        try:
            with TracerProvider(shutdown_on_exit=False).get_tracer("program").start_as_current_span("handler") as span:
                asyncio.run(call())
            asyncio.run(call())
        finally:
            app.close()
        around = span.get_span_context()
        inner = collector.of_trace(f"{around.trace_id:032x}")["POST /predict"]
        assert inner["parent"] == f"{around.span_id:016x}"
        assert list(collector.of_trace(trace_id(7))) == ["POST /predict", "decode", "infer", "encode"]


ONE_PROCESS = """
import sys
from pathlib import Path
from cloche.api.workplace import workplace
from cloche.config import ServerConfig
from cloche.keys import KeyRing
from cloche.web import server
from cloche.web.traces import traces_of
here = workplace(sys.argv[1])
config = ServerConfig(port=0, management_port=0)
keys = KeyRing.open(None, here.store, Path.cwd())
traces = traces_of(here.settings.traces)
given = {"config": config, "trust": here.trust, "cache": here.settings.cache, "keys": keys, "traces": traces}
sys.exit(server.run(here.registry, ["lines"], **given))
"""


def test_one_process_exports_too(lines_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What serves on macOS and Windows."""
    with collecting() as collector, tempfile.NamedTemporaryFile() as log:
        monkeypatch.setenv("CLOCHE_TRACES_ENDPOINT", collector.url)
        with subprocess.Popen([sys.executable, "-c", ONE_PROCESS, lines_store], stdout=log, stderr=log) as process:
            try:
                said = eventually(
                    lambda: re.search(r"predict +(\S+)/predict", Path(log.name).read_text()), "the server is ready"
                )
                assert ask(f"{said[1]}/predict", **parent(5)) == 200
                assert list(collector.awaited(trace_id(5))) == ["POST /predict", "decode", "infer", "encode"]
            finally:
                process.terminate()
            assert process.wait(20) == 0
