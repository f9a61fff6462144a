"""What the connection itself keeps: limits, deadlines, one Host, pipelining, drain. Raw bytes over real sockets."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cloche.config import ServerConfig
from local_server import LocalServer, local_server, read_all
from simulators import FakeEngine, deployment, deployments

pytestmark = pytest.mark.e2e
LIMITS = ServerConfig(
    port=0,
    max_header_bytes=1_000,
    max_headers=10,
    max_url_bytes=200,
    header_timeout_s=0.3,
    body_timeout_s=0.3,
    keep_alive_s=0.3,
    grace_s=5.0,
)
LIVE = b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
BODY = b'{"x": 1, "colour": "red"}'


def predict(body: bytes = BODY, *headers: bytes, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    lines = [b"POST /predict HTTP/1.1", b"Host: localhost", b"Content-Length: %d" % size, *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with local_server(lambda: deployments(deployment()), LIMITS) as running:
        yield running


def statuses(received: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


def body_of(received: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(received.rpartition(b"\r\n\r\n")[2])
    return found


@pytest.mark.parametrize(
    ("sent", "status", "error"),
    [
        pytest.param(b"NONSENSE\r\n\r\n", 400, "BadRequest", id="no-http"),
        pytest.param(b"GET /live HTTP/1.1\r\n\r\n", 400, "BadRequest", id="no-host"),
        pytest.param(b"GET /live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "BadRequest", id="two-hosts"),
        pytest.param(b"GET /live HTTP/2.0\r\nHost: a\r\n\r\n", 505, "HttpVersionNotSupported", id="http-2"),
        pytest.param(b"GET /" + b"a" * 300 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "UriTooLong", id="long-url"),
        pytest.param(
            b"GET /live HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 1000 + b"\r\n\r\n",
            431,
            "HeadersTooLarge",
            id="long-header",
        ),
        pytest.param(
            b"GET /live HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 10 + b"\r\n", 431, "HeadersTooLarge", id="many-headers"
        ),
        pytest.param(b"GET /live HTTP/1.1\r\nX: " + b"a" * 5000, 431, "HeadersTooLarge", id="header-without-end"),
        pytest.param(b"GET /live HTTP/1.1\r\nHost: a\r\n", 408, "RequestTimeout", id="head-never-complete"),
        pytest.param(b"\r\n", 408, "RequestTimeout", id="blank-lines-only"),
        pytest.param(predict(length=100), 408, "RequestTimeout", id="body-never-complete"),
        pytest.param(
            b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "BadRequest",
            id="two-lengths",
        ),
        pytest.param(
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            400,
            "BadRequest",
            id="broken-chunk",
        ),
        pytest.param(
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            411,
            "LengthRequired",
            id="an-upgrade-with-chunks",
        ),
    ],
)
def test_what_breaks_http_gets_a_json_body_and_a_closed_connection(
    server: LocalServer, sent: bytes, status: int, error: str
) -> None:
    received = server.raw(sent)
    assert statuses(received) == [status]
    assert b"connection: close" in received.lower()
    found = body_of(received)
    assert found["error"] == error
    assert f"x-request-id: {found['request_id']}".encode() in received


def test_refusals_of_the_connection_are_logged(server: LocalServer) -> None:
    found = body_of(server.raw(b"GET /live HTTP/1.1\r\n\r\n"))
    [record] = [one for one in server.records if one["request_id"] == found["request_id"]]
    assert (record["method"], record["path"], record["status"], record["error"]) == ("GET", "/live", 400, "BadRequest")


def test_http_1_0_needs_no_host(server: LocalServer) -> None:
    assert statuses(server.raw(b"GET /live HTTP/1.0\r\n\r\n")) == [200]


@pytest.mark.parametrize("sent", [b"", LIVE], ids=["never-used", "kept-alive"])
def test_an_idle_connection_is_closed_without_a_word(server: LocalServer, sent: bytes) -> None:
    assert statuses(server.raw(sent)) == ([200] if sent else [])


def test_pipelined_requests_are_answered_in_order(server: LocalServer) -> None:
    received = server.raw(LIVE + predict() + b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n" + predict() + LAST)
    assert statuses(received) == [200, 200, 404, 200, 200]


def test_garbage_after_a_request_does_not_break_into_its_answer(server: LocalServer) -> None:
    received = server.raw(predict() + b"NONSENSE\r\n\r\n")
    assert statuses(received)[0] == 200
    assert body_of(received.partition(b"HTTP/1.1 400")[0])["prediction"] == "yes"


def test_trailers_are_no_headers(server: LocalServer) -> None:
    chunked = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"%x\r\n%b\r\n0\r\nHost: evil\r\n\r\n" % (len(BODY), BODY)
    assert statuses(server.raw(chunked + body + LAST)) == [200, 200]


def test_an_upgrade_is_ignored_and_the_request_answered(server: LocalServer) -> None:
    upgrade = predict(BODY, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
    received = server.raw(upgrade)
    assert statuses(received) == [200]


def test_a_refused_body_does_not_confuse_the_next_request(server: LocalServer) -> None:
    refused = predict(b"GET /nothing HTTP/1.1\r\n\r\n", b"Content-Type: text/plain")
    assert statuses(server.raw(refused + LAST)) == [415, 200]


def test_expect_continue(server: LocalServer) -> None:
    with server.connect() as connection:
        connection.sendall(predict(b"", b"Expect: 100-continue", b"Connection: close", length=len(BODY)))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)
        assert statuses(read_all(connection)) == [200]


def test_expect_continue_refused_closes(server: LocalServer) -> None:
    received = server.raw(predict(b"", b"Expect: 100-continue", length=3_000_000))
    assert statuses(received) == [413]
    assert b"connection: close" in received


def test_a_caller_that_hangs_up_is_logged_as_499(server: LocalServer) -> None:
    with server.connect() as connection:
        connection.sendall(predict(length=100))
    for _ in range(100):
        if any(record["status"] == 499 for record in server.records):
            return
        threading.Event().wait(0.02)
    raise AssertionError("no record of the request")


@pytest.mark.parametrize("express", [True, False], ids=["lane", "asgi"])
def test_a_caller_that_hangs_up_with_pipelined_requests_breaks_nothing(
    caplog: pytest.LogCaptureFixture, express: bool
) -> None:
    """Behind the lane nothing is read while a second request waits: there it is noticed when the answer leaves."""
    engine = FakeEngine()

    def make() -> Any:
        engine.block = asyncio.Event()
        return deployments(deployment(engine))

    with local_server(make, ServerConfig(port=0), express=express) as server:
        with server.connect() as connection:
            connection.sendall(predict() * 3)
            while not engine.calls:
                threading.Event().wait(0.01)
        while not express and server.run(lambda: len(server.runner._server.server_state.connections)):
            threading.Event().wait(0.01)
        assert engine.block is not None
        server.loop.call_soon_threadsafe(engine.block.set)
        while not server.records:
            threading.Event().wait(0.01)
        assert statuses(server.raw(LAST)) == [200]
    assert not caplog.records


# -- shutting down --------------------------------------------------------------------------------


def test_drain_answers_what_is_in_flight_and_closes_idle_connections() -> None:
    engine = FakeEngine()

    def make() -> Any:
        engine.block = asyncio.Event()
        return deployments(deployment(engine))

    with local_server(make, ServerConfig(port=0, grace_s=5.0)) as server:
        with server.connect() as idle, server.connect() as busy:
            idle.sendall(LIVE)
            received = b""
            while not received.endswith(b"}"):
                received += idle.recv(4096)
            busy.sendall(predict())
            while not engine.calls:
                threading.Event().wait(0.01)
            server.stop()
            assert read_all(idle) == b""
            assert engine.block is not None
            server.loop.call_soon_threadsafe(engine.block.set)
            received = read_all(busy)
        assert statuses(received) == [200]
        assert b"connection: close" in received


def test_during_the_drain_delay_requests_are_answered_for_the_last_time() -> None:
    with local_server(lambda: deployments(deployment()), ServerConfig(port=0, drain_delay_s=30.0)) as server:
        server.stop()
        ready = b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"
        received = server.raw(ready)
        assert statuses(received) == [503]
        assert body_of(received)["error"] == "Draining"
        received = server.raw(predict())
        assert statuses(received) == [200]
        assert b"connection: close" in received
        server.stop()  # a second signal skips the rest


def test_after_the_grace_what_is_left_is_told_so() -> None:
    engine = FakeEngine()

    def make() -> Any:
        engine.block = asyncio.Event()
        return deployments(deployment(engine))

    with local_server(make, ServerConfig(port=0, grace_s=0.2)) as server, server.connect() as busy:
        busy.sendall(predict())
        while not engine.calls:
            threading.Event().wait(0.01)
        server.stop()
        received = read_all(busy)
    assert statuses(received) == [503]
    assert body_of(received)["error"] == "Draining"
