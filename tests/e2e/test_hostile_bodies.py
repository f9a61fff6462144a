"""The server and RFC 8259 agree on what is JSON; random bytes are answered or refused, never 5xx, never a hang."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cloche.config import ServerConfig
from hostile.wire import CLOSE, Connection, get, post
from local_server import LocalServer, local_server
from simulators import deployment, deployments

pytestmark = pytest.mark.e2e
QUICK = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    config = ServerConfig(port=0, header_timeout_s=5.0, body_timeout_s=5.0)
    with local_server(lambda: deployments(deployment()), config) as running:
        yield running


def is_json(body: bytes) -> bool:
    """RFC 8259, by the standard library with its leniencies taken away: UTF-8 without a mark, no NaN."""

    def no_constant(literal: str) -> None:
        raise ValueError(literal)

    try:
        json.loads(body.decode("utf-8"), parse_constant=no_constant, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):  # our rule: too deep is malformed
        return False
    return True


def verdict(server: LocalServer, body: bytes) -> str:
    """How the body was answered; always in one piece and under an id."""
    with Connection(server.url) as connection:
        connection.send(post(body, CLOSE))
        found = connection.answer()
        assert found is not None
        assert connection.closed()
    assert found.json()["request_id"] == found.headers["x-request-id"]
    return found.verdict()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["red", "x", "colour"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from(["x", "colour"]), inner),
    max_leaves=8,
)
spaces = st.text(" \t\r\n\x0b\x0c\u00a0", max_size=3)
WORDS = (
    *'{}[]:,"\\ \n\t',
    *("null", "true", "NaN", "Infinity", "-", "0", "01", "1.", ".5", "1e5", "1e400", "//", "\0", "é"),
    *('"x"', '"colour"', '"red"', '{"x":1,"colour":"red"}', "\\ud800", '"\\u0041"'),
)
HTTP = (
    *(b"\r\n", b"\n", b"\r\n\r\n", b"GET ", b"POST /predict", b" HTTP/1.1", b": ", b"\0", b"\xff", b"5", b"0\r\n\r\n"),
    *(b"Host: localhost", b"Content-Length: ", b"Transfer-Encoding: chunked", b"Connection: Upgrade\r\nUpgrade: h2c"),
)
tokens = st.lists(st.sampled_from(WORDS), max_size=12).map("".join)
noises = st.lists(st.binary(max_size=40) | st.sampled_from(HTTP), max_size=12).map(b"".join)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Valid texts, texts with one byte changed, texts of tokens, bytes."""
    kind = draw(st.sampled_from(["valid", "changed", "tokens", "bytes"]))
    if kind == "bytes":
        return draw(st.binary(max_size=60))
    if kind == "tokens":
        return draw(tokens).encode()
    text = draw(spaces) + json.dumps(draw(values), ensure_ascii=draw(st.booleans())) + draw(spaces)
    raw = bytearray(text.encode("utf-8", "surrogatepass"))
    if kind == "changed" and raw:
        place = draw(st.integers(0, len(raw) - 1))
        raw[place : place + draw(st.integers(0, 1))] = draw(st.binary(max_size=2))
    return bytes(raw)


@QUICK
@given(body=bodies())
@example(body=b'{"x": 1, "colour": "red"}')
@example(body=b'{"x": 1, "x": 1, "colour": "red"}')
@example(body=b'{"x": 1, "colour": "\\ud800"}')
@example(body=b'{"x": NaN, "colour": "red"}')
@example(body=b'\xef\xbb\xbf{"x": 1, "colour": "red"}')
@example(body=b"[" * 100_000)
def test_server_and_rfc_8259_agree(server: LocalServer, body: bytes) -> None:
    found = verdict(server, body)
    if not is_json(body):
        assert found in ("400 MalformedBody", "400 InvalidInput"), body
    elif found == "400 MalformedBody":  # JSON, and no rows: neither an object nor an array of them
        value: Any = json.loads(body, parse_int=str, parse_float=str)
        wrapped = isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ("rows", "columns")
        assert wrapped or not isinstance(value, (dict, list)), body
    else:
        assert found in ("200", "400 InvalidInput"), body


@QUICK
@given(x=st.floats() | st.integers(), written=st.sampled_from(["{}", "{}e0", "{}E+0", " {}\t"]))
def test_every_number_of_json_is_read_as_what_it_is(server: LocalServer, x: float, written: str) -> None:
    text = written.format(json.dumps(x))
    found = verdict(server, b'{"x": ' + text.encode() + b', "colour": "red"}')
    readable = is_json(text.encode()) and math.isfinite(float(text))
    assert found == "200" if readable else found.startswith("400"), text


@QUICK
@given(noise=noises)
def test_random_bytes_are_refused_or_wait(server: LocalServer, noise: bytes) -> None:
    with Connection(server.url) as connection:
        connection.send(noise)
        connection.socket.shutdown(1)
        while (found := connection.answer()) is not None:
            assert found.status < 500 or found.status == 505
    with Connection(server.url) as connection:
        connection.send(get(b"/live", CLOSE))
        after = connection.answer()
        assert after is not None
        assert after.status == 200


def test_nothing_was_a_failure_of_ours(server: LocalServer) -> None:
    assert {record["status"] for record in server.records if record["status"] >= 500} <= {505}
