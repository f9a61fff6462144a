"""Who is let in: every rule as a row. No socket, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from cloche.web.gate import Admitted, Facts, Gate, Refusal, by_key
from cloche.web.head import Head
from simulators import ids


@dataclass(frozen=True)
class FakeKey:
    id: str
    scopes: tuple[str, ...]
    models: tuple[str, ...] = ()
    rate: str | None = None

    def allows(self, scope: str, model: str | None = None) -> bool:
        return scope in self.scopes and (model is None or not self.models or model in self.models)


KEYS = {
    "p": FakeKey("one", ("predict",)),
    "v": FakeKey("two", ("view",)),
    "m": FakeKey("three", ("metrics",)),
    "c": FakeKey("four", ("predict",), ("colours",)),
}
LOCAL = {"host": "localhost:8000"}


def gate(*, keys: bool = False, **options: Any) -> Gate:
    who = [by_key(KEYS.get)] if keys else None
    return Gate(new_id=ids(), authenticators=who, max_body_bytes=100, **options)


def admit(gate: Gate, path: str = "/predict", method: str = "POST", **headers: str) -> Admitted | Refusal:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return gate.admit(Head(method, path, "", LOCAL | named), "127.0.0.1", 1.0)


def verdict(found: Admitted | Refusal) -> str:
    return "admitted" if isinstance(found, Admitted) else f"{found.status} {found.error}"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        pytest.param("localhost", "admitted", id="localhost"),
        pytest.param("LOCALHOST:8000", "admitted", id="any-case-any-port"),
        pytest.param("model.localhost:8000", "admitted", id="below-localhost"),
        pytest.param("127.0.0.1:8000", "admitted", id="ipv4"),
        pytest.param("127.9.9.9", "admitted", id="ipv4-anywhere-in-loopback"),
        pytest.param("[::1]:8000", "admitted", id="ipv6"),
        pytest.param("evil.example", "403 Forbidden", id="rebound-name"),
        pytest.param("localhost.evil.example", "403 Forbidden", id="looks-like-localhost"),
        pytest.param("192.168.0.7:8000", "403 Forbidden", id="another-address"),
    ],
)
def test_host_without_keys(host: str, expected: str) -> None:
    assert verdict(admit(gate(), host=host)) == expected


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        pytest.param("http://localhost:8000", "admitted", id="this-server"),
        pytest.param("http://localhost:3000", "403 Forbidden", id="another-port"),
        pytest.param("https://evil.example", "403 Forbidden", id="another-site"),
        pytest.param("null", "403 Forbidden", id="a-sandboxed-page"),
        pytest.param("", "403 Forbidden", id="empty"),
        pytest.param("http://[::1", "403 Forbidden", id="half-an-ipv6-address"),
    ],
)
def test_origin_without_keys(origin: str, expected: str) -> None:
    assert verdict(admit(gate(), origin=origin)) == expected


def test_an_open_address_without_keys_takes_any_host_and_no_foreign_page() -> None:
    assert verdict(admit(gate(loopback=False), host="models.example")) == "admitted"
    assert verdict(admit(gate(loopback=False), host="models.example", origin="http://evil.example")) == "403 Forbidden"


def test_mounted_applications_leave_host_and_origin_to_their_program() -> None:
    assert verdict(admit(gate(guard_host=False), host="a.example", origin="http://b.example")) == "admitted"


@pytest.mark.parametrize(
    ("path", "method", "headers", "expected"),
    [
        pytest.param("/predict", "POST", {}, "401 Unauthorized", id="no-key"),
        pytest.param("/predict", "POST", {"authorization": "Bearer p"}, "admitted", id="bearer"),
        pytest.param("/predict", "POST", {"authorization": "bearer p"}, "admitted", id="bearer-any-case"),
        pytest.param("/predict", "POST", {"x_api_key": "p"}, "admitted", id="header"),
        pytest.param("/predict", "POST", {"authorization": "Basic p"}, "401 Unauthorized", id="another-scheme"),
        pytest.param("/predict", "POST", {"x_api_key": "x"}, "401 Unauthorized", id="unknown-key"),
        pytest.param("/predict", "POST", {"x_api_key": "v"}, "403 Forbidden", id="view-may-not-predict"),
        pytest.param("/models/colours/predict", "POST", {"x_api_key": "c"}, "admitted", id="the-keys-model"),
        pytest.param("/models/shapes/predict", "POST", {"x_api_key": "c"}, "403 Forbidden", id="another-model"),
        pytest.param("/metadata", "GET", {}, "401 Unauthorized", id="metadata-needs-a-key"),
        pytest.param("/metadata", "GET", {"x_api_key": "v"}, "admitted", id="view-may-look"),
        pytest.param("/openapi.json", "GET", {"x_api_key": "p"}, "admitted", id="predict-may-look"),
        pytest.param("/openapi.json", "GET", {"x_api_key": "m"}, "403 Forbidden", id="metrics-may-not"),
        pytest.param("/live", "GET", {}, "admitted", id="live-is-open"),
        pytest.param("/ready", "GET", {}, "admitted", id="ready-is-open"),
        pytest.param("/health", "GET", {}, "admitted", id="health-is-open"),
        pytest.param("/docs", "GET", {}, "admitted", id="the-page-is-open"),
        pytest.param("/docs/static/docs.css", "GET", {}, "admitted", id="its-files-are-open"),
        pytest.param("/docs/content", "GET", {}, "401 Unauthorized", id="its-content-is-not"),
        pytest.param("/live", "GET", {"host": "models.example", "origin": "http://a.example"}, "admitted",
                     id="with-keys-any-host"),
    ],
)  # fmt: skip
def test_keys(path: str, method: str, headers: dict[str, str], expected: str) -> None:
    assert verdict(admit(gate(keys=True), path, method, **headers)) == expected


def test_a_key_is_asked_for_by_name() -> None:
    found = admit(gate(keys=True))
    assert isinstance(found, Refusal)
    assert dict(found.headers)["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("path", "method", "headers", "expected"),
    [
        pytest.param("/predict", "GET", {}, "405 MethodNotAllowed", id="method"),
        pytest.param("/live", "HEAD", {}, "admitted", id="head"),
        pytest.param("/nothing", "GET", {}, "404 NotFound", id="path"),
        pytest.param("/predict/", "POST", {}, "404 NotFound", id="trailing-slash"),
        pytest.param("/predict", "POST", {"content_length": "100"}, "admitted", id="longest-body"),
        pytest.param("/predict", "POST", {"content_length": "101"}, "413 TooLarge", id="too-long-a-body"),
        pytest.param("/predict", "POST", {"content_encoding": "gzip"}, "415 UnsupportedMediaType", id="compressed"),
        pytest.param("/predict", "POST", {"content_encoding": "identity"}, "admitted", id="plain"),
    ],
)
def test_requests(path: str, method: str, headers: dict[str, str], expected: str) -> None:
    assert verdict(admit(gate(), path, method, **headers)) == expected


def test_allow_lists_the_methods() -> None:
    found = admit(gate(), "/live", "POST")
    assert isinstance(found, Refusal)
    assert dict(found.headers)["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("phase", "path", "expected", "closes"),
    [
        pytest.param("serving", "/predict", "admitted", False, id="serving"),
        pytest.param("leaving", "/predict", "admitted", True, id="leaving"),
        pytest.param("closed", "/predict", "503 Draining", True, id="closed"),
        pytest.param("closed", "/live", "admitted", True, id="closed-and-alive"),
    ],
)
def test_shutting_down(phase: str, path: str, expected: str, closes: bool) -> None:
    one = gate()
    one.phase = phase  # type: ignore[assignment]
    found = admit(one, path, "POST" if path == "/predict" else "GET")
    assert (verdict(found), found.close) == (expected, closes)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param("abc-1", "abc-1", id="plain"),
        pytest.param("x" * 128, "x" * 128, id="longest"),
        pytest.param("x" * 129, None, id="too-long"),
        pytest.param("a b", None, id="blank"),
        pytest.param("ä", None, id="not-ascii"),
    ],
)
def test_the_callers_id_is_kept_beside_ours(given: str, kept: str | None) -> None:
    found = admit(gate(), x_request_id=given)
    assert (found.request_id, found.client_request_id) == ("id-1", kept)


def test_the_record_holds_no_value_and_no_secret() -> None:
    one = gate(keys=True)
    found = one.admit(
        Head("POST", "/predict", "top=3", LOCAL | {"x-api-key": "p", "x-request-id": "mine"}), "10.0.0.1", 1.0
    )
    record = one.finish(found, 200, 55, 1.25, Facts(model="colours", version=3, rows=2, bytes_in=20))
    assert record == {
        "request_id": "id-1", "client_request_id": "mine", "client": "10.0.0.1", "key": "one", "method": "POST",
        "path": "/predict", "status": 200, "ms": 250.0, "model": "colours", "version": 3, "rows": 2,
        "bytes_in": 20, "bytes_out": 55,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param([(b"origin", b"http://localhost:8000")] * 2, "403 Forbidden", id="origin"),
        pytest.param([(b"content-encoding", b"identity"), (b"content-encoding", b"gzip")], "415", id="encoding"),
        pytest.param([(b"x-api-version", b"1"), (b"x-api-version", b"2")], "400 BadRequest", id="contract"),
        pytest.param([(b"accept", b"text/csv"), (b"accept", b"*/*")], "admitted", id="a-list"),
    ],
)
def test_a_header_that_comes_twice_is_the_list_of_both(headers: list[tuple[bytes, bytes]], expected: str) -> None:
    found = gate().admit(Head.of("POST", "/predict", b"", [(b"host", b"localhost:8000"), *headers]), "127.0.0.1", 1.0)
    assert verdict(found).startswith(expected)
