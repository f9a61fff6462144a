"""Who is let in on the management port: an attack table, and what a session is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from cloche.errors import ClocheError
from cloche.web import problems
from cloche.web.head import Head
from cloche.web.management.door import PLACES, Door, MethodError, same_origin
from cloche.web.management.sessions import SESSION_LIFE_S, TOKEN_LIFE_S, Sessions

HOST = {"host": "127.0.0.1:8001"}
ORIGIN = {"origin": "http://127.0.0.1:8001"}
JSON = {"content-type": "application/json"}
COOKIE = {"cookie": "theme=dark; cloche-8001=good"}


@dataclass
class Key:
    id: str
    scopes: tuple[str, ...]

    def allows(self, scope: str, model: str | None = None) -> bool:
        return scope in self.scopes


KEYS = {name: Key(name, (name,)) for name in ("view", "metrics", "predict")}


def key(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {name}"}


def door(host: str = "127.0.0.1") -> Door:
    return Door(host=host, cookie="cloche-8001", authenticate=KEYS.get, signed_in=lambda secret: secret == "good")


def outcome(path: str, headers: dict[str, str], method: str = "GET", host: str = "127.0.0.1") -> int:
    try:
        door(host).enter(Head(method, path, "", headers))
    except MethodError:
        return 405
    except ClocheError as exc:
        return problems.status_of(exc)[0]
    return 200


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        pytest.param("/", HOST, 401, id="nobody"),
        pytest.param("/status", HOST, 401, id="nobody-json"),
        pytest.param("/metrics", HOST, 401, id="nobody-metrics"),
        pytest.param("/health", HOST, 200, id="health-is-open"),
        pytest.param("/health", {"host": "10.1.2.3:8001"}, 200, id="probes-use-any-name"),
        pytest.param("/login", HOST, 200, id="login-is-open"),
        pytest.param("/login", {"host": "evil.example:8001"}, 403, id="login-by-a-rebound-name"),
        pytest.param("/wp-login.php", HOST, 404, id="nowhere"),
        pytest.param("/static/../app.py", HOST, 404, id="static-has-no-folders"),
        pytest.param("/", HOST | COOKIE, 200, id="cookie"),
        pytest.param("/metrics", HOST | COOKIE, 200, id="cookie-metrics"),
        pytest.param("/", HOST | {"cookie": "cloche-8001=bad"}, 401, id="wrong-cookie"),
        pytest.param("/", HOST | {"cookie": "cloche-8002=good"}, 401, id="cookie-of-another-server"),
        pytest.param(
            "/", HOST | {"cookie": "cloche-8001=bad; cloche-8001=good"}, 200, id="a-tossed-cookie-beside-ours"
        ),
        pytest.param("/", HOST | {"cookie": "{;;=;cloche-8001=good"}, 200, id="odd-cookies-of-others"),
        pytest.param("/", {"host": "evil.example:8001"} | COOKIE, 403, id="cookie-by-a-rebound-name"),
        pytest.param("/", {"host": "127.0.0.1.evil.example"} | COOKIE, 403, id="nearly-loopback"),
        pytest.param("/", {"host": "localhost.evil.example"} | COOKIE, 403, id="nearly-localhost"),
        pytest.param("/", {"host": "10.1.2.3:8001"} | COOKIE, 403, id="another-address-than-ours"),
        pytest.param("/", {"host": ""} | COOKIE, 403, id="empty-host"),
        pytest.param("/", {"host": "[::1"} | COOKIE, 403, id="half-an-address"),
        pytest.param("/", {"host": "LOCALHOST:8001"} | COOKIE, 200, id="localhost"),
        pytest.param("/", {"host": "[::1]:8001"} | COOKIE, 200, id="ipv6-loopback"),
        pytest.param("/", HOST | COOKIE | {"origin": "http://evil.example"}, 403, id="foreign-origin"),
        pytest.param("/", HOST | COOKIE | {"origin": "null"}, 403, id="origin-null"),
        pytest.param("/", HOST | COOKIE | {"origin": "http://127.0.0.1:8000"}, 403, id="origin-of-the-data-port"),
        pytest.param("/", HOST | COOKIE | {"origin": "http://["}, 403, id="broken-origin"),
        pytest.param("/metrics", HOST | key("metrics") | {"origin": "http://evil.example"}, 403, id="key-and-origin"),
        pytest.param("/metrics", HOST | key("metrics"), 200, id="key"),
        pytest.param("/metrics", HOST | {"x-api-key": "metrics"}, 200, id="key-in-the-other-header"),
        pytest.param("/metrics", {"host": "cloche.prod.svc:8001"} | key("metrics"), 200, id="key-by-a-service-name"),
        pytest.param("/metrics", HOST | key("view"), 403, id="key-without-the-scope"),
        pytest.param("/status", HOST | key("view"), 200, id="view"),
        pytest.param("/", HOST | key("predict"), 403, id="predict-may-not-look"),
        pytest.param("/", HOST | COOKIE | key("wrong"), 401, id="a-wrong-key-is-not-saved-by-a-cookie"),
        pytest.param("/", {"host": "evil.example"} | key("wrong"), 401, id="a-wrong-key-by-any-name"),
    ],
)
def test_reads(path: str, headers: dict[str, str], status: int) -> None:
    assert outcome(path, headers) == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param(HOST | COOKIE | ORIGIN | JSON, 200, id="our-page"),
        pytest.param(HOST | COOKIE | ORIGIN | {"content-type": "Application/JSON; charset=utf-8"}, 200, id="charset"),
        pytest.param(HOST | COOKIE | ORIGIN, 415, id="no-type"),
        pytest.param(
            HOST | COOKIE | ORIGIN | {"content-type": "application/x-www-form-urlencoded"}, 415, id="a-plain-form"
        ),
        pytest.param(HOST | COOKIE | ORIGIN | {"content-type": "text/plain"}, 415, id="text"),
        pytest.param(HOST | COOKIE | JSON, 403, id="cookie-without-origin"),
        pytest.param(HOST | COOKIE | JSON | {"origin": "http://evil.example"}, 403, id="foreign-origin"),
        pytest.param(HOST | COOKIE | JSON | {"origin": "https://localhost:8001"}, 403, id="another-name-of-ours"),
        pytest.param(HOST | ORIGIN | JSON, 401, id="nobody"),
        pytest.param(HOST | key("view") | JSON, 200, id="key"),
        pytest.param(HOST | key("view"), 415, id="key-without-type"),
    ],
)
def test_writes(headers: dict[str, str], status: int) -> None:
    assert outcome("/logout", headers, "POST") == status


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/"), ("DELETE", "/status"), ("GET", "/logout"), ("HEAD", "/login"), ("PUT", "/metrics")],
)
def test_other_methods_are_refused(method: str, path: str) -> None:
    assert outcome(path, HOST | COOKIE, method) == 405


@pytest.mark.parametrize(
    ("bound", "host", "status"),
    [
        pytest.param("0.0.0.0", "10.1.2.3:8001", 200, id="any-address-where-all-are-listened-on"),
        pytest.param("::", "[2001:db8::1]:8001", 200, id="ipv6"),
        pytest.param("0.0.0.0", "evil.example", 403, id="no-name"),
        pytest.param("cloche.internal", "cloche.internal:8001", 200, id="the-name-that-was-bound"),
        pytest.param("192.0.2.7", "192.0.2.7:8001", 200, id="the-address-that-was-bound"),
    ],
)
def test_hosts_where_others_may_reach_us(bound: str, host: str, status: int) -> None:
    assert outcome("/", {"host": host} | COOKIE, host=bound) == status


def test_every_place_but_three_asks() -> None:
    assert {place.name for place in PLACES.values() if place.scope is None} == {"health", "login"}


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://127.0.0.1:8001", "127.0.0.1:8001", True),
        ("HTTP://LocalHost:8001", "localhost:8001", True),
        ("http://127.0.0.1:8001", "", False),
        ("file://", "", False),
        ("ftp://127.0.0.1:8001", "127.0.0.1:8001", False),
        ("http://a@127.0.0.1:8001", "127.0.0.1:8001", False),
    ],
)
def test_same_origin(origin: str, host: str, same: bool) -> None:
    assert same_origin(origin, host) is same


class TestSessions:
    def test_the_token_opens_one_session_once(self) -> None:
        sessions = Sessions(0.0, token="t")
        assert sessions.redeem("other", 1.0) is None
        secret = sessions.redeem("t", 1.0)
        assert secret is not None
        assert len(secret) == 43
        assert sessions.known(secret, 2.0)
        assert sessions.redeem("t", 2.0) is None
        assert not sessions.known("t", 2.0)

    def test_it_is_good_for_ten_minutes(self) -> None:
        assert Sessions(0.0, token="t").redeem("t", TOKEN_LIFE_S) is None
        assert Sessions(0.0, token="t").redeem("t", TOKEN_LIFE_S - 1) is not None

    def test_a_session_ends_by_itself_and_by_signing_out(self) -> None:
        sessions = Sessions(0.0, token="t")
        secret = sessions.redeem("t", 0.0) or ""
        assert sessions.known(secret, SESSION_LIFE_S - 1)
        assert not sessions.known(secret, SESSION_LIFE_S)
        sessions.end(secret)
        assert not sessions.known(secret, 1.0)

    @pytest.mark.parametrize("odd", ["", "\udcff", "t" * 100_000, "t\x00"])
    def test_odd_tokens(self, odd: str) -> None:
        sessions: Any = Sessions(0.0, token="t")
        assert sessions.redeem(odd, 1.0) is None
        assert not sessions.known(odd, 1.0)

    def test_tokens_are_drawn(self) -> None:
        urls = {Sessions(0.0).login_url("http://h") for _ in range(3)}
        assert len(urls) == 3
        assert all(url.startswith("http://h/login?token=") and len(url) == 64 for url in urls)
