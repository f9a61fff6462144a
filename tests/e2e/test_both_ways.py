"""
The express lane and the ASGI path, case by case: the same bytes on the wire, the same log line, metrics and record.

Two servers that differ in nothing else get the same bytes in the same order, so that even their request ids are equal.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from cloche.config import LogConfig, ServerConfig
from cloche.errors import LogUnavailableError
from cloche.metrics import Samples, read_slot
from cloche.prediction_log import segments
from cloche.prediction_log.frames import Request
from cloche.prediction_log.recorder import Recorder, open_recorder
from cloche.prediction_log.version import Answered
from cloche.records import Columns, Outputs
from cloche.registry import Notice, Promises
from cloche.serving.deployments import Deployments
from hostile.wire import CLOSE, HOST, Connection, get, lines, post
from local_server import LocalServer, local_server, read_all
from processes import eventually
from simulators import FakeEngine, InlineEngine, deployment, deployments, sign_of_x

pytestmark = pytest.mark.e2e
ROW = b'{"x": 1, "colour": "red"}'
MANY = b"[" + b",".join([ROW] * 3) + b"]"
CONFIG = ServerConfig(port=0, max_rows=3, max_body_bytes=2_000, body_timeout_s=0.2, model_rate=("limited=1/d",))
OWN_ID = b"X-Request-ID: mine"
ODD_X, NO_ANSWER = 666.0, 667.0


def answers(columns: Columns, n: int) -> Outputs:
    """Raises on one number, and gives what no JSON has a form for to another."""
    if ODD_X in columns["x"]:
        raise ValueError("no such x")
    outputs = sign_of_x(columns, n)
    return Outputs([object()], outputs.probabilities) if NO_ANSWER in columns["x"] else outputs


def models() -> Deployments:
    table = deployments(
        deployment(InlineEngine(answers), name="colours"),
        deployment(InlineEngine(answers), name="limited"),
        deployment(FakeEngine(answers), name="native"),
        default="colours",
    )
    held = table.get("native")
    assert held is not None
    notice = Notice(deprecated="2026-01-01T00:00:00+00:00", sunset="2026-12-31")
    table.put(replace(held, promises=Promises(notices={1: notice})))
    return table


class Key:
    """Covers one scope of one model."""

    rate = None

    def __init__(self, name: str, scope: str, model: str | None) -> None:
        self.id = name
        self._covers = scope, model

    def allows(self, scope: str, model: str | None = None) -> bool:
        return scope == self._covers[0] and (None in (model, self._covers[1]) or model == self._covers[1])


KEYS = {"right": Key("a", "predict", None), "view": Key("b", "view", None), "other": Key("c", "predict", "native")}


def key(name: str) -> bytes:
    return b"Authorization: Bearer " + name.encode()


@dataclass
class Both:
    """The two servers, and where each keeps its records."""

    lane: LocalServer
    asgi: LocalServer
    spools: tuple[Path, Path]

    def __iter__(self) -> Iterator[LocalServer]:
        yield from (self.lane, self.asgi)

    def sent(self, raw: bytes | Sequence[bytes]) -> list[bytes]:
        """What both wrote, until they closed the connection."""
        return [conversation(server, [raw] if isinstance(raw, bytes) else raw) for server in self]


def conversation(server: LocalServer, parts: Sequence[bytes]) -> bytes:
    """Each part is sent when the one before was read; the date is no part of what is compared."""
    answered = len(server.records)
    with server.connect() as connection:
        for place, part in enumerate(parts):
            if place:
                eventually(
                    lambda: len(server.records) > answered or server.run(lambda: begun(server)),
                    "the first part is read",
                )
            with contextlib.suppress(ConnectionError):  # what the head alone decides may be answered already
                connection.sendall(part)
        received = read_all(connection)
    return re.sub(rb"\r\ndate: [^\r]*", b"\r\ndate: now", received)


def begun(server: LocalServer) -> bool:
    """Whether the head of a request was read."""
    return any(one.cycle is not None for one in server.runner._server.server_state.connections)


@contextmanager
def both(folder: Path, config: ServerConfig, authenticate: Any = None) -> Iterator[Both]:
    with ExitStack() as stack:
        found, spools = [], (folder / "lane", folder / "asgi")
        for express, spool in zip((True, False), spools, strict=True):
            log = open_recorder(LogConfig(segment_bytes=65_536), spool, "file:///nowhere")
            stack.callback(log.close)
            found.append(stack.enter_context(local_server(models, config, authenticate, express=express, log=log)))
        yield Both(*found, spools)


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with both(tmp_path_factory.mktemp("open"), CONFIG) as running:
        yield running


@pytest.fixture(scope="module")
def with_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with both(tmp_path_factory.mktemp("keys"), CONFIG, KEYS.get) as running:
        yield running


@pytest.fixture(scope="module")
def with_origins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    config = replace(CONFIG, cors_origin=("https://shop.example",), strict=True)
    with both(tmp_path_factory.mktemp("origins"), config) as running:
        yield running


def same(both: Both, raw: bytes | Sequence[bytes], *, express: bool | None = True) -> bytes:
    """What both answer, which is the same; *express* says whether the lane took it (None: some of it)."""
    before = [(len(one.records), len(one.express), counted(one)) for one in both]
    lane, asgi = both.sent(raw)
    assert lane == asgi
    for server, (n, _, _) in zip(both, before, strict=True):
        eventually(lambda server=server, n=n: len(server.records) > n, "it is logged")
    taken = len(both.lane.express) - before[0][1]
    assert not both.asgi.express
    assert express is None or (taken > 0) == express
    logs = [[untimed(one) for one in server.records[n:]] for server, (n, _, _) in zip(both, before, strict=True)]
    assert logs[0] == logs[1]
    assert counted(both.lane) == counted(both.asgi)
    assert frames(both.spools[0]) == frames(both.spools[1])
    return lane


def untimed(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "ms"}


def counted(server: LocalServer) -> Samples:
    """All numbers but those of the clock: of seconds, how many were observed."""
    found = dict(server.run(lambda: read_slot(server.slot.snapshot())))
    found.pop("cloche_last_worker_start_time_seconds")
    seconds = found.get("cloche_request_seconds", {})
    return found | {"cloche_request_seconds": {labels: [sum(values[:-1])] for labels, values in seconds.items()}}


def frames(spool: Path) -> list[Any]:
    """Every record that is there, without its time."""
    found: list[Any] = []
    for path in sorted(spool.rglob("0*.*")):
        data = path.read_bytes()
        for frame in list(segments.read(data[: segments.whole_bytes(data)], path.name))[1:]:
            timed = isinstance(frame, Request)
            found.append(msgspec.structs.replace(frame, time_us=0, latency_us=0) if timed else frame)
    return found


ARROW = b"application/vnd.apache.arrow.stream"


def stream() -> bytes:
    """Two rows as an Arrow IPC stream."""
    table = pa.table({"x": [1.0, -1.0], "colour": ["red", "blue"]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


OPEN = {
    "good-row": (post(ROW, CLOSE), True, 200),
    "array": (post(MANY, CLOSE), True, 200),
    "no-rows": (post(b"[]", CLOSE), True, 200),
    "rows-wrapper": (post(b'{"rows": [' + ROW + b"]}", CLOSE), True, 200),
    "columns": (post(b'{"columns": {"x": [1, -1], "colour": ["red", "blue"]}}', CLOSE), True, 200),
    "no-content-type": (post(ROW, CLOSE, content_type=b"A: b"), True, 200),
    "curl-default": (post(ROW, CLOSE, content_type=b"Content-Type: application/x-www-form-urlencoded"), True, 200),
    "bad-row": (post(b'{"x": "one", "colour": "green"}', CLOSE), True, 400),
    "bad-rows": (post(b'[{"x": 1}, 3, ' + ROW + b"]", CLOSE), True, 400),
    "unknown-field": (post(b'{"x": 1, "color": "red"}', CLOSE), True, 400),
    "malformed": (post(b'{"x": 1,', CLOSE), True, 400),
    "nan": (post(b'{"x": NaN, "colour": "red"}', CLOSE), True, 400),
    "no-utf8": (post(b'{"x": 1, "colour": "\xff"}', CLOSE), True, 400),
    "too-deep": (post(b"[" * 200 + b"]" * 200, CLOSE), True, 400),
    "empty": (post(b"", CLOSE), True, 400),
    "too-many-rows": (post(b"[" + b",".join([ROW] * 4) + b"]", CLOSE), True, 413),
    "too-large": (post(b" " * 2_001, CLOSE), True, 413),
    "model-raises": (post(b'{"x": 666, "colour": "red"}', CLOSE), True, 400),
    "model-raises-on-one": (post(b"[" + ROW + b', {"x": 666, "colour": "red"}]', CLOSE), True, 400),
    "own-fault": (post(b'{"x": 667, "colour": "red"}', CLOSE), True, 500),
    "named": (post(ROW, CLOSE, target=b"/models/colours/predict"), True, 200),
    "contract": (post(ROW, CLOSE, target=b"/v1/predict"), True, 200),
    "version": (post(ROW, CLOSE, target=b"/models/colours/versions/1/predict"), True, 200),
    "unknown-model": (post(ROW, CLOSE, target=b"/models/colour/predict"), True, 404),
    "unknown-contract": (post(ROW, CLOSE, target=b"/v9/predict"), True, 404),
    "unknown-version": (post(ROW, CLOSE, target=b"/models/colours/versions/9/predict"), True, 404),
    "native-and-deprecated": (post(ROW, CLOSE, target=b"/models/native/predict"), True, 200),
    "deprecated-and-bad": (post(b"{}", CLOSE, target=b"/models/native/predict"), True, 400),
    "rate": (post(ROW, target=b"/models/limited/predict") + post(ROW, CLOSE, target=b"/models/limited/predict"),
             None, 429),
    "own-id": (post(ROW, OWN_ID, CLOSE), True, 200),
    "own-id-bad-row": (post(b"{}", OWN_ID, CLOSE), True, 400),
    "own-id-too-long": (post(ROW, b"X-Request-ID: " + b"a" * 129, CLOSE), True, 200),
    "two-ids": (post(ROW, OWN_ID, OWN_ID, CLOSE), True, 200),
    "accept": (post(ROW, b"Accept: application/json", CLOSE), True, 200),
    "two-accepts": (post(ROW, b"Accept: application/json", b"Accept: application/json", CLOSE), True, 200),
    "two-types": (post(ROW, b"Content-Type: application/json", CLOSE), True, 415),
    "keep-alive": (post(ROW) + post(ROW, CLOSE), None, 200),
    "explicit-keep-alive": (post(ROW, b"Connection: keep-alive") + post(MANY, CLOSE), None, 200),
    "foreign-host": (post(ROW, CLOSE).replace(HOST, b"Host: example.com"), True, 403),
    "csv": (post(b"x,colour\n1,red\n", CLOSE, content_type=b"Content-Type: text/csv"), False, 200),
    "csv-wanted": (post(ROW, b"Accept: text/csv", CLOSE), False, 200),
    "arrow": (post(stream(), b"Accept: " + ARROW, CLOSE, content_type=b"Content-Type: " + ARROW), False, 200),
    "arrow-cut-short": (post(stream()[:-30], CLOSE, content_type=b"Content-Type: " + ARROW), False, 400),
    "nothing-acceptable": (post(ROW, b"Accept: text/html", CLOSE), False, 406),
    "unknown-type": (post(ROW, CLOSE, content_type=b"Content-Type: text/plain"), False, 415),
    "option": (post(ROW, CLOSE, target=b"/predict?top=1"), False, 200),
    "header-version": (post(ROW, b"X-API-Version: 1", CLOSE), False, 200),
    "encoded": (post(ROW, b"Content-Encoding: gzip", CLOSE), False, 415),
    "deadline": (post(ROW, b"X-Request-Timeout-Ms: 5000", CLOSE), False, 200),
    "foreign-origin": (post(ROW, b"Origin: https://example.com", CLOSE), False, 403),
    "percent": (post(ROW, CLOSE, target=b"/pr%65dict"), False, 200),
    "http-1.0": (post(ROW).replace(b"HTTP/1.1", b"HTTP/1.0"), False, 200),
    "get": (get(b"/predict", CLOSE), False, 405),
    "head": (get(b"/predict", CLOSE, method=b"HEAD"), False, 405),
    "put": (post(ROW, CLOSE).replace(b"POST", b"PUT", 1), False, 405),
    "length-with-underscore": (lines(b"POST /predict HTTP/1.1", HOST, b"Content-Length: 2_5") + ROW, False, 400),
    "length-with-sign": (lines(b"POST /predict HTTP/1.1", HOST, b"Content-Length: +25") + ROW, False, 400),
    "no-length": (lines(b"POST /predict HTTP/1.1", HOST, CLOSE), False, 400),
    "long-length": (lines(b"POST /predict HTTP/1.1", HOST, CLOSE, b"Content-Length: 00000025") + ROW, False, 200),
}  # fmt: skip
KEYED = {
    "right": (post(ROW, key("right"), CLOSE), 200),
    "as-header": (post(ROW, b"X-API-Key: right", CLOSE), 200),
    "missing": (post(ROW, CLOSE), 401),
    "wrong": (post(ROW, key("nobody"), CLOSE), 401),
    "wrong-scope": (post(ROW, key("view"), CLOSE), 403),
    "wrong-model": (post(ROW, key("other"), CLOSE, target=b"/models/colours/predict"), 403),
    "wrong-default-model": (post(ROW, key("other"), CLOSE), 403),
    "bad-row": (post(b"{}", key("right"), CLOSE), 400),
}


def last_status(received: bytes) -> int:
    return int(re.findall(rb"HTTP/1\.1 (\d{3}) ", received)[-1])


@pytest.mark.parametrize("name", OPEN)
def test_a_case(open_to_all: Both, name: str) -> None:
    raw, express, status = OPEN[name]
    assert last_status(same(open_to_all, raw, express=express)) == status


@pytest.mark.parametrize("name", ["good-row", "bad-row", "no-rows", "own-fault", "unknown-model", "contract"])
def test_a_head_that_is_known(open_to_all: Both, name: str) -> None:
    raw, _, status = OPEN[name]
    other = raw.replace(b'"x"', b'"y"')
    for again in (raw, raw, other):
        received = same(open_to_all, again)
        assert last_status(received) == (status if again == raw or status == 404 else 400)
    assert known(open_to_all, raw)


@pytest.mark.parametrize("name", ["foreign-host", "own-id", "keep-alive", "too-large", "csv"])
def test_a_head_that_is_not_kept(open_to_all: Both, name: str) -> None:
    same(open_to_all, OPEN[name][0], express=None)
    assert not known(open_to_all, OPEN[name][0])


def test_a_known_head_does_not_keep_a_key_alive(with_keys: Both) -> None:
    raw = KEYED["right"][0]
    assert last_status(same(with_keys, raw)) == 200
    assert known(with_keys, raw)
    right = KEYS.pop("right")
    try:
        assert last_status(same(with_keys, raw)) == 401
    finally:
        KEYS["right"] = right


def known(both: Both, raw: bytes) -> bool:
    express = both.lane.runner._express
    return express is not None and both.lane.run(lambda: express.heads.of(raw)) is not None


@pytest.mark.parametrize("name", KEYED)
def test_a_case_with_keys(with_keys: Both, name: str) -> None:
    raw, status = KEYED[name]
    assert last_status(same(with_keys, raw)) == status


@pytest.mark.parametrize("origin", [b"A: b", b"Origin: https://shop.example", b"Origin: https://example.com"])
def test_with_origins(with_origins: Both, origin: bytes) -> None:
    assert b"\r\nvary: Origin\r\n" in same(with_origins, post(ROW, origin, CLOSE), express=None)


SLOWLY = {
    "good": (ROW, b"/predict", key("right"), 200),
    "bad-row": (b"{}", b"/predict", key("right"), 400),
    "no-key": (ROW, b"/predict", b"A: b", 401),
    "unknown-model": (ROW, b"/models/nothing/predict", key("right"), 404),
}


@pytest.mark.parametrize("name", SLOWLY)
def test_a_body_in_a_packet_of_its_own(with_keys: Both, name: str) -> None:
    body, target, own_key, status = SLOWLY[name]
    raw = post(body, own_key, CLOSE, target=target)
    assert last_status(same(with_keys, [raw[: -len(body)], raw[-len(body) :]])) == status


def test_a_limit_counts_a_request_once(with_keys: Both) -> None:
    raw = post(ROW, key("right"), CLOSE, target=b"/models/limited/predict")
    parts = [raw[:-5], raw[-5:]]
    assert [last_status(same(with_keys, parts)) for _ in range(2)] == [200, 429]


def test_a_body_that_does_not_come(open_to_all: Both) -> None:
    received = same(open_to_all, post(ROW)[:-5])
    assert last_status(received) == 408
    assert b"connection: close" in received


def test_a_caller_who_leaves_within_the_body(open_to_all: Both) -> None:
    before = [len(one.records) for one in open_to_all]
    for server, n in zip(open_to_all, before, strict=True):
        with Connection(server.url) as connection:
            connection.send(post(ROW)[:-5])
            eventually(lambda server=server: server.run(lambda: begun(server)), "the head is read")
        eventually(lambda server=server, n=n: len(server.records) > n, "it is logged")
    lane, asgi = (untimed(one.records[-1]) for one in open_to_all)
    assert lane == asgi
    assert lane["status"] == 499
    assert frames(open_to_all.spools[0]) == frames(open_to_all.spools[1])


@pytest.mark.parametrize(("phase", "status"), [("leaving", 200), ("closed", 503)])
def test_while_it_drains(tmp_path: Path, phase: Any, status: int) -> None:
    with both(tmp_path, CONFIG) as running:
        for server in running:
            server.gate.phase = phase
        received = same(running, post(ROW))
        assert last_status(received) == status
        assert b"connection: close" in received


@pytest.mark.parametrize("express", [True, False], ids=["lane", "asgi"])
def test_a_drain_within_the_body_answers_what_was_let_in(express: bool) -> None:
    with local_server(models, CONFIG, express=express) as server, Connection(server.url) as connection:
        raw = post(ROW)
        connection.send(raw[:-5])
        eventually(lambda: server.run(lambda: begun(server)), "the head is read")
        server.stop()
        eventually(lambda: server.gate.phase == "closed", "it drains")
        connection.send(raw[-5:])
        [found] = list(iter(connection.answer, None))
        assert (found.status, found.closes) == (200, True)


@pytest.mark.parametrize("express", [True, False], ids=["lane", "asgi"])
def test_a_model_that_is_not_done_when_the_grace_is_over(express: bool) -> None:
    engine = FakeEngine()

    def make() -> Deployments:
        engine.block = asyncio.Event()
        return deployments(deployment(engine))

    config = replace(CONFIG, grace_s=0.1)
    with local_server(make, config, express=express) as server, Connection(server.url) as connection:
        connection.send(post(ROW))
        eventually(lambda: engine.calls, "the model is asked")
        server.stop()
        found = connection.answer()
        assert found is not None
        assert found.verdict() == "503 Draining"


class Forgetful(Recorder):
    """Records that cannot be written down, or not now, by what the caller named its request."""

    def __init__(self) -> None:
        self.kept: list[str | None] = []

    at_once = True  # type: ignore[assignment]
    complete = True  # type: ignore[assignment]

    def record_all(self, requests: Sequence[tuple[Request, Answered | None]]) -> None:
        names = [request.client_request_id for request, _ in requests]
        if "unwritable" in names:
            raise ValueError("no form for this")
        if "disk-full" in names:
            raise LogUnavailableError("the record of this answer could not be kept; try again")
        self.kept += names

    async def record(self, request: Request, answered: Answered | None = None, *, within_s: float) -> None:
        self.record_all([(request, answered)])


@pytest.mark.parametrize("express", [True, False], ids=["lane", "asgi"])
def test_a_record_that_cannot_be_written_harms_nobody_else(express: bool) -> None:
    """The second and the third wait for the first, and are answered in one turn of the loop."""
    engine, log = FakeEngine(), Forgetful()

    def make() -> Deployments:
        engine.block = asyncio.Event()
        return deployments(deployment(engine))

    names = ["first", "unwritable", "third"]
    with local_server(make, CONFIG, express=express, log=log) as server, ExitStack() as stack:
        connections = [stack.enter_context(Connection(server.url)) for _ in names]
        for place, (connection, name) in enumerate(zip(connections, names, strict=True)):
            connection.send(post(ROW, b"X-Request-ID: " + name.encode()))
            eventually(lambda place=place: server.deployments.in_flight == place + 1, "it is asked")
        assert engine.block is not None
        server.loop.call_soon_threadsafe(engine.block.set)
        found = [connection.answer() for connection in connections]
        assert [one.verdict() for one in found if one] == ["200", "500 InternalError", "200"]
        assert log.kept == ["first", "third"]


@pytest.mark.parametrize("express", [True, False], ids=["lane", "asgi"])
def test_no_answer_leaves_without_its_record(express: bool) -> None:
    with local_server(models, CONFIG, express=express, log=Forgetful()) as server, Connection(server.url) as connection:
        connection.send(post(ROW, b"X-Request-ID: disk-full"))
        found = connection.answer()
        assert found is not None
        assert found.verdict() == "503 LogUnavailable"
