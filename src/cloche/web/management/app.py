"""
The management port as an ASGI application: the head to the door, the request to its handler, the answer to the wire.

What it shows comes from the callables it was made with: who a key is, what the server does, what was counted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import parse_qs

from cloche.dashboard import assets
from cloche.errors import (
    ClocheError,
    NotFoundError,
    RefusedError,
    RouteRaceError,
    ServingError,
    StoreError,
    UnauthorizedError,
)
from cloche.metrics import FAMILIES, OPENMETRICS, PLAIN, Samples, exposition, merge
from cloche.web import problems
from cloche.web.answer import JSON, Answer, of_json
from cloche.web.gate import Authenticate, Facts, Gate, Refusal
from cloche.web.head import Head
from cloche.web.management.door import Door, Entered, MethodError
from cloche.web.management.page import sign_in_page, status_page
from cloche.web.management.sessions import Sessions
from cloche.web.management.status import ServerStatus, document, samples_of
from cloche.web.management.watching import Watching, of_html
from cloche.web.predicting import ClientGoneError, Receive, read_body

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_log = logging.getLogger("cloche.web")
_GUARDS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
#: The closed list of files under `static/` besides the dashboard's: the package they lie in, their types.
_STATIC = {
    "management.js": ("cloche.web.management", "text/javascript; charset=utf-8"),
    "mark.svg": ("cloche.web", "image/svg+xml"),
}
#: What those who look after a server are told in full, and nobody on the data port.
_TOLD: dict[type[Exception], tuple[int, str]] = {
    RouteRaceError: (409, "RouteRace"),
    RefusedError: (409, "Refused"),
    ServingError: (503, "NotServing"),
    StoreError: (503, "StoreUnavailable"),
}
_MOST_BYTES = 4_096
_BODY_S = 10.0
_USED = "This address was used already, is too old, or is not of this server."


class ManagementApp:
    """One server's management port; made by `create`."""

    def __init__(
        self,
        *,
        gate: Gate,
        door: Door,
        sessions: Sessions,
        cookie: str,
        status: Callable[[], ServerStatus],
        counted: Callable[[], Samples],
        log_request: Callable[[dict[str, Any]], None],
        watching: Watching | None = None,
    ) -> None:
        self._gate = gate
        self._door = door
        self._sessions = sessions
        self._cookie = cookie
        self._status = status
        self._counted = counted
        self._log_request = log_request
        self._watching = watching
        self._handlers: dict[str, Callable[[Head, Entered], Answer]] = {
            "status": self._status_document,
            "metrics": self._metrics,
            "health": lambda _head, _entered: of_json({"status": "live"}),
            "login": self._login,
            "logout": self._logout,
            "static": self._static,
        }

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        now = time.monotonic()
        head = Head.of(scope["method"], scope["path"], scope["query_string"], scope["headers"])
        client = scope.get("client")
        # An id, and a line in the log, as for every request of the data port.
        request = self._gate.refuse(head, client[0] if client else None, now, 500, "", "InternalError")
        try:
            answer, told = await self._answer(head, request, receive)
        except ClientGoneError:
            return
        headers = {**answer.headers, **_GUARDS, "content-length": str(len(answer.body))}
        headers |= {"x-request-id": request.request_id}
        if self._gate.phase != "serving" or "expect" in head.headers:
            headers["connection"] = "close"
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if head.method == "HEAD" else answer.body})
        self._log_request(self._record(request, answer, told))

    def _record(self, request: Refusal, answer: Answer, told: dict[str, str]) -> dict[str, Any]:
        """The log record; *told* says whose key it was, and why it was refused."""
        record = self._gate.finish(request, answer.status, len(answer.body), time.monotonic(), answer.facts)
        for name in ("error", "refused"):
            record.pop(name, None)
        error = {} if answer.facts.error is None else {"error": answer.facts.error}
        return {**record, **error, **told, "port": "management"}

    async def _answer(self, head: Head, request: Refusal, receive: Receive) -> tuple[Answer, dict[str, str]]:
        entered: Entered | None = None
        try:
            entered = self._door.enter(head)
            answer = await self._handled(head, entered, receive)
        except ClientGoneError:
            raise
        except Exception as exc:  # noqa: BLE001  the last net: the caller learns nothing, the log everything
            told = _told(exc, entered)
            return _of_error(exc, head, request, told), {"refused": told[2]}
        if answer.facts.error is not None:
            return answer, {"refused": _USED}
        return answer, {} if entered.caller is None else {"key": entered.caller.id}

    async def _handled(self, head: Head, entered: Entered, receive: Receive) -> Answer:
        name = entered.place.name
        if name == "home":
            return await self._home(entered)
        if entered.model is None:
            return self._handlers[name](head, entered)
        if self._watching is None:
            raise NotFoundError(f"nothing is at {head.path[:256]}; see /")
        body = b"" if head.method in ("GET", "HEAD") else await read_body(receive, _MOST_BYTES, _BODY_S)
        handler: Callable[[Head, Entered, bytes], Awaitable[Answer]] = getattr(self._watching, name)
        return await handler(head, entered, body)

    def _samples(self, status: ServerStatus) -> Samples:
        return merge((self._counted(), samples_of(status)))

    async def _home(self, entered: Entered) -> Answer:
        status = self._status()
        found, trouble = None, None
        if self._watching is not None:
            try:
                found = await self._watching.overview(entered, [one.name for one in status.models])
            except StoreError as exc:
                trouble = str(exc)
        signed_in = entered.session is not None
        page = status_page(status, self._samples(status), time.time(), found, trouble=trouble, signed_in=signed_in)
        return of_html(page)

    def _status_document(self, _head: Head, _entered: Entered) -> Answer:
        status = self._status()
        return of_json(document(status, self._samples(status), time.time()))

    def _metrics(self, head: Head, _entered: Entered) -> Answer:
        openmetrics = "application/openmetrics-text" in head.headers.get("accept", "")
        body = exposition(self._samples(self._status()), openmetrics=openmetrics, families=FAMILIES)
        return Answer(200, body, {"content-type": OPENMETRICS if openmetrics else PLAIN})

    def _login(self, head: Head, _entered: Entered) -> Answer:
        token = parse_qs(head.query).get("token", [""])[0]
        secret = self._sessions.redeem(token, time.monotonic())
        if secret is None:
            return of_html(sign_in_page(_USED), 401, error="Unauthorized")
        return Answer(303, b"", {"location": "./", "set-cookie": self._set_cookie(secret)})

    def _logout(self, _head: Head, entered: Entered) -> Answer:
        if entered.session is not None:
            self._sessions.end(entered.session)
        ended = of_json({"status": "signed out"})
        return Answer(200, ended.body, {**ended.headers, "set-cookie": self._set_cookie("", "; Max-Age=0")})

    def _set_cookie(self, value: str, life: str = "") -> str:
        secure = "; Secure" if self._cookie.startswith("__Host-") else ""
        return f"{self._cookie}={value}; HttpOnly; SameSite=Strict; Path=/{life}{secure}"

    def _static(self, head: Head, _entered: Entered) -> Answer:
        name = head.path.rpartition("/")[2]
        if name in assets.ASSETS:
            return Answer(200, assets.read(name), {"content-type": assets.ASSETS[name]})
        if name not in _STATIC:
            raise NotFoundError("no such file")
        return Answer(200, _read(name), {"content-type": _STATIC[name][1]})


def create(
    *,
    gate: Gate,
    authenticate: Authenticate,
    sessions: Sessions,
    status: Callable[[], ServerStatus],
    counted: Callable[[], Samples],
    host: str,
    port: int,
    log_request: Callable[[dict[str, Any]], None],
    secure: bool = False,
    watching: Watching | None = None,
) -> ManagementApp:
    """
    The application for the management port that listens on *host* and *port*.

    *authenticate* says whose key it is, *counted* what the workers counted. *gate* gives the ids and the log
    records, and is the one that the connections are made with. *secure* where the port is spoken to over TLS.
    *watching* shows what the monitor saw.
    """
    # Cookies know no ports: a name of its own for each server on a machine.
    cookie = f"__Host-cloche-{port}" if secure else f"cloche-{port}"
    door = Door(
        host=host,
        cookie=cookie,
        authenticate=authenticate,
        signed_in=lambda secret: sessions.known(secret, time.monotonic()),
    )
    return ManagementApp(
        gate=gate,
        door=door,
        sessions=sessions,
        cookie=cookie,
        status=status,
        counted=counted,
        log_request=log_request,
        watching=watching,
    )


def _told(exc: Exception, entered: Entered | None) -> tuple[int, str, str]:
    """Status, name and words of an error; more of them for who was let in."""
    status, name = problems.status_of(exc)
    if (status, name) == problems.INTERNAL and entered is not None and isinstance(exc, ClocheError):
        status, name = next((_TOLD[kind] for kind in type(exc).__mro__ if kind in _TOLD), problems.INTERNAL)
        if (status, name) != problems.INTERNAL:
            return status, name, str(exc)
    return status, name, problems.message_of(exc)


def _of_error(exc: Exception, head: Head, request: Refusal, told: tuple[int, str, str]) -> Answer:
    status, name, words = told
    headers = dict(problems.extra_headers(exc))
    if isinstance(exc, MethodError):
        status, name, headers = 405, problems.NAMES[405], {"allow": exc.allowed}
    if (status, name) == problems.INTERNAL:
        _log.error("request %s failed: %s", request.request_id, exc, exc_info=exc)
    if isinstance(exc, UnauthorizedError) and "text/html" in head.headers.get("accept", ""):
        return of_html(
            sign_in_page("This page is for those who look after the server.", up=_up(head)), status, error=name
        )
    body = problems.body(status, name, words, request.request_id)
    return Answer(status, body, {"content-type": JSON, **headers}, Facts(error=name))


def _up(head: Head) -> str:
    """From the folder of the page to that of `/`."""
    return "../" * max(head.path.count("/") - 1, 0)


@cache
def _read(name: str) -> bytes:
    return (resources.files(_STATIC[name][0]) / "static" / name).read_bytes()
