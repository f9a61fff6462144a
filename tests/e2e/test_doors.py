"""Other origins, TLS, client certificates, proxies, the root path: over real sockets, and once with a browser."""

from __future__ import annotations

import http.server
import importlib.util
import json
import re
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates import Authority, Pair
from cloche import Client
from cloche.config import ServerConfig
from cloche.errors import ServerUnreachableError, UsageError
from cloche.keys import Key
from cloche.web.checking import checked
from conftest import needs
from local_server import LocalServer, local_server
from processes import eventually
from simulators import deployment, deployments

pytestmark = pytest.mark.e2e
ROW = b'{"x": 1, "colour": "red"}'
SHOP = "https://shop.example"
CALLER = Key(id="abcdefgh", sha256="", scopes=("predict", "view"), created="2026-01-01T00:00:00Z")


def ask(
    server: LocalServer, path: str = "/predict", method: str = "POST", body: bytes = ROW, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head, _, content = server.raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body).partition(b"\r\n\r\n")
    status, *rest = head.decode("latin-1").split("\r\n")
    return int(status.split()[1]), dict(line.lower().split(": ", 1) for line in rest), content


@pytest.fixture(scope="module", params=["keys", "none"])
def shop(request: pytest.FixtureRequest) -> Iterator[LocalServer]:
    known = {"secret": CALLER}.get if request.param == "keys" else None
    config = ServerConfig(port=0, cors_origin=(SHOP, "http://localhost:3000"), keep_alive_s=0.3)
    with local_server(lambda: deployments(deployment()), config, known) as running:
        yield running


def test_a_preflight_needs_no_key(shop: LocalServer) -> None:
    status, headers, body = ask(
        shop, method="OPTIONS", body=b"", Origin=SHOP, Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="authorization,content-type",
    )  # fmt: skip
    assert (status, body) == (204, b"")
    assert headers["access-control-allow-origin"] == SHOP
    assert headers["access-control-allow-methods"] == "post"
    assert {"authorization", "content-type"} <= set(headers["access-control-allow-headers"].split(", "))
    assert "origin" in headers["vary"]
    assert "content-length" not in headers


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/predict", ROW, 200, id="an-answer"),
        pytest.param("/predict", b"{", 400, id="a-wrong-body"),
        pytest.param("/nowhere", ROW, 404, id="nothing-there"),
        pytest.param("/live", b"", 405, id="another-method"),
        pytest.param("/" + "a" * 9000, b"", 414, id="refused-by-the-connection"),
    ],
)
def test_every_answer_may_be_read(shop: LocalServer, path: str, body: bytes, status: int) -> None:
    got, headers, _ = ask(shop, path, body=body, Origin=SHOP, X_API_Key="secret")
    assert got == status
    if status != 414:  # refused before the Origin header was read
        assert headers["access-control-allow-origin"] == SHOP
        assert {"x-request-id", "retry-after"} <= set(headers["access-control-expose-headers"].split(", "))
    assert headers["vary"] == "origin"


def test_a_refused_head_may_be_read_when_its_origin_came(shop: LocalServer) -> None:
    received = shop.raw(f"GET /live HTTP/1.1\r\nOrigin: {SHOP}\r\n\r\n".encode())
    assert b"access-control-allow-origin: https://shop.example" in received
    assert received.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://shop.example.evil.example", "null", "http://shop.example"]
)
def test_other_origins_are_kept_out(shop: LocalServer, origin: str) -> None:
    status, headers, _ = ask(shop, method="OPTIONS", body=b"", Origin=origin, Access_Control_Request_Method="POST")
    assert status == 403
    assert "access-control-allow-origin" not in headers
    status, headers, _ = ask(shop, Origin=origin, X_API_Key="secret")
    assert status == (200 if shop.gate.keys_required else 403)
    assert "access-control-allow-origin" not in headers


def test_any_origin() -> None:
    with local_server(lambda: deployments(deployment()), ServerConfig(port=0, cors_origin=("*",))) as server:
        status, headers, _ = ask(server, Origin="https://anywhere.example")
    assert (status, headers["access-control-allow-origin"]) == (200, "*")
    assert "vary" not in headers


def test_without_the_setting_nothing_is_said() -> None:
    with local_server(lambda: deployments(deployment()), ServerConfig(port=0)) as server:
        status, headers, _ = ask(server, method="OPTIONS", body=b"", Origin=SHOP, Access_Control_Request_Method="POST")
    assert status == 403
    assert not [name for name in headers if name.startswith("access-control")]


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>shop</title>")

    def log_message(self, *_: object) -> None:
        """Silent."""


ASK = """async ([url, key]) => {
  const headers = {"content-type": "application/json", "authorization": `Bearer ${key}`};
  const seen = [];
  for (const body of ['{"x": 1, "colour": "red"}', '{']) {
    const answer = await fetch(`${url}/predict`, {method: "POST", headers, body});
    seen.push([answer.status, answer.headers.get("x-request-id"), await answer.json()]);
  }
  return seen;
}"""


@pytest.mark.parametrize("allowed", [True, False])
def test_a_page_of_another_origin_in_chromium(chromium: str, allowed: bool) -> None:
    needs(importlib.util.find_spec("playwright"), "needs playwright")
    from playwright.sync_api import Error, sync_playwright

    pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{pages.server_port}"
    config = ServerConfig(port=0, cors_origin=(origin if allowed else SHOP,))
    known = {"secret": CALLER}.get
    with local_server(lambda: deployments(deployment()), config, known) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(origin)
        if allowed:
            good, bad = page.evaluate(ASK, [server.url, "secret"])
            assert (good[0], good[2]["prediction"]) == (200, "yes")
            assert (bad[0], bad[2]["error"]) == (400, "MalformedBody")
            assert good[1] == good[2]["request_id"]
        else:
            with pytest.raises(Error, match="Failed to fetch"):
                page.evaluate(ASK, [server.url, "secret"])
        browser.close()
    pages.shutdown()
    pages.server_close()


# -- TLS --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> Pair:
    return authority.sign("server")


def secured(own: Pair, **more: object) -> ServerConfig:
    return ServerConfig(port=0, tls_cert=str(own.cert), tls_key=str(own.key), **more)  # type: ignore[arg-type]


def over_tls(server: LocalServer, authority: Path, caller: Pair | None = None) -> int:
    context = ssl.create_default_context(cafile=authority)
    if caller is not None:
        context.load_cert_chain(caller.cert, caller.key)
    with urllib.request.urlopen(f"{server.url}/live", context=context, timeout=10) as answer:
        return int(answer.status)


def test_tls_and_the_client(authority: Authority, own: Pair, tmp_path: Path) -> None:
    with local_server(lambda: deployments(deployment()), secured(own)) as server:
        assert server.url.startswith("https://")
        with Client(server.url, verify=str(authority.cert)) as client:
            assert client.predict({"x": 1, "colour": "red"}).prediction == "yes"
        with Client(server.url, verify=False) as client:
            assert client.predict({"x": 1, "colour": "red"}).prediction == "yes"
        with Client(server.url, retries=0) as client, pytest.raises(ServerUnreachableError, match="(?i)certificate"):
            client.predict({"x": 1, "colour": "red"})
        plain = server.raw(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert not plain.startswith(b"HTTP")


def test_old_versions_of_tls_are_not_spoken(own: Pair) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with local_server(lambda: deployments(deployment()), secured(own)) as server:
        connection = server.connect()
        with connection, pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(connection)


def test_client_certificates(authority: Authority, own: Pair, tmp_path: Path) -> None:
    foreign = Authority(tmp_path, "another authority").sign("shop")
    with local_server(lambda: deployments(deployment()), secured(own, client_ca=str(authority.cert))) as server:
        assert over_tls(server, authority.cert, authority.sign("shop")) == 200
        (record,) = eventually(lambda: server.records, "the request is in the log: it is written after the answer")
        assert record["certificate"] == "CN=shop,O=Example"
        for caller in (None, foreign):
            with pytest.raises(OSError):
                over_tls(server, authority.cert, caller)
        assert len(server.records) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param({"tls_key": "k"}, "'tls_key' needs 'tls_cert'", id="a-key-alone"),
        pytest.param({"client_ca": "c"}, "'client_ca' needs 'tls_cert'", id="an-authority-alone"),
        pytest.param({"tls_cert": "missing"}, "no such file", id="no-file"),
        pytest.param({"tls_cert": __file__}, "expected a certificate and its key in PEM", id="no-certificate"),
        pytest.param({"cors_origin": ("shop.example",)}, "cors_origin: expected", id="no-scheme"),
        pytest.param({"cors_origin": ("https://shop.example/",)}, "cors_origin: expected", id="a-path"),
        pytest.param({"forwarded_allow": ("proxy",)}, "forwarded_allow: expected", id="a-name"),
        pytest.param({"model_rate": ("penguins",)}, "model_rate: expected", id="no-rate"),
        pytest.param({"model_rate": ("penguins=fast",)}, "rate: expected", id="no-number"),
        pytest.param({"model_rate": ("penguins=0/s",)}, "rate: expected", id="nothing"),
        pytest.param({"root_path": "/a b"}, "'root_path': expected", id="a-space"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_starts(settings: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        checked(ServerConfig(**settings))  # type: ignore[arg-type]


# -- behind a proxy ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "forwarded", "client"),
    [
        pytest.param((), "203.0.113.9", "127.0.0.1", id="from-nobody-who-was-named"),
        pytest.param(("10.0.0.0/8",), "203.0.113.9", "127.0.0.1", id="from-somebody-else"),
        pytest.param(("127.0.0.1",), "203.0.113.9", "203.0.113.9", id="from-the-named-one"),
        pytest.param(("127.0.0.0/8",), "203.0.113.9", "203.0.113.9", id="from-the-named-network"),
        pytest.param(("127.0.0.1",), "1.2.3.4, 203.0.113.9", "203.0.113.9", id="what-the-caller-made-up"),
        pytest.param(("127.0.0.1", "10.0.0.1"), "1.2.3.4, 203.0.113.9, 10.0.0.1", "203.0.113.9", id="two-proxies"),
        pytest.param(("127.0.0.1",), "203.0.113.9:4711", "203.0.113.9", id="with-a-port"),
        pytest.param(("127.0.0.1",), "[2001:db8::1]:80", "2001:db8::1", id="ipv6"),
        pytest.param(("127.0.0.1",), "unknown", "127.0.0.1", id="no-address"),
        pytest.param(("127.0.0.1",), "", "127.0.0.1", id="empty"),
    ],
)
def test_forwarded_for(named: tuple[str, ...], forwarded: str, client: str) -> None:
    config = ServerConfig(port=0, forwarded_allow=named)
    with local_server(lambda: deployments(deployment()), config) as server:
        assert ask(server, X_Forwarded_For=forwarded)[0] == 200
        assert server.records[-1]["client"] == client


@pytest.mark.parametrize(("named", "scheme"), [(("127.0.0.1",), "https"), ((), "http")])
def test_forwarded_proto_and_the_root_path(named: tuple[str, ...], scheme: str) -> None:
    config = ServerConfig(port=0, forwarded_allow=named, root_path="/ml")
    with local_server(lambda: deployments(deployment()), config) as server:
        for path in ("/predict", "/ml/predict"):  # a proxy that strips the prefix, and one that does not
            assert ask(server, path)[0] == 200
        page = ask(server, "/docs", "GET", b"", X_Forwarded_Proto="https")[2]
        assert f"{scheme}://localhost/ml".encode() in page
        assert ask(server, "/", "GET", b"")[1]["location"] == "/ml/docs"
        document = json.loads(ask(server, "/openapi.json", "GET", b"")[2])
        assert document["servers"][0]["url"] == "/ml"
