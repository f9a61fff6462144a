"""Callers that are slow, silent, half gone or many: each is given up in time, and others are answered meanwhile."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterator

import pytest

from cloche.config import ServerConfig
from hostile.wire import CHUNKED, CLOSE, HOST, Connection, exchange, framed, get, lines, post
from local_server import LocalServer, local_server
from processes import eventually
from simulators import deployment, deployments

pytestmark = pytest.mark.e2e
SHORT = ServerConfig(port=0, header_timeout_s=0.4, body_timeout_s=0.4, keep_alive_s=0.4)
#: Far above every limit of SHORT, and of a busy machine.
GIVEN_UP_S = 8.0
BODY = b'{"x": 1, "colour": "red"}'
HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with local_server(lambda: deployments(deployment()), SHORT) as running:
        yield running


@pytest.fixture(autouse=True)
def _leaves_nothing(server: LocalServer) -> Iterator[None]:
    """After each case: a good answer, and no connection is left."""
    yield
    [found] = exchange(server.url, post(BODY, CLOSE), answers=1)
    assert found.status == 200
    eventually(lambda: not server.run(lambda: len(server.runner._server.server_state.connections)), "all are closed")


def drip(connection: Connection, raw: bytes) -> None:
    """A byte now and then, as long as the server takes it."""
    end = time.monotonic() + GIVEN_UP_S
    connection.socket.settimeout(0.02)
    with contextlib.suppress(ConnectionError):
        for n in range(len(raw)):
            assert time.monotonic() < end, "never given up"
            connection.socket.sendall(raw[n : n + 1])
            with contextlib.suppress(TimeoutError):
                if connection._more():
                    return
                if not connection._buffer:
                    return


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        pytest.param(b"", None, id="nothing"),
        pytest.param(b"G", 408, id="a-letter"),
        pytest.param(b"GET /live", 408, id="half-a-line"),
        pytest.param(HEAD, 408, id="half-a-head"),
        pytest.param(HEAD[:-2], 408, id="half-a-line-end"),
        pytest.param(HEAD + b"X: ", 408, id="half-a-header"),
        pytest.param(b"\r\n\r\n", 408, id="blank-lines"),
        pytest.param(HEAD + b"Content-Length: 100\r\n\r\n", 408, id="no-body"),
        pytest.param(HEAD + b"Content-Length: 100\r\n\r\n{", 408, id="half-a-body"),
        pytest.param(post(BODY)[:-1], 408, id="a-byte-less"),
        pytest.param(framed(b"", CHUNKED), 408, id="no-chunk"),
        pytest.param(framed(b"5", CHUNKED), 408, id="half-a-size"),
        pytest.param(framed(b"5\r\n{", CHUNKED), 408, id="half-a-chunk"),
        pytest.param(framed(b"2\r\n{}\r\n", CHUNKED), 408, id="no-last-chunk"),
        pytest.param(framed(b"2\r\n{}\r\n0\r\n", CHUNKED), 408, id="half-a-trailer"),
        pytest.param(get(b"/live", b"Content-Length: 10"), 200, id="body-of-a-get"),
        pytest.param(
            HEAD + b"Content-Length: 100\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n{", 408, id="half-after-upgrade"
        ),
        pytest.param(lines(b"GET /live HTTP/1.1", HOST), 200, id="idle-after-an-answer"),
        pytest.param(get(b"/live") + b"GET ", 200, id="half-a-second-head"),
    ],
)
def test_who_stops_talking_is_given_up(server: LocalServer, raw: bytes, status: int | None) -> None:
    start = time.monotonic()
    with Connection(server.url) as connection:
        connection.send(raw)
        answers = list(iter(connection.answer, None))
    assert [one.status for one in answers][:1] == ([] if status is None else [status])
    assert {one.status for one in answers[1:]} <= {408}
    assert time.monotonic() - start < GIVEN_UP_S


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(HEAD + b"X: " + b"a" * 5_000, id="a-header"),
        pytest.param(HEAD + b"X: a\r\n" * 1_000, id="headers"),
        pytest.param(b"\r\n" * 3_000, id="blank-lines"),
        pytest.param(HEAD + b"Content-Length: 9000\r\n\r\n" + b" " * 5_000, id="a-body"),
        pytest.param(framed(b"1\r\n \r\n" * 2_000, CHUNKED), id="chunks"),
        pytest.param(framed(b"2\r\n{}\r\n0\r\n" + b"X: a\r\n" * 1_000, CHUNKED), id="trailers"),
        pytest.param(framed(b"2;" + b"a" * 5_000, CHUNKED), id="a-chunk-extension"),
    ],
)
def test_who_drips_is_given_up(server: LocalServer, raw: bytes) -> None:
    with Connection(server.url) as connection:
        drip(connection, raw)
        connection.socket.settimeout(GIVEN_UP_S)
        found = connection.answer()
        assert found is None or found.status == 408
        assert connection.closed()


@pytest.mark.parametrize("kind", ["half-close", "close", "reset"])
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="at-once"),
        pytest.param(HEAD, id="in-the-head"),
        pytest.param(post(BODY)[:-3], id="in-the-body"),
        pytest.param(framed(b"5\r\n{", CHUNKED), id="in-a-chunk"),
        pytest.param(post(BODY), id="before-the-answer"),
        pytest.param(post(BODY) * 20, id="with-twenty-in-the-pipe"),
    ],
)
def test_who_goes_away_leaves_nothing(server: LocalServer, raw: bytes, kind: str) -> None:
    with Connection(server.url) as connection:
        connection.send(raw)
        if kind == "half-close":
            connection.socket.shutdown(socket.SHUT_WR)
            while connection._more():
                pass
        elif kind == "reset":
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(lambda: post(b"[" + b",".join([BODY] * 5_000) + b"]") * 40, id="large-answers"),
        pytest.param(lambda: get(b"/openapi.json") * 3_000, id="many-answers"),
    ],
)
def test_who_never_reads_is_given_up(server: LocalServer, raw: Callable[[], bytes]) -> None:
    with Connection(server.url) as connection:
        connection.socket.settimeout(0.5)
        with contextlib.suppress(TimeoutError, ConnectionError):
            connection.socket.sendall(raw())
        eventually(
            lambda: not server.run(lambda: len(server.runner._server.server_state.connections)),
            "it is given up",
            seconds=GIVEN_UP_S,
        )


def test_many_idle_connections_are_closed_and_others_answered(server: LocalServer) -> None:
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(Connection(server.url)) for _ in range(90)]
        [found] = exchange(server.url, post(BODY, CLOSE), answers=1)
        assert found.status == 200
        assert all(one.closed(seconds=GIVEN_UP_S) for one in idle)
