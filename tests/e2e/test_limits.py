"""Every limit of the table is broken once, over a real socket: the answer, its message, and a good answer after it."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from certificates import Authority
from cloche.config import ServerConfig
from cloche.keys import Key
from cloche.serving.deployments import Deployments
from cloche.web.limits import LIMITS, Limit
from local_server import LocalServer, local_server, read_all
from simulators import FakeEngine, deployment, deployments

pytestmark = pytest.mark.e2e
BY_NAME = {one.name: one for one in LIMITS}
ROW = b'{"x": 1, "colour": "red"}'
SMALL = ServerConfig(
    port=0,
    max_body_bytes=2_000,
    max_rows=3,
    max_json_depth=5,
    max_text_bytes=500,
    max_headers=12,
    max_header_bytes=1_000,
    max_url_bytes=200,
    header_timeout_s=0.3,
    body_timeout_s=0.3,
    keep_alive_s=0.3,
    max_connections_per_client=20,
    max_in_flight=2,
    request_timeout_s=0.4,
)


def predict(body: bytes = ROW, *headers: bytes, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    lines = [b"POST /predict HTTP/1.1", b"Host: localhost", b"Content-Length: %d" % size, *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(body: bytes) -> bytes:
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(body[at : at + 97]), body[at : at + 97])
                           for at in range(0, len(body), 97)) + b"0\r\n\r\n"  # fmt: skip


def answers(received: bytes) -> list[tuple[int, dict[str, Any]]]:
    """Status and body of every answer."""
    found = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head.lower())[1])  # type: ignore[index]
        found.append((int(head.split()[1]), json.loads(rest[:length] or b"{}")))
        received = rest[length:]
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with local_server(lambda: deployments(deployment()), SMALL) as running:
        yield running


def is_the_answer(received: bytes, limit: Limit) -> str:
    [(status, body)] = answers(received)
    assert (status, body["error"]) == (limit.status, limit.error)
    if status in (429, 503):
        assert re.search(rb"\r\nretry-after: \d+\r\n", received)
    return str(body["message"])


HEAD = b"GET /live HTTP/1.1\r\nHost: localhost\r\n"
PLAIN: Mapping[str, tuple[str, bytes, str]] = {
    "body-by-its-length": ("body size", predict(b"", length=2_001), "body: at most 2000 bytes, got 2001"),
    "body-longer-than-any-number": (
        "body size", predict(b"", length=10**18), "body: at most 2000 bytes, got 1000000000000000000"),
    "body-in-chunks": ("body size", chunked(b" " * 2_100), "body: at most 2000 bytes, got more"),
    "body-packed": ("content coding", predict(ROW, b"Content-Encoding: gzip"), "send the body plain, got 'gzip'"),
    "body-packed-twice": (
        "content coding", predict(ROW, b"Content-Encoding: identity, br"), "send the body plain, got 'identity, br'"),
    "rows": ("rows", predict(b"[" + b",".join([ROW] * 4) + b"]"), "rows: at most 3 a request, got 4"),
    "depth": ("JSON depth", predict(b"[" * 6 + b"]" * 6), "at most 5 levels"),
    "depth-behind-strings": ("JSON depth", predict(b'["]",["\\"]",["[",[[["]"]]]]]]'), "at most 5 levels"),
    "depth-never-closed": ("JSON depth", predict(b'{"a":' * 300), "at most 5 levels"),
    "text": ("text length", predict(b'{"x": 1, "colour": "%b"}' % (b"a" * 501)), "at most 500 bytes, got 501"),
    "text-as-a-name": ("text length", predict(b'{"%b": 1}' % (b"a" * 600)), "at most 500 bytes, got 600"),
    "text-in-csv": (
        "text length", predict(b"x,colour\n1," + b"a" * 501 + b"\n", b"Content-Type: text/csv"), "got 501"),
    "headers": ("header count", HEAD + b"X: a\r\n" * 12 + b"\r\n", "headers: at most 12, got more"),
    "header-bytes": ("header size", HEAD + b"X: " + b"a" * 1_000 + b"\r\n\r\n", "headers: at most 1000 bytes"),
    "url": ("URL length", b"GET /" + b"a" * 300 + b" HTTP/1.1\r\nHost: a\r\n\r\n", "URL: at most 200 bytes, got 301"),
    "slow-head": ("time for the head", HEAD, "headers: not complete after 0.3 s"),
    "slow-body": ("time for the body", predict(ROW[:5], length=len(ROW)), "body: not complete after 0.3 s"),
    "slow-chunks": ("time for the body", chunked(ROW)[:-5], "body: not complete after 0.3 s"),
}  # fmt: skip


@pytest.mark.parametrize("case", PLAIN)
def test_a_limit_of_one_request(server: LocalServer, case: str) -> None:
    name, sent, said = PLAIN[case]
    assert said in is_the_answer(server.raw(sent), BY_NAME[name])
    assert answers(server.raw(predict()))[0][0] == 200


def test_a_body_shorter_than_it_says_is_no_request(server: LocalServer) -> None:
    with server.connect() as connection:
        connection.sendall(predict(ROW, length=len(ROW) + 5))
        connection.shutdown(socket.SHUT_WR)
        received = read_all(connection)
    assert [status for status, _ in answers(received)] in ([], [408])


def test_what_follows_a_body_longer_than_it_says_is_another_request(server: LocalServer) -> None:
    received = server.raw(predict(ROW + b"GARBAGE\r\n\r\n", length=len(ROW)))
    assert [status for status, _ in answers(received)] in ([200], [200, 400])


def test_an_idle_connection_is_closed(server: LocalServer) -> None:
    with server.connect() as connection:
        connection.sendall(predict())
        assert [status for status, _ in answers(read_all(connection))] == [200]


def test_connections_of_an_address(server: LocalServer) -> None:
    held = [server.connect() for _ in range(SMALL.max_connections_per_client)]
    with server.connect() as surplus:
        message = is_the_answer(read_all(surplus), BY_NAME["connections of an address"])
    assert message == "connections: at most 20 from one address, this is number 21"
    for one in held:
        one.close()
    wait_until(lambda: not server.runner._server.server_state.connections)
    assert answers(server.raw(predict()))[0][0] == 200


def wait_until(reached: Callable[[], bool]) -> None:
    for _ in range(1000):
        if reached():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came")


def blocked(engine: FakeEngine) -> Callable[[], Deployments]:
    def make() -> Deployments:
        engine.block = asyncio.Event()
        return deployments(deployment(engine, queue_rows=3))

    return make


def release(server: LocalServer, engine: FakeEngine) -> None:
    assert engine.block is not None
    server.loop.call_soon_threadsafe(engine.block.set)


def test_requests_in_flight_and_health_is_exempt() -> None:
    engine = FakeEngine()
    config = ServerConfig(port=0, max_in_flight=2, keep_alive_s=0.3)
    with local_server(blocked(engine), config) as server, server.connect() as one, server.connect() as two:
        one.sendall(predict())
        two.sendall(predict())
        wait_until(lambda: server.gate._in_flight == 2)
        message = is_the_answer(server.raw(predict()), BY_NAME["requests in flight"])
        assert message == "requests in flight: at most 2, and 2 are"
        for path in (b"/live", b"/ready", b"/health"):
            assert answers(server.raw(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path))[0][0] == 200
        release(server, engine)
        assert [answers(read_all(each))[0][0] for each in (one, two)] == [200, 200]
        assert answers(server.raw(predict()))[0][0] == 200
        assert server.gate._in_flight == 0


def test_rows_waiting() -> None:
    engine = FakeEngine()
    with local_server(blocked(engine), ServerConfig(port=0, keep_alive_s=0.3)) as server, server.connect() as one:
        one.sendall(predict(b"[" + b",".join([ROW] * 3) + b"]"))
        wait_until(lambda: bool(engine.calls))
        assert "(at most 3)" in is_the_answer(server.raw(predict()), BY_NAME["rows waiting"])
        release(server, engine)
        assert answers(read_all(one))[0][0] == 200


def test_time_for_the_answer() -> None:
    engine = FakeEngine()
    with local_server(blocked(engine), ServerConfig(port=0, request_timeout_s=0.2, keep_alive_s=0.3)) as server:
        message = is_the_answer(server.raw(predict()), BY_NAME["time for the answer"])
        assert "no answer within 0.2 s" in message
        release(server, engine)


def test_the_callers_time_and_what_has_not_begun_never_begins() -> None:
    engine = FakeEngine()
    with local_server(blocked(engine), ServerConfig(port=0, keep_alive_s=0.3)) as server, server.connect() as first:
        first.sendall(predict())
        wait_until(lambda: bool(engine.calls))
        message = is_the_answer(server.raw(predict(ROW, b"X-Request-Timeout-Ms: 50")), BY_NAME["the caller's time"])
        assert message == "no answer within the 50 ms of X-Request-Timeout-Ms"
        release(server, engine)
        assert answers(read_all(first))[0][0] == 200
        assert answers(server.raw(predict(ROW, b"X-Request-Timeout-Ms: 60000")))[0][0] == 200
        assert engine.calls == [1, 1]  # the one whose caller was gone was never computed
        assert engine.starts == 1  # nor was the engine thought to be stuck


@pytest.mark.parametrize("given", [b"0", b"-1", b"soon", b"1.5", b"1" * 10, b"\xb2"])
def test_a_callers_time_that_is_none(server: LocalServer, given: bytes) -> None:
    [(status, body)] = answers(server.raw(predict(ROW, b"X-Request-Timeout-Ms: " + given)))
    assert (status, body["error"]) == (400, "BadRequest")
    assert "X-Request-Timeout-Ms: expected whole milliseconds from 1" in body["message"]


def test_rate_of_a_key() -> None:
    key = Key(id="abcdefgh", sha256="", scopes=("predict",), created="2026-01-01T00:00:00Z", rate="2/h")
    config = ServerConfig(port=0, keep_alive_s=0.3)
    with local_server(lambda: deployments(deployment()), config, {"secret": key}.get) as server:
        sent = predict(ROW, b"X-API-Key: secret")
        assert [answers(server.raw(sent))[0][0] for _ in range(2)] == [200, 200]
        received = server.raw(sent)
        message = is_the_answer(received, BY_NAME["rate of a key"])
        assert message.startswith("key 'abcdefgh': at most 2/h on this host; try again in ")
        assert 1700 < int(re.search(rb"retry-after: (\d+)", received)[1]) <= 1800  # type: ignore[index]
        refused = server.records[-1]
        assert (refused["key"], refused["error"], refused["refused"]) == ("abcdefgh", "RateLimited", message)


@pytest.mark.parametrize("rates", [("colours=1/h",), ("*=1/h",), ("*=9/h", "colours=1/h")])
def test_rate_of_a_model(rates: tuple[str, ...]) -> None:
    with local_server(
        lambda: deployments(deployment()), ServerConfig(port=0, keep_alive_s=0.3, model_rate=rates)
    ) as server:
        assert answers(server.raw(predict()))[0][0] == 200
        message = is_the_answer(server.raw(predict()), BY_NAME["rate of a model"])
        assert message.startswith("model 'colours': at most 1/h on this host")
        assert server.records[-1]["refused"] == message
        assert answers(server.raw(b"GET /metadata HTTP/1.1\r\nHost: localhost\r\n\r\n"))[0][0] == 200


def test_a_key_of_another_model_uses_up_no_rate_of_this_one() -> None:
    mine, other = (
        Key(id=name, sha256="", scopes=("predict",), created="2026-01-01T00:00:00Z", models=(name,))
        for name in ("colours", "else")
    )
    config = ServerConfig(port=0, keep_alive_s=0.3, model_rate=("colours=1/h",))
    keys = {"mine": mine, "other": other}
    with local_server(lambda: deployments(deployment()), config, keys.get) as server:
        [(status, _)] = answers(server.raw(predict(ROW, b"X-API-Key: other")))
        assert (status, server.records[-1]["refused"]) == (403, "the key lacks the scope 'predict' for model 'colours'")
        assert answers(server.raw(predict(ROW, b"X-API-Key: mine")))[0][0] == 200


def test_tls_handshake(tmp_path_factory: pytest.TempPathFactory) -> None:
    pair = Authority(tmp_path_factory.mktemp("ca")).sign("server")
    config = ServerConfig(port=0, handshake_timeout_s=0.3, tls_cert=str(pair.cert), tls_key=str(pair.key))  # type: ignore[arg-type]
    with local_server(lambda: deployments(deployment()), config) as server, server.connect() as silent:
        assert read_all(silent) == b""


#: Where each limit of the table is broken.
TESTED = {name for name, _, _ in PLAIN.values()} | {
    "time without reading",  # tests/e2e/test_hostile_timing.py
    "idle connection",
    "TLS handshake",
    "connections of an address",
    "requests in flight",
    "rows waiting",
    "time for the answer",
    "the caller's time",
    "rate of a key",
    "rate of a model",
}


def test_every_limit_is_tested_and_every_setting_exists() -> None:
    assert set(BY_NAME) == TESTED
    assert all(one.setting is None or hasattr(SMALL, one.setting) for one in LIMITS)


NEVER = {
    "http-0.9": (b"GET /live\r\n\r\n", 505),
    "http-0.9-named": (b"GET /live HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    "no-host": (b"GET /live HTTP/1.1\r\n\r\n", 400),
    "two-hosts": (b"GET /live HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    "host-with-a-space": (b"GET /live HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "host-with-a-path": (b"GET /live HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "host-with-a-user": (b"GET /live HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    "lengths-differ": (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    "lengths-agree": (HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", 400),
    "length-list": (HEAD + b"Content-Length: 2, 2\r\n\r\nab", 400),
    "length-signed": (HEAD + b"Content-Length: +2\r\n\r\nab", 400),
    "length-negative": (HEAD + b"Content-Length: -2\r\n\r\nab", 400),
    "length-hex": (HEAD + b"Content-Length: 0x2\r\n\r\nab", 400),
    "length-empty": (HEAD + b"Content-Length: \r\n\r\n", 400),
    "length-overflows": (HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n", 400),
    "length-then-chunks": (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunks-then-length": (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", 400),
    "chunked-twice": (HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "packed-chunks": (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    "identity-chunks": (HEAD + b"Transfer-Encoding: identity\r\n\r\n", 400),
    "chunks-in-http-1.0": (b"POST /predict HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "folded-by-space": (HEAD + b"X: a\r\n b\r\n\r\n", 400),
    "folded-by-tab": (HEAD + b"X: a\r\n\tb\r\n\r\n", 400),
    "folded-first": (b"GET /live HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    "nul-in-a-value": (HEAD + b"X: a\0b\r\n\r\n", 400),
    "control-in-a-value": (HEAD + b"X: a\x0bb\r\n\r\n", 400),
    "delete-in-a-value": (HEAD + b"X: a\x7fb\r\n\r\n", 400),
    "bare-cr-in-a-value": (HEAD + b"X: a\rb\r\n\r\n", 400),
    "bare-lf-in-a-value": (HEAD + b"X: a\nb\r\n\r\n", 400),
    "space-in-a-name": (HEAD + b"X y: a\r\n\r\n", 400),
    "space-before-the-colon": (HEAD + b"X : a\r\n\r\n", 400),
    "no-name": (HEAD + b": a\r\n\r\n", 400),
    "no-colon": (HEAD + b"Xa\r\n\r\n", 400),
    "letters-beyond-ascii-in-a-name": (HEAD + b"X\xe4: a\r\n\r\n", 400),
    "nul-in-the-target": (b"GET /li\0ve HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "beyond-ascii-in-the-target": (b"GET /li\xe4ve HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "space-in-the-target": (b"GET /li ve HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "tab-in-the-target": (b"GET /li\tve HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "no-slash": (b"GET live HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "bare-line-feeds": (b"GET /live HTTP/1.1\nHost: a\n\n", 400),
    "http-1.2": (b"GET /live HTTP/1.2\r\nHost: a\r\n\r\n", 400),
    "unknown-method": (b"get /live HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "connect": (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "chunk-size-signed": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", 400),
    "chunk-size-overflows": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400),
    "chunk-without-cr": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n", 400),
}


@pytest.mark.parametrize("case", NEVER)
def test_what_no_setting_allows(server: LocalServer, case: str) -> None:
    sent, status = NEVER[case]
    received = server.raw(sent)
    [(got, body)] = answers(received)
    assert got == status
    assert set(body) == {"error", "message", "request_id"}
    assert b"connection: close" in received
    [record] = [one for one in server.records if one["request_id"] == body["request_id"]]
    assert record["refused"] == body["message"]
