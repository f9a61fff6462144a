"""
The part of a connection that the express lane takes: from a parsed request, or one whose head is known, to the bytes of
its answer.
"""

from __future__ import annotations

from collections import deque
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from cloche.web.answer import Answer, head_of
from cloche.web.express import Express, ExpressCycle
from cloche.web.gate import Admitted, Gate, Refusal
from cloche.web.head import Head
from cloche.web.timed import TimedProtocol

_COLON = b": ".join


class LaneProtocol(TimedProtocol):
    """A connection with an express lane; `ClocheProtocol` says which requests take it."""

    gate: ClassVar[Gate]
    express: ClassVar[Express | None]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._certificate: str | None = None
        self._lane: ExpressCycle | None = None  # the request whose parts come now, where it takes the express lane
        self._cycles: deque[RequestResponseCycle | ExpressCycle] = deque()  # what is not answered yet, in order

    def _idle(self) -> bool:
        """Whether nothing is to be answered before what comes now."""
        answered = self.cycle is None or self.cycle.response_complete
        return answered and not self.pipeline and not self.flow.write_paused

    def _takes_known(self, data: bytes) -> bool:
        """A whole request whose head was parsed before is not parsed again."""
        found = None if self.express is None else self.express.heads.of(data)
        if found is None or self.express is None or self._certificate is not None:
            return False
        known, body = found
        self._disarm()
        self._cycles.clear()
        self.url, self.headers = known.url, known.headers
        self._lane = lane = ExpressCycle(self, keep_alive=known.keep_alive, scheme=self._express_scheme())
        self.cycle = lane  # type: ignore[assignment]
        self._cycles.append(lane)
        lane.more_body, lane.body = False, body
        self.express.admit(lane, known.head, self._peer(), known.target)
        self.express.ask(lane, body, expected=False)
        return True

    def _admit(self, lane: ExpressCycle) -> bool:
        """Ask the gate, where it was not asked before; whether it was."""
        before = lane.verdict is not None
        if not before and self.express is not None:
            self.express.admit(lane, self._express_head(), self._peer())
        return before

    def _packet_ended(self, lane: ExpressCycle, alone: bytes) -> None:
        """
        Where the body is still to come, the request is one in flight from here on.

        *alone* is the packet, where nothing was unanswered or half read before it: its head may come again.
        """
        if self.express is None:
            return
        if lane.more_body:
            if not self._admit(lane):
                self.express.expect(lane)
        elif alone and isinstance(lane.verdict, Admitted) and self._certificate is None:
            head, keep_alive = lane.verdict.head, lane.keep_alive
            self.express.heads.keep(alone, self.url, self.headers, head, keep_alive=keep_alive, body=lane.body)

    def _ask(self, lane: ExpressCycle) -> None:
        lane.more_body = False
        expected = self._admit(lane)
        if self.express is not None:
            self.express.ask(lane, lane.body, expected=expected)

    def _give_up(self, exc: Exception | None) -> None:
        """The rest of the request will not come."""
        lane = self._lane
        if lane is not None and lane.more_body and self.express is not None:
            lane.more_body = False
            self._admit(lane)
            self.express.give_up(lane, exc)

    def _express_head(self) -> Head:
        return Head.of("POST", self.url.decode("ascii"), b"", self.headers, self._certificate)

    def _express_scheme(self) -> str:
        spoken = self.scheme or "http"
        if not self.limits.forwarded_allow:
            return spoken
        return self.gate.proxies.scheme(self.client[0] if self.client else None, self.headers, spoken)

    def _peer(self) -> str | None:
        peer = self.client[0] if self.client else None
        return self.gate.proxies.client(peer, self.headers or [])

    def send_express(self, cycle: ExpressCycle, answer: Answer, verdict: Admitted | Refusal) -> None:
        """What `RequestResponseCycle.send` would write, and what follows from it."""
        headers = head_of(answer, verdict, self.gate.cors.headers(verdict.head.headers))
        if (b"connection", b"close") in headers:
            cycle.keep_alive = False
        elif not cycle.keep_alive:
            headers.append((b"connection", b"close"))
        lines = b"\r\n".join(map(_COLON, (*self.server_state.default_headers, *headers)))
        self.transport.write(b"%b%b\r\n\r\n%b" % (STATUS_LINE[answer.status], lines, answer.body))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()
