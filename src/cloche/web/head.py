"""A request before its body, and what its headers say. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import msgspec


class Head(msgspec.Struct, frozen=True):
    """A request before its body; header names in lower case. `certificate` is the subject of the caller's own."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    certificate: str | None = None

    @classmethod
    def of(
        cls,
        method: str,
        path: str,
        query: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        certificate: str | None = None,
    ) -> Head:
        """
        From what an HTTP server hands over; a header that comes twice is the list of both (RFC 9110, 5.3).

        Nobody is misled by the first or the last of two: where one value is expected, a list is refused.
        """
        named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        if len(named) < len(headers):
            named = _joined(headers)
        return cls(method, path, query.decode("latin-1"), named, certificate)


def _joined(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    every: dict[str, list[str]] = {}
    for name, value in headers:
        every.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return {name: ", ".join(values) for name, values in every.items()}


def token_of(head: Head) -> str | None:
    """The key that came with the request."""
    scheme, _, token = head.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return head.headers.get("x-api-key", "").strip() or None


def netloc_of(origin: str) -> str | None:
    """`host:port` of an Origin header; None where it has none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # half an IPv6 address
        return None


def is_loopback_name(host: str) -> bool:
    """Whether a Host header names this machine: `localhost`, `*.localhost`, 127.0.0.0/8 or `[::1]`, any port."""
    name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    name = name.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
