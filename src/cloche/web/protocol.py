"""
The connection: what HTTP itself must keep, before any request reaches the application.

A subclass of uvicorn's `HttpToolsProtocol` that relies on some of its private names; `tests/unit/web/
test_protocol.py` asserts that they exist. Limits on the head, deadlines for receiving, one Host, HTTP/1.x only, and
a JSON body for whatever the parser refuses.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar

import httptools

from cloche.config import ServerConfig
from cloche.errors import RequestTimeoutError
from cloche.web import problems, tls
from cloche.web.broken import NAMES, Broken, answer_bytes, encoded, reason_of, value_of
from cloche.web.express import Express, ExpressCycle
from cloche.web.gate import Gate
from cloche.web.head import Head
from cloche.web.lane import LaneProtocol

LogRequest = Callable[[dict[str, Any]], None]
#: After the application's own deadline for the body has answered 408, the connection is closed.
_BODY_SLACK_S = 1.0
_NOT_IN_TARGET = re.compile(rb"[^\x21-\x7e]")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Za-z:.%_-]+\])(?::[0-9]*)?")


@lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


class ClocheProtocol(LaneProtocol):
    """One connection. `bound` makes the class for one server."""

    write_log: ClassVar[staticmethod[[dict[str, Any]], None]]
    open_from: ClassVar[Counter[str]]  #: connections by address

    @classmethod
    def bound(
        cls, gate: Gate, limits: ServerConfig, log_request: LogRequest, express: Express | None = None
    ) -> type[ClocheProtocol]:
        """The class of one server's connections; under a root path there is no express lane."""
        bound = {
            "gate": gate,
            "limits": limits,
            "write_log": staticmethod(log_request),
            "open_from": Counter(),
            "express": None if limits.root_path else express,
        }
        return type("BoundProtocol", (cls,), bound)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.url = b""  # uvicorn sets it when a request begins; we may refuse before that
        self._in_head = True  # no body byte is expected before the next head is complete
        self._head_began = False  # at least one byte of it has come
        self._head_bytes = 0
        self._header_bytes = 0
        self._broken: Broken | None = None
        self._counted: str | None = None
        self._raw_body_left: int | None = None  # after an upgrade request: its body, which the parser leaves to us

    # -- the connection -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._certificate = tls.subject_of(transport.get_extra_info("peercert"))
        self._arm(self.limits.header_timeout_s)
        self._check_count()

    def _check_count(self) -> None:
        """Named proxies carry many callers, so theirs are not counted."""
        most, peer = self.limits.max_connections_per_client, self.client[0] if self.client else None
        if not most or peer in self.gate.proxies:
            return
        self._counted = peer or ""
        self.open_from[self._counted] += 1
        count = self.open_from[self._counted]
        if count > most:
            self._refuse(Broken(429, f"connections: at most {most} from one address, this is number {count}"))

    def _uncount(self) -> None:
        if self._counted is not None:
            self.open_from[self._counted] -= 1
            if not self.open_from[self._counted]:
                del self.open_from[self._counted]
            self._counted = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._lane is not None:
            self._lane.disconnected = True
            self._give_up(None)
        self._uncount()
        for cycle in self._cycles:  # uvicorn tells the last one only, and the others write to a closed connection
            cycle.disconnected = True
            cycle.message_event.set()
        self._cycles.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._broken is not None or self.transport.is_closing():
            return
        self._idle_since = None
        if self._raw_body_left is not None:
            self._take_raw_body(data)
            return
        alone = self._in_head and not self._head_began and self._idle()
        if alone and self._takes_known(data):
            return
        if self._in_head:
            self._begin_head()
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
            self._set_timer()
        except httptools.HttpParserUpgrade as exc:
            self._take_raw_body(data[exc.args[0] :])
        except httptools.HttpParserError as exc:
            self._refuse(reason_of(exc))
        else:
            if self._lane is not None:
                self._packet_ended(self._lane, data if alone else b"")
            if self._in_head and self._head_bytes > self.limits.max_header_bytes + self.limits.max_url_bytes:
                self._refuse(Broken(431, f"headers: at most {self.limits.max_header_bytes} bytes, got more"))

    # -- the parser ---------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self._header_bytes = 0
        if not self._in_head:  # pipelined: its head came in the packet of the one before
            self._in_head, self._head_bytes = True, 0
        self._begin_head()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.limits.max_url_bytes:
            raise Broken(414, f"URL: at most {self.limits.max_url_bytes} bytes, got {len(self.url)} or more")
        if _NOT_IN_TARGET.search(url):
            raise Broken(400, "URL: expected visible ASCII, the rest percent-encoded")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value) + 4
        if self._header_bytes > self.limits.max_header_bytes:
            raise Broken(431, f"headers: at most {self.limits.max_header_bytes} bytes, got more")
        if not self._in_head:
            return  # a trailer: counted, never mixed into the headers
        if len(self.headers) >= self.limits.max_headers:
            raise Broken(431, f"headers: at most {self.limits.max_headers}, got more")
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise Broken(505, "HTTP/1.0 and HTTP/1.1 are spoken here")
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) > 1 or (not hosts and version == "1.1"):
            raise Broken(400, f"expected exactly one Host header, got {len(hosts)}")
        if hosts and not _is_host(hosts[0]):
            raise Broken(400, "Host: expected a name or an address, and a port")
        self._check_coding(version)
        if self.parser.should_upgrade() and value_of(self.headers, b"transfer-encoding") is not None:
            raise Broken(411, "a request that asks for another protocol has to say its Content-Length")
        self._in_head, self._head_began = False, False
        while self._cycles and self._cycles[0].response_complete:
            self._cycles.popleft()
        if self._takes_express(version):
            self._lane = ExpressCycle(self, keep_alive=self.parser.should_keep_alive(), scheme=self._express_scheme())
            self.cycle = self._lane  # type: ignore[assignment]
            self._due_s = self.limits.body_timeout_s
        else:
            self._lane = None
            self._due_s = self.limits.body_timeout_s + _BODY_SLACK_S
            self._make_scope()
            super().on_headers_complete()
        self._cycles.append(self.cycle)

    def _make_scope(self) -> None:
        """What ASGI is told of the request; uvicorn makes it before the head is read, for every request."""
        known = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = known
        self.scope["headers"] = self.headers
        if self._certificate is not None:
            self.scope["extensions"] = {"tls": {"client_cert_name": self._certificate}}

    def _takes_express(self, version: str) -> bool:
        """Only where nothing else is going on here: answers leave in the order of their requests."""
        return (
            self.express is not None
            and version == "1.1"
            and self._idle()
            and not self.parser.should_upgrade()
            and self.express.takes(self.parser.get_method(), self.url, self.headers)
        )

    def _check_coding(self, version: str) -> None:
        """A body comes whole or in chunks; whatever else a proxy might read otherwise than we do."""
        coding = value_of(self.headers, b"transfer-encoding")
        if coding is not None and (version == "1.0" or coding.strip().lower() != b"chunked"):
            raise Broken(400, "Transfer-Encoding: expected 'chunked', in HTTP/1.1")

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            self._ignore_upgrade()
            return
        self._in_head, self._head_bytes, self._head_began = True, 0, False
        self._due_s = None
        self._disarm()
        lane = self._lane
        if lane is not None:
            if lane.more_body and not lane.disconnected:
                self._ask(lane)
            return
        super().on_message_complete()

    def on_body(self, body: bytes) -> None:
        if self._lane is not None:
            if self._lane.more_body and not self._lane.response_complete:
                self._lane.body += body
        else:
            super().on_body(body)

    # -- deadlines ----------------------------------------------------------------------------------

    def _begin_head(self) -> None:
        if not self._head_began:
            self._head_began = True
            self._disarm()
            self._due_s = self.limits.header_timeout_s

    def _too_slow(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        lane = self._lane
        if lane is not None and lane.more_body and not lane.response_complete:
            self._give_up(RequestTimeoutError(f"body: not complete after {self.limits.body_timeout_s:g} s"))
        elif self._busy() and self._in_head:  # we stopped reading while an earlier request is answered
            self._arm(self.limits.header_timeout_s)
        elif self._in_head and self._head_began:
            self._refuse(Broken(408, f"headers: not complete after {self.limits.header_timeout_s:g} s"))
        else:
            self.transport.close()

    # -- upgrades -----------------------------------------------------------------------------------

    def _ignore_upgrade(self) -> None:
        """
        Another protocol is asked for: the request is answered as it stands, and the connection closed.

        Java's HttpClient asks for h2c with every request; the parser then stops before the body.
        """
        self.cycle.keep_alive = False
        self._raw_body_left = int(value_of(self.headers, b"content-length") or b"0")

    def _take_raw_body(self, data: bytes) -> None:
        left = self._raw_body_left or 0
        self.cycle.body += data[:left]
        self._raw_body_left = max(0, left - len(data))
        if self._raw_body_left == 0:
            self.cycle.more_body = False
            self._disarm()
        self.cycle.message_event.set()

    # -- refusals -----------------------------------------------------------------------------------

    def _busy(self) -> bool:
        """Whether an answer is still to be written on this connection."""
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, broken: Broken) -> None:
        self._broken = broken
        self._disarm()
        if self._busy() and not self._abandoned():  # never between the parts of another answer: we close after it
            self._leave_out_the_broken()
            self.cycle.keep_alive = False
            return
        now = time.monotonic()
        peer = self._peer()
        name = problems.NAMES.get(broken.status) or NAMES[broken.status]
        refused = self.gate.refuse(self._head(), peer, now, broken.status, broken.message, name)
        body = refused.body()
        extra = [*self.server_state.default_headers, *encoded(self.gate.cors.headers(refused.head.headers))]
        if broken.status == 429:
            extra.append((b"retry-after", b"1"))
        self.transport.write(answer_bytes(broken.status, body, refused.request_id, extra))
        self.transport.close()
        self.write_log(self.gate.finish(refused, broken.status, len(body), now))

    def _abandoned(self) -> bool:
        """Give up the request whose body is broken, if nothing of any answer was written yet and none is before it."""
        if self.pipeline or self.cycle.response_started or not self.cycle.more_body:
            return False
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        self._give_up(None)
        return True

    def _leave_out_the_broken(self) -> None:
        """A request that waits its turn and whose body is broken is not answered: the one before it is the last."""
        if self.pipeline and self.cycle.more_body:
            self.pipeline.popleft()
            self._cycles.pop()
            self.cycle = self._cycles[-1]  # type: ignore[assignment]

    def _head(self) -> Head:
        """As much of the request as is known: enough for a log line."""
        method = self.parser.get_method().decode("ascii") if self.url else "?"
        path = (self.url or b"").partition(b"?")[0][:256].decode("latin-1")
        return Head.of(method, path or "?", b"", self.headers or [], self._certificate)
