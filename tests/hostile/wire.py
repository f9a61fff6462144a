"""Raw requests and a strict reader of answers: no HTTP client, which would repair what we want to see."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

#: No answer may take longer on a busy machine; what waits for a deadline of the server says so itself.
PATIENCE_S = 20.0
ROW = {
    "island": "Dream",
    "bill_length_mm": 39.1,
    "bill_depth_mm": 18.7,
    "flipper_length_mm": 181,
    "body_mass_g": 3750,
    "sex": "female",
}
GOOD = json.dumps(ROW).encode()
HOST = b"Host: localhost"
JSON = b"Content-Type: application/json"
CLOSE = b"Connection: close"
CHUNKED = b"Transfer-Encoding: chunked"
_STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) [ -~]*")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([ -~]*)")
MARKER = b"the-next-one"


@dataclass(frozen=True)
class Answer:
    """One answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def closes(self) -> bool:
        return self.headers.get("connection", "").lower() == "close"

    @property
    def client_id(self) -> str | None:
        return self.headers.get("x-client-request-id")

    def verdict(self) -> str:
        """`200`, or the status and the name of the error; of a page the status."""
        plain = self.status < 400 or not self.body or self.headers["content-type"].startswith("text/html")
        return str(self.status) if plain else f"{self.status} {self.json()['error']}"


def lines(*heads: bytes) -> bytes:
    """A head: its lines and the blank one."""
    return b"".join(line + b"\r\n" for line in heads) + b"\r\n"


def get(target: bytes, *headers: bytes, method: bytes = b"GET") -> bytes:
    """A request without a body."""
    return lines(method + b" " + target + b" HTTP/1.1", HOST, *headers)


def post(body: bytes = GOOD, *headers: bytes, target: bytes = b"/predict", content_type: bytes = JSON) -> bytes:
    """A predict request whose length is true."""
    length = b"Content-Length: %d" % len(body)
    return lines(b"POST " + target + b" HTTP/1.1", HOST, content_type, length, *headers) + body


def framed(raw_body: bytes, *headers: bytes) -> bytes:
    """A predict request whose framing is up to the caller."""
    return lines(b"POST /predict HTTP/1.1", HOST, JSON, *headers) + raw_body


def chunks(*parts: bytes, trailer: bytes = b"") -> bytes:
    """Parts as chunks, the last chunk, the trailer."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n" + trailer + b"\r\n"


class Connection:
    """One TCP connection that reads whole answers, in order."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.socket = socket.create_connection((parts.hostname, parts.port or 80), timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, raw: bytes | Iterable[bytes]) -> None:
        """Send it at once, or piece by piece; a peer that closed meanwhile has said what it had to."""
        with contextlib.suppress(ConnectionError):
            for piece in (raw,) if isinstance(raw, bytes) else raw:
                self.socket.sendall(piece)

    def answer(self, *, bodiless: bool = False) -> Answer | None:
        """The next answer; None where the connection was closed instead, between two answers."""
        if not self._until(b"\r\n\r\n"):
            assert not self._buffer, f"closed within an answer: {self._buffer[:300]!r}"
            return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        status, headers = _head(head)
        length = 0 if bodiless or status < 200 else int(headers["content-length"])
        while len(self._buffer) < length:
            assert self._more(), f"closed within a body: {self._buffer[:300]!r}"
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Answer(status, headers, body)

    def closed(self, *, seconds: float = PATIENCE_S) -> bool:
        """Whether the server closes without another byte."""
        self.socket.settimeout(seconds)
        try:
            return not self._buffer and not self._more()
        except TimeoutError:
            return False

    def _until(self, end: bytes) -> bool:
        while end not in self._buffer:
            if not self._more():
                return False
        return True

    def _more(self) -> bool:
        try:
            got = self.socket.recv(65_536)
        except ConnectionError:
            got = b""
        self._buffer += got
        return bool(got)


def _head(raw: bytes) -> tuple[int, dict[str, str]]:
    first, *rest = raw.split(b"\r\n")
    found = _STATUS_LINE.fullmatch(first)
    assert found, f"no status line: {first[:300]!r}"
    named: dict[str, str] = {}
    for line in rest:
        header = _HEADER.fullmatch(line)
        assert header, f"no header: {line[:300]!r}"
        name = header[1].decode().lower()
        assert name not in named, f"twice: {line[:300]!r}"
        named[name] = header[2].decode()
    return int(found[1]), named


def exchange(url: str, sent: bytes | Sequence[bytes], *, answers: int, bodiless: bool = False) -> list[Answer]:
    """
    What came back for *sent*: every answer until the connection is closed.

    Where it stays open after *answers*, one more request has to be answered as itself: nothing of *sent*
    may be left over, and nothing of it may be answered twice.
    """
    with Connection(url) as connection:
        connection.send(sent)
        got: list[Answer] = []
        while (found := connection.answer(bodiless=bodiless)) is not None:
            got.append(found)
            if found.closes:
                assert connection.closed(), "bytes after the last answer"
                break
            if len(got) == answers:
                _next_one(connection)
                break
        return got


def _next_one(connection: Connection) -> None:
    connection.send(get(b"/live", b"X-Request-ID: " + MARKER, CLOSE))
    found = connection.answer()
    assert found is not None, "the connection was closed without saying so"
    assert (found.status, found.client_id) == (200, MARKER.decode()), f"out of step: {found}"


def good(url: str) -> Answer:
    """A good request on a connection of its own."""
    start = time.monotonic()
    [found] = exchange(url, post(GOOD, CLOSE), answers=1)
    assert time.monotonic() - start < PATIENCE_S
    return found
