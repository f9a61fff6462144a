"""
One HTTP/1.1 connection of a client over asyncio streams: a request out, an answer in. It knows nothing of cloche.

It reads what servers and the proxies before them send: lengths, chunks, interim answers, bodies that end with the
connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

#: Longest line of an answer's head, and most of them.
_MAX_LINE = 65_536
_MAX_HEADERS = 200


class BrokenAnswerError(Exception):
    """The connection ended inside an answer, or what came is no HTTP/1.1."""


class NoAnswerError(Exception):
    """The connection ended before the first byte of an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """An open connection; `reusable` says whether another request may follow."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host
        self._reusable = True
        self.used = False  #: whether a request was answered on it

    @classmethod
    async def open(cls, host: str, port: int | None, tls: ssl.SSLContext | None) -> Connection:
        """
        Raises:
            OSError: nobody answers there.
        """
        number = port or (80 if tls is None else 443)
        reader, writer = await asyncio.open_connection(host, number, ssl=tls, limit=_MAX_LINE)
        named = f"[{host}]" if ":" in host else host
        return cls(reader, writer, f"{named}:{port}" if port else named)

    @property
    def reusable(self) -> bool:
        """Whether the other side has not closed it, as far as is known here."""
        return self._reusable and not self._reader.at_eof() and not self._writer.is_closing()

    async def exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """
        Send one request and read its answer.

        Raises:
            NoAnswerError: not a byte of an answer came.
            BrokenAnswerError: the answer is no HTTP/1.1, or not whole.
        """
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}"] if body is not None else []
        try:
            self._writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))
            await self._writer.drain()
            first = await self._reader.readline()
        except (OSError, ValueError) as exc:
            raise NoAnswerError(str(exc)) from exc
        if not first:
            raise NoAnswerError("the connection was closed")
        try:
            return await self._answer(first, method)
        except (asyncio.IncompleteReadError, OSError, ValueError) as exc:
            raise BrokenAnswerError(f"the answer broke off: {exc}") from exc

    def close(self) -> None:
        """Close it without waiting for the other side."""
        with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: its loop is gone already
            self._writer.close()

    async def _answer(self, first: bytes, method: str) -> Answer:
        status, version = _status(first)
        headers = await self._headers()
        while 100 <= status < 200:
            status, version = _status(await self._reader.readline())
            headers = await self._headers()
        body = b"" if method == "HEAD" or status in (204, 304) else await self._body(headers)
        self._reusable &= version == b"HTTP/1.1" and headers.get("connection", "").lower() != "close"
        self.used = True
        return Answer(status, headers, body)

    async def _headers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for _ in range(_MAX_HEADERS):
            line = await self._reader.readline()
            if line in (b"\r\n", b"\n"):
                return found
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon:
                raise ValueError("a header without a colon")
            found[name.strip().lower()] = value.strip()
        raise ValueError("too many headers")

    async def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return await self._chunks()
        length = headers.get("content-length")
        if length is None:
            self._reusable = False
            return await self._reader.read()
        return await self._reader.readexactly(int(length))

    async def _chunks(self) -> bytes:
        body = bytearray()
        while size := int((await self._reader.readline()).partition(b";")[0], 16):
            body += await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        await self._headers()
        return bytes(body)


def _status(line: bytes) -> tuple[int, bytes]:
    version, _, rest = line.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
        raise ValueError(f"expected an HTTP/1.1 status line, got {line[:32]!r}")
    return int(rest[:3]), version
