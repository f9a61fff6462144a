"""
Who and what is let in on the management port. Pure: no socket, no clock, no framework.

In this order: the path, the method, the Origin, the Host, the key or the cookie, the kind of a write.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from cloche.errors import ForbiddenError, NotFoundError, RequestError, UnauthorizedError, UnsupportedMediaTypeError
from cloche.web.gate import Authenticate, Caller
from cloche.web.head import Head, is_loopback_name, token_of

_READ = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Place:
    """A path; *scope* is what a key needs for it, none where it is open."""

    name: Literal[
        "home", "status", "metrics", "health", "login", "logout", "static",
        "model", "field", "alert", "document", "routes", "promote", "rollback",
    ]  # fmt: skip
    methods: tuple[str, ...] = _READ
    scope: str | None = None


PLACES: Mapping[str, Place] = {
    "/": Place("home", scope="view"),
    "/status": Place("status", scope="view"),
    "/metrics": Place("metrics", scope="metrics"),
    "/health": Place("health"),
    "/login": Place("login", ("GET",)),
    "/logout": Place("logout", ("POST",), scope="view"),
}
#: Beneath `/models/NAME`; the scope has to hold for that model.
OF_A_MODEL: Mapping[str, Place] = {
    "": Place("model", scope="view"),
    "/field": Place("field", scope="view"),
    "/alert": Place("alert", scope="view"),
    "/document": Place("document", scope="view"),
    "/routes": Place("routes", scope="view"),
    "/promote": Place("promote", ("POST",), scope="manage"),
    "/rollback": Place("rollback", ("POST",), scope="manage"),
}
_STATIC = Place("static")
_FILE = re.compile(r"/static/[A-Za-z0-9._-]{1,64}")
_MODEL = re.compile(r"/models/([a-z0-9][a-z0-9._-]{0,63})(|/[a-z]{1,16})")
#: What tells a stranger nothing: asked for by probes under any name, and by the page before anybody signed in.
_OPEN_TO_ANY_HOST = ("health", "static")


@dataclass(frozen=True, slots=True)
class Entered:
    """
    A request that may go on: where to, and by whom. No caller and no session where the place is open; *model* where it
    is about one.
    """

    place: Place
    caller: Caller | None = None
    session: str | None = None
    model: str | None = None

    def may(self, scope: str, model: str) -> bool:
        """Whether who asks may do *scope* on *model*; who has signed in may do everything."""
        return self.session is not None or (self.caller is not None and self.caller.allows(scope, model))


class MethodError(RequestError):
    """The place knows no such method."""

    def __init__(self, head: Head, allowed: tuple[str, ...]) -> None:
        self.allowed = ", ".join(allowed)
        super().__init__(f"{head.method[:16]} is not allowed on {head.path[:256]}; allowed: {self.allowed}")


class Door:
    """
    The rules of one management port.

    *host* is the address it listens on, *cookie* the name of its cookie, *signed_in* says whether a cookie's value
    is that of a session.
    """

    def __init__(self, *, host: str, cookie: str, authenticate: Authenticate, signed_in: Callable[[str], bool]) -> None:
        self._host = host.strip("[]").lower()
        self._cookie = cookie
        self._authenticate = authenticate
        self._signed_in = signed_in

    def enter(self, head: Head) -> Entered:
        """
        Let the request in.

        Raises:
            NotFoundError, MethodError: there is no such place, or not for this method.
            ForbiddenError: another origin, another host, or a key without the scope.
            UnauthorizedError: neither a valid key nor a session.
            UnsupportedMediaTypeError: a write that is no JSON.
        """
        place, model = _place_of(head.path)
        if place is None:
            raise NotFoundError(f"nothing is at {head.path[:256]}; see /")
        if head.method not in place.methods:
            raise MethodError(head, place.methods)
        _check_origin(head)
        entered = self._who(head, place, model)
        if place.methods == ("POST",):
            _check_write(head, entered)
        return entered

    def _who(self, head: Head, place: Place, model: str | None) -> Entered:
        caller = self._caller(head) if place.scope else None
        # No page in a browser can know a key, so a caller with one may use whatever name we are reached by.
        if caller is None and place.name not in _OPEN_TO_ANY_HOST and not self._is_ours(head.headers.get("host", "")):
            raise ForbiddenError(
                "without a key only a loopback name or the address of this port is answered; "
                "the Host header names another one"
            )
        if place.scope is None:
            return Entered(place)
        if caller is not None:
            if not caller.allows(place.scope, model):
                of = "" if model is None or not caller.allows(place.scope) else f" for the model '{model}'"
                raise ForbiddenError(f"the key lacks the scope '{place.scope}'{of}")
            return Entered(place, caller, model=model)
        session = self._session(head)
        if session is None:
            raise UnauthorizedError(
                f"sign in with the address that was printed at the start, or send a key with the scope '{place.scope}'"
            )
        return Entered(place, session=session, model=model)

    def _caller(self, head: Head) -> Caller | None:
        """Who the key of the request is; None where it has none."""
        token = token_of(head)
        if token is None:
            return None
        caller = self._authenticate(token)
        if caller is None:
            raise UnauthorizedError("the key is not valid: unknown, expired or revoked")
        return caller

    def _session(self, head: Head) -> str | None:
        for part in head.headers.get("cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == self._cookie and self._signed_in(value):
                return value
        return None

    def _is_ours(self, host: str) -> bool:
        """A loopback name, the address we listen on; a bare address where others may reach us: no DNS made it up."""
        if is_loopback_name(host):
            return True
        name = _name_of(host)
        return bool(name) and (name == self._host or (not _is_loopback(self._host) and _is_address(name)))


def _place_of(path: str) -> tuple[Place | None, str | None]:
    """The place at *path*, and the model that it is about."""
    found = _MODEL.fullmatch(path)
    if found is not None:
        return OF_A_MODEL.get(found[2]), found[1]
    return (_STATIC if _FILE.fullmatch(path) else PLACES.get(path)), None


def _check_origin(head: Head) -> None:
    """A page of another origin must not even read through us; browsers say where a page is from."""
    origin = head.headers.get("origin")
    if origin is not None and not same_origin(origin, head.headers.get("host", "")):
        raise ForbiddenError("no page of another origin may call; the Origin header names another one")


def _check_write(head: Head, entered: Entered) -> None:
    if head.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaTypeError("Content-Type: expected application/json")
    if entered.session is not None and "origin" not in head.headers:
        raise ForbiddenError("a write of a signed-in browser needs its Origin header")


def same_origin(origin: str, host: str) -> bool:
    """Whether *origin* is a page that came from *host*, port and all."""
    try:
        parts = urlsplit(origin)
    except ValueError:  # half an IPv6 address
        return False
    return parts.scheme in ("http", "https") and bool(host) and parts.netloc.lower() == host.lower()


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return is_loopback_name(f"[{host}]" if ":" in host else host)
