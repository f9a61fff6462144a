"""
Every ordered pair of requests on one connection: order, count and ownership of the answers, with a drain between.

The plain ones take the express lane where nothing is in flight before them, the others ASGI: both ways in one packet.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cloche.config import ServerConfig
from cloche.serving.deployments import Deployments
from hostile.wire import CHUNKED, CLOSE, Answer, Connection, chunks, framed, get, post
from local_server import LocalServer, local_server
from processes import eventually
from simulators import FakeEngine, InlineEngine, deployment, deployments

pytestmark = pytest.mark.e2e
BODY = b'{"x": 1, "colour": "red"}'
LIMIT = 500
LARGE = b"[" + b" " * LIMIT + b"]"
KINDS = {
    "good": (lambda own: post(BODY, own), 200),
    "bad-row": (lambda own: post(b'{"x": "one"}', own), 400),
    "odd-header": (lambda own: post(BODY, own, b"X-Request-Timeout-Ms: 9000"), 200),
    "malformed": (lambda own: post(b'{"x": 1,', own), 400),
    "chunked": (lambda own: framed(chunks(BODY[:7], BODY[7:]), CHUNKED, own), 200),
    "chunked-with-trailer": (lambda own: framed(chunks(BODY, trailer=b"X-Request-ID: other\r\n"), CHUNKED, own), 200),
    "too-large": (lambda own: post(LARGE, own), 413),
    "too-large-chunked": (lambda own: framed(chunks(*[b" " * 50] * 20), CHUNKED, own), 413),
    "nowhere": (lambda own: get(b"/nothing", own), 404),
}
EXPRESS = ("good", "bad-row", "malformed")
PAIRS = list(itertools.product(KINDS, repeat=2))
#: After one of these nothing is read any more.
LAST = {
    "not-http": b"NONSENSE\r\n\r\n",
    "broken-chunk": framed(b"zz\r\n", CHUNKED),
    "two-lengths": framed(b"", b"Content-Length: 1", b"Content-Length: 2"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    def make() -> Deployments:
        return deployments(deployment(InlineEngine()))

    with local_server(make, ServerConfig(port=0, max_body_bytes=LIMIT)) as running:
        yield running


def bytewise(raw: bytes) -> Iterator[bytes]:
    return (raw[n : n + 1] for n in range(len(raw)))


def own(name: str) -> bytes:
    return b"X-Request-ID: " + name.encode()


def seen(answers: list[Answer]) -> list[tuple[int, str | None]]:
    """What was answered to whom; ids of ours are never given twice."""
    ids = [one.headers["x-request-id"] for one in answers]
    assert len(set(ids)) == len(ids)
    for one in answers:
        assert one.json()["request_id"] == one.headers["x-request-id"]
    return [(one.status, one.client_id) for one in answers]


def ask(server: LocalServer, sent: Any) -> list[Answer]:
    with Connection(server.url) as connection:
        connection.send(sent)
        return list(iter(connection.answer, None))


@pytest.mark.parametrize("how", ["one-packet", "byte-by-byte"])
@pytest.mark.parametrize(("first", "second"), PAIRS, ids=[f"{one}-then-{two}" for one, two in PAIRS])
def test_a_pair(server: LocalServer, first: str, second: str, how: str) -> None:
    (make, status), (make_second, status_second) = KINDS[first], KINDS[second]
    end = get(b"/ready", own("end"), CLOSE)
    raw = make(own("first")) + make_second(own("second")) + end
    before = len(server.express)
    answers = ask(server, raw if how == "one-packet" else bytewise(raw))
    assert len(server.express) - before >= (first in EXPRESS)
    expected = [(status, "first"), (status_second, "second")]
    assert seen(answers[:2]) == expected
    assert [(one.status, one.client_id) for one in answers[2:]] == [(200, "end")]


@pytest.mark.parametrize("how", ["one-packet", "byte-by-byte"])
@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("first", KINDS)
def test_after_broken_http_nothing_is_answered(server: LocalServer, first: str, last: str, how: str) -> None:
    make, status = KINDS[first]
    raw = make(own("first")) + LAST[last] + get(b"/live", own("never"))
    answers = ask(server, raw if how == "one-packet" else bytewise(raw))
    assert seen(answers)[0] == (status, "first")
    assert [one.status for one in answers[1:]] in ([], [400])  # no place for a 400 while the first is in flight
    assert answers[-1].closes
    assert "never" not in [one.client_id for one in answers]


WAYS = ("good", "chunked", "odd-header")


@pytest.mark.parametrize("first", WAYS)
@pytest.mark.parametrize("second", [None, *WAYS])
@pytest.mark.parametrize("where", ["in-the-head", "in-the-body", "while-it-is-answered"])
def test_a_drain_in_the_middle(first: str, second: str | None, where: str) -> None:
    engine = FakeEngine()

    def make() -> Any:
        engine.block = asyncio.Event()
        return deployments(deployment(engine))

    raw = KINDS[first][0](own("first"))
    more = b"" if second is None else KINDS[second][0](own("second"))
    cut = {"in-the-head": 40, "in-the-body": raw.index(b"\r\n\r\n") + 10, "while-it-is-answered": len(raw)}[where]
    with local_server(make, ServerConfig(port=0, grace_s=10.0)) as server, Connection(server.url) as connection:
        connection.send(raw[:cut] + (more if where == "while-it-is-answered" else b""))
        if where == "while-it-is-answered":
            eventually(lambda: engine.calls, "the model is asked")
        else:
            eventually(lambda: _received(server, where), "it is received")
        server.stop()
        eventually(lambda: server.gate.phase == "closed", "it drains")
        assert engine.block is not None
        server.loop.call_soon_threadsafe(engine.block.set)
        connection.send(bytewise(raw[cut:] + more) if where != "while-it-is-answered" else b"")
        answers = list(iter(connection.answer, None))
    found = seen(answers)
    if where == "in-the-head":  # no request yet: closed without a word, so the caller may send it again
        assert found == []
        return
    assert found in ([(200, "first")], [(200, "first"), (503, "second")])  # what was not begun is told to go elsewhere
    assert answers[-1].closes


def _received(server: LocalServer, where: str) -> bool:
    """Whether the server has seen the part that was sent."""

    def look() -> bool:
        [connection] = server.runner._server.server_state.connections or [None]
        if connection is None:
            return False
        return connection._head_began if where == "in-the-head" else connection._busy()  # type: ignore[union-attr]

    return bool(server.run(look))


def test_two_connections_never_mix(server: LocalServer) -> None:
    """The same pairs from many callers at once: everybody gets answers to its own ids only."""
    found: dict[int, list[tuple[int, str | None]]] = {}

    def call(number: int) -> None:
        (make, _), (make_second, _) = KINDS[PAIRS[number][0]], KINDS[PAIRS[number][1]]
        raw = make(own(f"{number}-a")) + make_second(own(f"{number}-b")) + get(b"/nothing", own(f"{number}-c"), CLOSE)
        found[number] = seen(ask(server, raw))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(PAIRS))]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    for number, (first, second) in enumerate(PAIRS):
        statuses = [KINDS[first][1], KINDS[second][1], 404]
        assert found[number] == [(status, f"{number}-{x}") for status, x in zip(statuses, "abc", strict=True)]
