"""
Heads that were parsed before: most callers send the same one with every request, and byte by byte the same it means
the same.

Kept are those of plain requests that were let in, so that nobody without a key has a place here; what the caller may do
is asked again each time.
"""

from __future__ import annotations

import msgspec

from cloche.web.gate import Gate
from cloche.web.head import Head
from cloche.web.routes import Target

END = b"\r\n\r\n"
#: So many heads; one more and all are forgotten.
_MOST = 2_048
_LONGEST = 4_096
#: Another one with each request: such a head does not come again.
_PASSING = frozenset(("x-request-id", "traceparent", "tracestate"))


class KnownHead(msgspec.Struct, frozen=True):
    """What the parser made of the bytes of a head, and where the gate said that it leads."""

    url: bytes
    headers: list[tuple[bytes, bytes]]
    head: Head
    target: Target
    keep_alive: bool
    body_bytes: int


class KnownHeads:
    """The heads of one server by their bytes."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._known: dict[bytes, KnownHead] = {}

    def of(self, packet: bytes) -> tuple[KnownHead, bytes] | None:
        """The known head that *packet* begins with, and the body behind it, where these are exactly one request."""
        end = packet.find(END) + len(END)
        known = self._known.get(packet[:end])
        return None if known is None or len(packet) != end + known.body_bytes else (known, packet[end:])

    def keep(
        self,
        packet: bytes,
        url: bytes,
        headers: list[tuple[bytes, bytes]],
        head: Head,
        *,
        keep_alive: bool,
        body: bytes,
    ) -> None:
        """*packet* was one request that was let in: remember its head."""
        end = packet.find(END) + len(END)
        if len(packet) != end + len(body) or end > _LONGEST or not _PASSING.isdisjoint(head.headers):
            return
        target = self._gate.leads_to(head)
        if target is not None:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[packet[:end]] = KnownHead(url, headers, head, target, keep_alive, len(body))
