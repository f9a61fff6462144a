"""What breaks the rules of HTTP, and the answer that the connection itself gives to it."""

from __future__ import annotations

from collections.abc import Sequence

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE


class Broken(Exception):
    """The head breaks a rule; raised through the parser."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def value_of(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The first header of that name (in lower case)."""
    return next((value for key, value in headers if key == name), None)


def reason_of(exc: httptools.HttpParserError) -> Broken:
    """Ours, or what the parser says; never a byte of the request."""
    ours = exc.__context__
    if isinstance(ours, Broken):
        return ours
    said = str(exc) if type(exc) is httptools.HttpParserError else ""
    return Broken(400, f"the request is not valid HTTP/1.1: {said}" if said else "the request is not valid HTTP/1.1")


def encoded(headers: Sequence[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """*headers* as they go on the wire."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


NAMES = {400: "BadRequest", 408: "RequestTimeout", 429: "RateLimited"}


def answer_bytes(status: int, body: bytes, request_id: str, default_headers: list[tuple[bytes, bytes]]) -> bytes:
    """A whole answer after which the connection is closed."""
    headers = [
        *default_headers,
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
        (b"connection", b"close"),
    ]
    return STATUS_LINE[status] + b"".join(b"%b: %b\r\n" % header for header in headers) + b"\r\n" + body
