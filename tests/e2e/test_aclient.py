"""What only the asynchronous client has: a pool, cancellation, and its own reading of HTTP/1.1."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from cloche import AsyncClient, errors

OK = b'{"prediction":"ok","model":"m","model_version":"1","request_id":"r"}'
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(OK), OK)


class Scripted:
    """A server that answers every request of every connection by a function; it counts both."""

    def __init__(self, answer: Callable[[int], bytes], *, delay_s: float = 0.0, close_after: int = 10**9) -> None:
        self._answer = answer
        self._delay_s = delay_s
        self._close_after = close_after
        self.connections = 0
        self.requests = 0

    async def __aenter__(self) -> Scripted:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        for _ in range(self._close_after):
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            self.requests += 1
            await asyncio.sleep(self._delay_s)
            writer.write(self._answer(self.requests))
        writer.close()


def run(work: Callable[[], object]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(20):
            await work()  # type: ignore[misc]

    asyncio.run(limited())


def test_calls_share_a_bounded_number_of_connections() -> None:
    async def work() -> None:
        async with Scripted(lambda _: PLAIN, delay_s=0.01) as server, AsyncClient(server.url, connections=3) as client:
            answers = await asyncio.gather(*(client.predict({"x": 1}) for _ in range(20)))
            assert {answer.prediction for answer in answers} == {"ok"}
            assert (server.connections, server.requests) == (3, 20)

    run(work)


def test_idle_connections_that_the_server_closed_are_no_error() -> None:
    async def work() -> None:
        async with (
            Scripted(lambda _: PLAIN, delay_s=0.01, close_after=1) as server,
            AsyncClient(server.url, connections=5, retries=1) as client,
        ):
            for _ in range(3):
                await asyncio.gather(*(client.predict({"x": 1}) for _ in range(5)))
            assert server.requests == 15

    run(work)


def test_a_cancelled_call_leaves_no_half_read_connection() -> None:
    async def work() -> None:
        async with Scripted(lambda _: PLAIN, delay_s=0.05) as server, AsyncClient(server.url, connections=1) as client:
            task = asyncio.create_task(client.predict({"x": 1}))
            while not server.requests:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await client.predict({"x": 1})).prediction == "ok"
            assert server.connections == 2

    run(work)


def test_another_loop_begins_anew() -> None:
    async def work() -> None:
        async with Scripted(lambda _: PLAIN) as server:
            assert (await client_at(server.url).predict({"x": 1})).prediction == "ok"

    made: list[AsyncClient] = []

    def client_at(url: str) -> AsyncClient:
        made.append(AsyncClient(url))
        return made[-1]

    run(work)

    async def again() -> None:
        assert not await made[0].ready()  # the server is gone; the connections of the closed loop do no harm

    run(again)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%b\r\n0\r\nX: y\r\n\r\n" % (len(OK), OK),
            id="chunks",
        ),
        pytest.param(b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + PLAIN, id="an-interim-answer"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(OK), OK), id="close"
        ),
    ],
)
def test_answers_of_every_shape(answer: bytes) -> None:
    async def work() -> None:
        async with Scripted(lambda _: answer) as server, AsyncClient(server.url) as client:
            for _ in range(2):
                assert (await client.predict({"x": 1})).prediction == "ok"

    run(work)


def test_an_answer_may_end_with_its_connection() -> None:
    async def work() -> None:
        head = b"HTTP/1.0 200 OK\r\n\r\n"
        async with Scripted(lambda _: head + OK, close_after=1) as server, AsyncClient(server.url) as client:
            assert (await client.predict({"x": 1})).prediction == "ok"

    run(work)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(PLAIN[:-5], id="cut-off"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n", id="another-protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", id="no-length"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300 + b"\r\n", id="too-many-headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\na: " + b"b" * 100_000 + b"\r\n\r\n", id="too-long-a-line"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="no-chunk"),
    ],
)
def test_what_is_no_answer_is_one_clear_error_and_is_not_sent_again(answer: bytes) -> None:
    async def work() -> None:
        async with Scripted(lambda _: answer, close_after=1) as server, AsyncClient(server.url) as client:
            with pytest.raises(errors.ServerUnreachableError, match="broke"):
                await client.predict({"x": 1})
            assert server.requests == 1

    run(work)


def test_a_pool_of_nothing_is_refused() -> None:
    with pytest.raises(errors.UsageError, match="at least 1"):
        AsyncClient("http://localhost", connections=0)
