"""Which pages of other origins may call from a browser. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cloche.errors import UsageError

Headers = tuple[tuple[str, str], ...]
_ORIGIN = re.compile(r"https?://(?:[a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
#: Not `*`: Authorization would not be among them.
_TAKEN = "Accept, Authorization, Content-Type, X-API-Key, X-API-Version, X-Request-ID, X-Request-Timeout-Ms"
_SHOWN = (
    "Deprecation, Link, Retry-After, Sunset, X-API-Version, X-Client-Request-ID, X-Model-Name, X-Model-Version, "
    "X-Request-ID, X-Warnings"
)
_PREFLIGHT_KEPT_S = 600


class Cors:
    """
    The origins of one server: exact ones, or `*`. Without any, browsers keep other pages out.

    Raises:
        UsageError: an origin that no browser would send.
    """

    def __init__(self, origins: Sequence[str] = ()) -> None:
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise UsageError(f"cors_origin: expected '*' or an origin such as https://shop.example, got '{origin}'")
        self._origins = frozenset(origins)
        self._any = "*" in self._origins

    def allows(self, origin: str) -> bool:
        """Whether pages of *origin* may call."""
        return self._any or origin in self._origins

    def asks(self, method: str, headers: Mapping[str, str]) -> bool:
        """Whether a browser asks if it may call: its preflight carries no key."""
        named = "origin" in headers and "access-control-request-method" in headers
        return bool(self._origins) and method == "OPTIONS" and named

    def answer(self, methods: Sequence[str]) -> Headers:
        """What a preflight is answered with, beside `headers`."""
        return (
            ("access-control-allow-methods", ", ".join(methods)),
            ("access-control-allow-headers", _TAKEN),
            ("access-control-max-age", str(_PREFLIGHT_KEPT_S)),
        )

    def headers(self, headers: Mapping[str, str]) -> Headers:
        """What stands beside every answer, errors too, to a request with *headers*."""
        if not self._origins:
            return ()
        vary = () if self._any else (("vary", "Origin"),)
        origin = headers.get("origin")
        if origin is None or not self.allows(origin):
            return vary
        named = "*" if self._any else origin
        return (("access-control-allow-origin", named), ("access-control-expose-headers", _SHOWN), *vary)
