"""The management port on real sockets: signing in, keys, a real Prometheus, counts that outlive their worker."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import pytest

from conftest import needs
from servers import Server, cloche, serving
from stores import copied

pytestmark = pytest.mark.e2e
T = TypeVar("T")
ROW = {
    "island": "Torgersen", "bill_length_mm": 39.1, "bill_depth_mm": 18.7, "flipper_length_mm": 181,
    "body_mass_g": 3750, "sex": None,
}  # fmt: skip


@dataclass
class Managed:
    """A server, its management port, its one-time address, and a key for scripts."""

    server: Server
    login: str
    key: str

    @property
    def base(self) -> str:
        return self.login.partition("/login")[0]

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Without following redirects; `content_type` is sent as `content-type`."""
        connection = http.client.HTTPConnection(urlsplit(self.base).netloc, timeout=20)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def with_key(self, path: str) -> bytes:
        status, _, body = self.ask(path, authorization=f"Bearer {self.key}")
        assert status == 200, body
        return body

    def status(self) -> Any:
        return json.loads(self.with_key("/status"))

    def predict(self, row: dict[str, Any] = ROW) -> int:
        request = urllib.request.Request(
            f"{self.server.url}/predict", json.dumps(row).encode(), {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as exc:
            return exc.code

    def counted(self) -> int:
        return int(self.status()["requests"]["answered"])


def wait_for(what: Callable[[], T | None], seconds: float = 60.0) -> T:
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def managed(penguins_store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Managed]:
    store = tmp_path_factory.mktemp("managed") / "store"
    copied(penguins_store, store)
    made = cloche("keys", "create", "--scope", "metrics", "--scope", "view", store=store)
    with serving(["penguins"], store=store, flags=["--workers", "2", "--management-port", "0"]) as server:
        login = wait_for(lambda: re.search(r"manage +(\S+)", server.said()))[1]
        yield Managed(server, login, made.stdout.strip())


def test_signing_in_with_the_address_that_was_printed(managed: Managed) -> None:
    path = managed.login.removeprefix(managed.base)
    assert managed.ask("/login?token=wrong")[0] == 401
    status, headers, _ = managed.ask(path)
    assert (status, headers["location"]) == (303, "./")
    cookie, *attributes = [part.strip() for part in headers["set-cookie"].split(";")]
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Strict"]
    assert managed.ask(path)[0] == 401, "it works once"

    status, headers, body = managed.ask("/", cookie=cookie)
    assert status == 200
    assert b"penguins" in body
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["cache-control"], headers["x-frame-options"]) == ("no-store", "DENY")
    assert managed.ask("/", cookie=cookie, host="evil.example")[0] == 403
    assert managed.ask("/", cookie=cookie, origin="http://evil.example")[0] == 403

    ours: dict[str, str] = {"cookie": cookie, "origin": managed.base}
    assert managed.ask("/logout", "POST", **ours)[0] == 415
    assert managed.ask("/logout", "POST", **ours, content_type="application/json")[0] == 200
    status, headers, body = managed.ask("/", cookie=cookie, accept="text/html")
    assert (status, headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert b"Sign in" in body
    assert managed.login.partition("token=")[2] not in managed.server.said().replace(managed.login, "")


def test_an_error_has_the_same_body_as_on_the_data_port(managed: Managed) -> None:
    status, headers, body = managed.ask("/metrics")
    assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="cloche"')
    assert json.loads(body).keys() == {"error", "message", "request_id"}
    assert json.loads(body)["request_id"] == headers["x-request-id"]
    status, headers, _ = managed.ask("/status", "DELETE")
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert managed.ask("/health", host="10.0.0.1")[0] == 200


def test_every_refusal_is_logged_and_nothing_else_is_called_one(managed: Managed) -> None:
    managed.with_key("/metrics")
    managed.ask("/metrics", host="evil.example")
    wait_for(lambda: '"refused":"without a key' in managed.server.said())
    lines = [json.loads(line) for line in managed.server.said().splitlines() if line.startswith('{"time"')]
    ours = [line for line in lines if line.get("port") == "management"]
    assert all(("refused" in line) == (line["status"] >= 400) for line in ours)
    assert any(line["path"] == "/metrics" and line["status"] == 200 and len(line["key"]) == 8 for line in ours)
    assert managed.key not in managed.server.said()


def test_the_connection_keeps_its_limits(managed: Managed) -> None:
    parts = urlsplit(managed.base)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_text_for_prometheus_and_open_metrics(managed: Managed) -> None:
    managed.predict()
    key = f"Bearer {managed.key}"
    _, headers, body = managed.ask("/metrics", authorization=key)
    assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    promtool = shutil.which("promtool")
    needs(promtool, "needs promtool (Debian: prometheus)")
    assert promtool is not None
    checked = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, timeout=30)
    assert (checked.returncode, checked.stderr) == (0, b"")
    _, headers, body = managed.ask("/metrics", authorization=key, accept="application/openmetrics-text;version=1.0.0")
    assert headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")


def test_a_killed_worker_loses_no_count(managed: Managed) -> None:
    for _ in range(10):
        assert managed.predict() == 200
    before = wait_for(managed.counted)
    pids = {worker["pid"] for worker in managed.status()["workers"]}
    assert len(pids) == 2
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not pids & {one["pid"] for one in managed.status()["workers"] if one["alive"]})
    for _ in range(10):
        wait_for(lambda: _answers(managed))
    # An answer is counted when it has left: one from before may have come in after `before` was asked for.
    assert wait_for(lambda: managed.counted() >= before + 10)


def _answers(managed: Managed) -> bool:
    try:
        return managed.predict() == 200
    except OSError:  # the connection of a worker that is gone
        return False


def test_a_real_prometheus_reads_the_sums(managed: Managed, tmp_path: Path) -> None:
    binary = shutil.which("prometheus")
    needs(binary, "needs Prometheus (Debian: prometheus)")
    assert binary is not None
    before = managed.counted()
    statuses = [managed.predict() for _ in range(7)] + [managed.predict({"island": 1}) for _ in range(3)]
    assert statuses == [200] * 7 + [400] * 3
    assert wait_for(lambda: managed.counted() >= before + 10)
    found = managed.status()["requests"]
    (tmp_path / "key").write_text(managed.key)
    (tmp_path / "prometheus.yml").write_text(f"""
scrape_configs:
- job_name: cloche
  scrape_interval: 300ms
  authorization: {{credentials_file: {tmp_path}/key}}
  static_configs: [{{targets: ['{urlsplit(managed.base).netloc}']}}]
""")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(
        [binary, *arguments, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
    ) as process:  # fmt: skip
        try:
            ask = lambda text: _query(port, text)  # noqa: E731
            assert wait_for(lambda: ask("up")) == 1.0
            assert ask('sum(cloche_requests_total{route="predict"})') == found["answered"]
            assert ask('sum(cloche_requests_total{route="predict",status=~"4.."})') == found["4xx"] >= 3
            assert ask('sum(cloche_rows_total{model="penguins",version="1"})') == found["rows"] >= 7
            assert ask('cloche_predictions_refused_total{error="InvalidInput"}') == found["4xx"]
            assert ask('sum(cloche_request_seconds_count{route="predict"})') == found["answered"]
            bucket = 'cloche_request_seconds_bucket{route="predict"}'
            share = ask(f"histogram_quantile(0.5, sum by (le) ({bucket}))")
            assert share == pytest.approx(found["seconds"]["p50"], rel=0.01)
            assert ask("cloche_workers") == 2
            assert ask('cloche_model_info{model="penguins",version="1",contract="1",use="serving"}') == 1
        finally:
            process.terminate()


def _query(port: int, text: str) -> float | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={quote(text)}", timeout=5) as answer:
            found = json.load(answer)["data"]["result"]
    except OSError:
        return None
    return float(found[0]["value"][1]) if found else None


def test_a_taken_port_is_said_at_once(penguins_store: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = cloche("serve", "penguins", "--port", "0", "--management-port", port, store=penguins_store)
    assert done.returncode == 2
    assert f"127.0.0.1:{port}: address already in use; choose another --management-port" in done.stderr


ONE_PROCESS = """
import sys
from pathlib import Path
from cloche.api.workplace import workplace
from cloche.config import ServerConfig
from cloche.keys import KeyRing
from cloche.web import server
here = workplace(sys.argv[1])
config = ServerConfig(port=0, management_port=0)
keys = KeyRing.open(None, here.store, Path.cwd())
sys.exit(server.run(here.registry, ["penguins"], config=config, trust=here.trust, cache=here.settings.cache, keys=keys))
"""


def test_one_process_has_the_port_too(penguins_store: str, tmp_path: Path) -> None:
    """What serves on macOS and Windows."""
    store, log = tmp_path / "store", tmp_path / "log"
    copied(penguins_store, store)
    key = cloche("keys", "create", "--scope", "metrics", "--scope", "view", store=store).stdout.strip()
    with log.open("wb") as out, subprocess.Popen(
        [sys.executable, "-c", ONE_PROCESS, str(store)], stdout=out, stderr=out
    ) as process:  # fmt: skip
        try:
            login = wait_for(lambda: re.search(r"manage +(\S+)", log.read_text()))[1]
            url = wait_for(lambda: re.search(r"predict +(\S+)/predict", log.read_text()))[1]
            managed = Managed(Server(url, process, out), login, key)
            assert [managed.predict(), managed.predict({})] == [200, 400]
            found = managed.status()
            assert (found["ready"], found["requests"]["2xx"], found["requests"]["4xx"]) == (True, 1, 1)
            assert b'cloche_rows_total{model="penguins",version="1",engine="' in managed.with_key("/metrics")
            assert b"cloche_in_flight 0\n" in managed.with_key("/metrics")
        finally:
            process.terminate()
            assert process.wait(30) == 0
