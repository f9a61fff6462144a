"""
The closed table of paths, and what each needs. Pure: no framework, no handler.

`/v1/models/` and `/v2/models/` are reserved for other dialects. A dialect's paths are there where the server speaks it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from cloche.errors import NotFoundError, RequestError

_READ = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Route:
    """
    A path of the data port; `scopes` are the key scopes of which one is needed, none where it is open.

    `dialect` is the one that a path belongs to, and that its answers are in.
    """

    name: str
    pattern: re.Pattern[str]
    methods: tuple[str, ...] = _READ
    scopes: tuple[str, ...] = ()
    dialect: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A route and what the path named: a model, a contract number, a version, a file."""

    route: Route
    model: str | None = None
    contract: int | None = None
    version: int | None = None
    file: str | None = None


_NAME = r"(?P<model>[^/]+)"
_CONTRACT = r"v(?P<contract>[0-9]{1,9})"
_VIEW = ("predict", "view")


def _route(
    name: str,
    path: str,
    methods: tuple[str, ...] = _READ,
    scopes: tuple[str, ...] = (),
    dialect: str | None = None,
) -> Route:
    return Route(name, re.compile(path), methods, scopes, dialect)


ROUTES: tuple[Route, ...] = (
    _route("predict", rf"/(?:{_CONTRACT}/)?predict", ("POST",), ("predict",)),
    _route("predict", rf"/models/{_NAME}/(?:{_CONTRACT}/)?predict", ("POST",), ("predict",)),
    _route("predict", rf"/models/{_NAME}/versions/(?P<version>[0-9]{{1,9}})/predict", ("POST",), ("predict",)),
    _route("label", "/labels", ("POST",), ("label",)),
    _route("label", rf"/models/{_NAME}/labels", ("POST",), ("label",)),
    _route("live", "/live"),
    _route("health", "/health"),
    _route("ready", "/ready"),
    _route("metadata", "/metadata", scopes=_VIEW),
    _route("metadata", "/info", scopes=_VIEW),
    _route("models", "/models", scopes=_VIEW),
    _route("model", rf"/models/{_NAME}", scopes=_VIEW),
    _route("openapi", r"/openapi\.json", scopes=_VIEW),
    _route("docs", "/docs"),
    _route("docs_changes", "/docs/changes", scopes=_VIEW),
    _route("docs_content", "/docs/content", scopes=_VIEW),
    _route("static", r"/docs/static/(?P<file>[a-z0-9._-]{1,64})"),
    _route("home", "/"),
    _route("predict", "/invocations", ("POST",), ("predict",), dialect="mlflow"),
    _route("ping", "/ping", dialect="mlflow"),
    _route("version", "/version", dialect="mlflow"),
)


def match(path: str) -> Target | None:
    """What *path* asks for, or None."""
    for route in ROUTES:
        found = route.pattern.fullmatch(path)
        if found is not None:
            return _target(route, found.groupdict())
    return None


#: Paths that callers ask for again and again.
_match = lru_cache(maxsize=512)(match)


def of(path: str, asked: str | None, dialects: Collection[str] = ()) -> Target:
    """
    Where *path* leads at a server that speaks *dialects*, and the contract number *asked* for by `X-API-Version`.

    Raises:
        NotFoundError: nowhere.
        RequestError: the number is none, or another than the path's.
    """
    target = _match(path)
    if target is None or (target.route.dialect is not None and target.route.dialect not in dialects):
        raise NotFoundError(f"nothing is at {path[:256]}; see /docs")
    if asked is None or target.route.name != "predict":
        return target
    number = asked.strip().removeprefix("v")
    if not (number.isascii() and number.isdigit() and len(number) <= 9):
        raise RequestError(f"X-API-Version: expected a contract number such as 1, got '{asked[:32]}'")
    if target.contract not in (None, int(number)):
        raise RequestError(f"the path asks for contract {target.contract} and X-API-Version for {number}")
    return target if target.version is not None else replace(target, contract=int(number))


def template(target: Target) -> str:
    """The path with the names of what it holds in place of the values: `/models/{model}/predict`."""
    if target.route.dialect is not None:
        return target.route.pattern.pattern
    parts = {"models": target.model and "{model}", "versions": target.version and "{version}"}
    named = "".join(f"/{place}/{name}" for place, name in parts.items() if name)
    number = "" if target.contract is None else "/v{contract}"
    return f"{named}{number}/{target.route.name if target.route.name != 'label' else 'labels'}"


def _target(route: Route, named: Mapping[str, str | None]) -> Target:
    return Target(
        route,
        model=named.get("model"),
        contract=_number(named.get("contract")),
        version=_number(named.get("version")),
        file=named.get("file"),
    )


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)
