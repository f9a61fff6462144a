"""
Who and what is let in, and what is logged when it has been answered. Pure: no socket, no clock, no framework.

The ASGI application and the connection class are adapters of a few lines; every decision stands here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, Protocol

import msgspec

from cloche import rates
from cloche.errors import (
    ClocheError,
    DrainingError,
    ForbiddenError,
    OverloadedError,
    RateLimitedError,
    RequestError,
    TooLargeError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
)
from cloche.rates import Rate
from cloche.web import problems, routes
from cloche.web.buckets import Buckets, OwnBuckets
from cloche.web.cors import Cors
from cloche.web.forwarded import Proxies
from cloche.web.head import Head, is_loopback_name, netloc_of, token_of
from cloche.web.routes import Target
from cloche.web.traces import Trace, Traces

_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,128}")
_PATH_LOGGED = 512
#: What a server that is shutting down still answers: its health is asked for until the end.
_ALWAYS = ("live", "health", "ready", "ping")
#: What is answered however many requests are in flight.
_UNCOUNTED = frozenset({*_ALWAYS, "preflight"})
#: Refused after the gate let it in: the model that was meant is known only then.
_LATE = frozenset({401, 403, 429})


class Caller(Protocol):
    """A valid key: who calls, and what the key is for."""

    @property
    def id(self) -> str: ...
    @property
    def rate(self) -> str | None: ...
    def allows(self, scope: str, model: str | None = None) -> bool: ...


#: Whose key a text is.
Authenticate = Callable[[str], Caller | None]


#: Who sends a request, or None: one way to say who you are.
Authenticator = Callable[[Head], Caller | None]


def by_key(authenticate: Authenticate) -> Authenticator:
    """Callers that send an API key."""

    def who(head: Head) -> Caller | None:
        token = token_of(head)
        return None if token is None else authenticate(token)

    return who


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """A request that may go on: where to, by whom, under which id."""

    request_id: str
    client_request_id: str | None
    head: Head
    peer: str | None
    target: Target
    caller: Caller | None
    started: float
    close: bool = False  #: answer with `Connection: close`: the server is leaving
    trace: Trace | None = None

    def may_see(self, model: str) -> bool:
        """Whether the caller's key covers *model* (without keys everybody sees all)."""
        return self.caller is None or _allows(self.caller, self.target.route.scopes, model)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is answered at once: the status, the error's name, what helps."""

    request_id: str
    client_request_id: str | None
    head: Head
    peer: str | None
    started: float
    status: int
    error: str
    message: str
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False
    key: str | None = None
    trace: Trace | None = None
    dialect: str | None = None

    def body(self) -> bytes:
        return problems.body(self.status, self.error, self.message, self.request_id, dialect=self.dialect)


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What the answering added: for the log line only."""

    model: str | None = None
    version: int | None = None
    contract: int | None = None
    rows: int | None = None
    error: str | None = None
    bytes_in: int | None = None
    engine: str | None = None
    why: str | None = None  #: what the caller was told, for the audit line of a late refusal


_NO_FACTS = Facts()


class Gate:
    """
    The rules of one server.

    *authenticators* are asked in turn who calls; None where nobody is asked, and an empty list lets nobody in. Where
    nobody is asked `Host` has to be a loopback name if *loopback*, and a browser's `Origin` this server itself or one
    of *cors*; *dialects* are those whose paths lead somewhere. A mounted application passes
    `guard_host=False`: the program around it decides who comes in.
    """

    def __init__(
        self,
        *,
        new_id: Callable[[], str],
        authenticators: Sequence[Authenticator] | None = None,
        max_body_bytes: int = 2_000_000,
        max_in_flight: int = 1_000,
        loopback: bool = True,
        guard_host: bool = True,
        buckets: Buckets | None = None,
        model_rates: Mapping[str, Rate] | None = None,
        cors: Cors | None = None,
        proxies: Proxies | None = None,
        traces: Traces | None = None,
        dialects: frozenset[str] = frozenset(),
    ) -> None:
        self._new_id = new_id
        self._authenticators = authenticators
        self._max_body_bytes = max_body_bytes
        self._max_in_flight = max_in_flight
        self._in_flight = 0
        self._buckets = OwnBuckets() if buckets is None else buckets
        self._model_rates = model_rates or {}
        self.cors = cors or Cors()
        self.proxies = proxies or Proxies()
        self._traces = traces
        self._dialects = dialects
        self._loopback = loopback
        self._guard_host = guard_host
        #: `leaving`: still answering, each connection for the last time; `closed`: refusing.
        self.phase: Literal["serving", "leaving", "closed"] = "serving"

    @property
    def keys_required(self) -> bool:
        return self._authenticators is not None

    @property
    def max_body_bytes(self) -> int:
        return self._max_body_bytes

    def admit(self, head: Head, peer: str | None, now: float, leads_to: Target | None = None) -> Admitted | Refusal:
        """
        Let the request in, or say with which status it is refused; `leave` is to follow.

        *leads_to* is what the method of that name has said of this head before.
        """
        request_id, known, close = self._new_id(), _client_id(head), self.phase != "serving"
        target, caller = leads_to or _NOWHERE, None
        trace = None if self._traces is None else self._traces.begin(head)
        try:
            if leads_to is None:
                self._check_origin(head)
                target = routes.of(head.path, head.headers.get("x-api-version"), self._dialects)
            if self.phase == "closed" and target.route.name not in _ALWAYS:
                raise DrainingError("the server is shutting down")
            if leads_to is None and self.cors.asks(head.method, head.headers):
                target = self._preflight(head, target)
            elif head.method not in target.route.methods:
                return _wrong_method(Admitted(request_id, known, head, peer, target, None, now, close, trace))
            else:
                caller = self._who(head, target)
                self._check_caller(caller, target, now)
                if leads_to is None:
                    self._check_body(head)
                self._enter(target)
        except ClocheError as exc:
            return refusal(Admitted(request_id, known, head, peer, target, caller, now, close, trace), exc)
        return Admitted(request_id, known, head, peer, target, caller, now, close, trace)

    def leads_to(self, head: Head) -> Target | None:
        """Where *head* leads, if nothing but caller, time and load can keep it out; None where something can."""
        try:
            self._check_origin(head)
            self._check_body(head)
            found = routes.of(head.path, head.headers.get("x-api-version"), self._dialects)
        except ClocheError:
            return None
        return None if self.cors.asks(head.method, head.headers) else found

    def leave(self, verdict: Admitted | Refusal) -> None:
        """The request is answered, or given up: another may take its place."""
        if isinstance(verdict, Admitted) and verdict.target.route.name not in _UNCOUNTED:
            self._in_flight -= 1

    def take_of_model(self, model: str, now: float) -> None:
        """
        Count a request that is for *model*, which a path need not name.

        Raises:
            RateLimitedError: it takes no more for now.
        """
        rate = self._model_rates.get(model) or self._model_rates.get("*")
        if rate is not None:
            self._take(f"model:{model}", rate, f"model '{model}'", now)

    def refuse(self, head: Head, peer: str | None, now: float, status: int, message: str, name: str) -> Refusal:
        """A refusal that the connection decided on: a broken head, a limit, a deadline."""
        return Refusal(self._new_id(), _client_id(head), head, peer, now, status, name, message, close=True)

    def finish(
        self, request: Admitted | Refusal, status: int, bytes_out: int, now: float, facts: Facts | None = None
    ) -> dict[str, Any]:
        """The log record of an answered request: no values, no key, no query."""
        known = facts or _NO_FACTS
        error: str | None
        key: str | None
        why: str | None
        if isinstance(request, Refusal):
            error, key, why = known.error or request.error, request.key, request.message
        else:
            error, key = known.error, None if request.caller is None else request.caller.id
            why = (known.why or error) if status in _LATE else None
        record = _asked(request, key)
        record["status"] = status
        record["ms"] = int((now - request.started) * 1e6 + 0.5) / 1000  # `round` to three digits takes 0.4 us
        if error is not None:
            record["error"] = error
        if why is not None:
            record["refused"] = why
        record |= _told(known)
        record["bytes_out"] = bytes_out
        return record

    def _check_origin(self, head: Head) -> None:
        """Without keys a web page must not reach us: neither by a rebound name nor from another origin."""
        if self.keys_required or not self._guard_host:
            return
        host = head.headers.get("host", "")
        if self._loopback and host and not is_loopback_name(host):
            raise ForbiddenError("without keys only a loopback name is answered; the Host header names another one")
        origin = head.headers.get("origin")
        if origin is not None and netloc_of(origin) != host.lower() and not self.cors.allows(origin):
            raise ForbiddenError("without keys no page of another origin may call; the Origin header names another one")

    def _preflight(self, head: Head, target: Target) -> Target:
        if not self.cors.allows(head.headers["origin"]):
            raise ForbiddenError("no page of this origin may call; see the server's setting 'cors_origin'")
        return Target(replace(_PREFLIGHT, methods=target.route.methods))

    def _who(self, head: Head, target: Target) -> Caller | None:
        if self._authenticators is None or not target.route.scopes:
            return None
        for authenticator in self._authenticators:
            caller = authenticator(head)
            if caller is not None:
                return caller
        if token_of(head) is None:
            raise UnauthorizedError("a key is needed: send 'Authorization: Bearer KEY' or 'X-API-Key: KEY'")
        raise UnauthorizedError("the key is not valid: unknown, expired or revoked")

    def _check_caller(self, caller: Caller | None, target: Target, now: float) -> None:
        if caller is None:
            return
        model, scopes = target.model, target.route.scopes
        if not _allows(caller, scopes, model):
            wanted = " or ".join(f"'{scope}'" for scope in scopes)
            there = "" if model is None else f" for model '{model}'"
            raise ForbiddenError(f"the key lacks the scope {wanted}{there}")
        if caller.rate is not None:
            self._take(f"key:{caller.id}", rates.parse(caller.rate), f"key '{caller.id}'", now)

    def _take(self, name: str, rate: Rate, whose: str, now: float) -> None:
        wait_s = self._buckets.take(name, rate, now)
        if wait_s > 0:
            exc = RateLimitedError(f"{whose}: at most {rate} on this host; try again in {wait_s:.3g} s")
            exc.retry_after_s = wait_s
            raise exc

    def _enter(self, target: Target) -> None:
        if target.route.name in _UNCOUNTED:
            return
        if self._in_flight >= self._max_in_flight:
            raise OverloadedError(f"requests in flight: at most {self._max_in_flight}, and {self._in_flight} are")
        self._in_flight += 1

    def _check_body(self, head: Head) -> None:
        given = head.headers.get("content-encoding")
        encoding = "" if given is None else given.strip().lower()
        if encoding not in ("", "identity"):
            raise UnsupportedMediaTypeError(f"Content-Encoding: send the body plain, got '{encoding[:32]}'")
        length = head.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._max_body_bytes:
            most = self._max_body_bytes
            raise TooLargeError(f"body: at most {most} bytes, got {length[:20]}; send fewer rows a request")


_NOWHERE = Target(routes.Route("none", re.compile("")))
_PREFLIGHT = routes.Route("preflight", re.compile(""))


def _allows(caller: Caller, scopes: Sequence[str], model: str | None) -> bool:
    """Whether one of *scopes* is the caller's."""
    for scope in scopes:  # noqa: SIM110  asked twice a request: `any` costs as much as the rest
        if caller.allows(scope, model):
            return True
    return False


def _asked(request: Admitted | Refusal, key: str | None) -> dict[str, Any]:
    """Who asked for what; written out, because it is made with each request."""
    head, record = request.head, {"request_id": request.request_id}
    if request.client_request_id is not None:
        record["client_request_id"] = request.client_request_id
    if request.trace is not None:
        record["trace_id"] = request.trace.shown
    if request.peer is not None:
        record["client"] = request.peer
    if head.certificate is not None:
        record["certificate"] = head.certificate
    if key is not None:
        record["key"] = key
    record["method"] = head.method
    record["path"] = head.path[:_PATH_LOGGED]
    return record


@lru_cache(maxsize=4096)
def _told(facts: Facts) -> dict[str, Any]:
    """What the answering added; most requests of a caller are alike."""
    names = ("model", "version", "contract", "engine", "rows", "bytes_in")
    return {name: value for name in names if (value := getattr(facts, name)) is not None}


def refusal(request: Admitted, exc: ClocheError) -> Refusal:
    """The answer that *exc* stands for."""
    status, name = problems.status_of(exc)
    return Refusal(
        request.request_id,
        request.client_request_id,
        request.head,
        request.peer,
        request.started,
        status,
        name,
        problems.message_of(exc),
        problems.extra_headers(exc),
        request.close,
        None if request.caller is None else request.caller.id,
        request.trace,
        request.target.route.dialect,
    )


def _wrong_method(request: Admitted) -> Refusal:
    allowed = ", ".join(request.target.route.methods)
    message = f"{request.head.method[:16]} is not allowed on {request.head.path[:256]}; allowed: {allowed}"
    plain = refusal(request, RequestError(message))
    return replace(plain, status=405, error=problems.NAMES[405], headers=(("allow", allowed),))


def _client_id(head: Head) -> str | None:
    """The caller's own id, where it is one that can be echoed."""
    given = head.headers.get("x-request-id")
    return given if given is not None and _CLIENT_ID.fullmatch(given) else None
