"""
The export at work: a real server, a real Prometheus with our rules, a real Alertmanager with our routing, a webhook.

The server's own monitor is off; the test plays it and puts the documents into the store that a monitor would.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from cloche.monitoring.alerts import export
from cloche.monitoring.alerts.export import board
from cloche.monitoring.documents import (
    AlertRow,
    FieldDrift,
    Lamp,
    Lamps,
    ModelDocument,
    QualityMetric,
    Series,
)
from cloche.monitoring.shelf import Shelf
from cloche.store import Store
from conftest import needs
from listeners import Listener, listening
from processes import eventually
from servers import Server, cloche_here, serving
from stores import copied

pytestmark = pytest.mark.e2e
RULES = """
[[alert]]
name = "data-drift"
keep_firing_for = "0s"
[[alert]]
name = "spam"
when = "share(prediction=yes) > 80%"
sinks = []
[sinks.hook]
kind = "webhook"
url = "{url}/alertmanager"
[models.lines]
owner = "ada"
runbook = "https://example.org/lines"
"""
PROMETHEUS = """
global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}
rule_files: [{folder}/cloche.rules.yml]
alerting:
  alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]}}]
scrape_configs:
- job_name: cloche
  authorization: {{credentials_file: {folder}/key}}
  static_configs: [{{targets: ['{target}']}}]
"""


@dataclass
class Stack:
    """Everything that runs, and the store that the server reads."""

    server: Server
    store: Store
    receiver: Listener
    prometheus: str
    alertmanager: str

    def publish(self, state: str) -> None:
        """What a monitor would say of the field `a`."""
        now = time.time()
        line = Series(name="accuracy", values=[0.9])
        Shelf(self.store).put(
            ModelDocument(
                model="lines", range="1h", made=now, start=now - 3_600, end=now, step_s=60, task="classification",
                lamps=Lamps(service=Lamp(state="ok"), data=Lamp(state="alarm" if state == "drift" else "ok")),
                drift=[FieldDrift(name="a", type="number", state=state, effect=0.4 if state == "drift" else 0.0)],  # type: ignore[arg-type]
                quality=[QualityMetric(name="accuracy", better="higher", baseline=0.95, realised=line, estimated=line)],
                alerts=[AlertRow(rule="spam", expression="share(prediction=yes) > 80%", phase="pending", value=0.85,
                                 deliveries={"hook": "failed: 503"})],
            )
        )  # fmt: skip

    def ask(self, query: str) -> list[Any]:
        """The result of a query; an error of Prometheus' is one of the test."""
        words = urllib.parse.urlencode({"query": query})
        with urllib.request.urlopen(f"{self.prometheus}/api/v1/query?{words}", timeout=10) as answer:
            found: list[Any] = json.load(answer)["data"]["result"]
        return found

    def told(self, alert: str) -> list[tuple[str, dict[str, str]]]:
        """Status and annotations of every alert of that name that the webhook was told of, in order."""
        return [
            (one["status"], one["annotations"])
            for body in self.receiver.bodies
            for one in body["alerts"]
            if one["labels"]["alertname"] == alert
        ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(words: list[str], log: Path, ready: str) -> Iterator[None]:
    with log.open("wb") as output, subprocess.Popen(words, stdout=output, stderr=output) as process:
        try:
            eventually(lambda: answers(ready), f"{words[0]} is ready")
            yield
        finally:
            process.terminate()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def configured(folder: Path, store: Store, receiver: Listener, target: str, alertmanager: int) -> None:
    """What `cloche alerts export` writes, with Alertmanager's patience cut to a second, and how to scrape."""
    (folder / "cloche.toml").write_text(RULES.format(url=receiver.url))
    done = cloche_here(
        "alerts", "export", "prometheus", "-o", str(folder), "--rules", str(folder / "cloche.toml"), store=store.url
    )
    assert done.returncode == 0, done.stderr
    routing = folder / export.ROUTING
    text, replaced = re.subn(r'(group_wait|group_interval): "\w+"', r'\1: "1s"', routing.read_text())
    assert replaced == 2
    routing.write_text(text)
    (folder / "key").write_text(cloche_here("keys", "create", "--scope", "metrics", store=store.url).stdout.strip())
    (folder / "prometheus.yml").write_text(PROMETHEUS.format(folder=folder, alertmanager=alertmanager, target=target))


@pytest.fixture(scope="module")
def stack(lines_store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    binaries = [shutil.which(name) for name in ("prometheus", "prometheus-alertmanager")]
    needs(all(binaries), "needs Prometheus and Alertmanager (Debian: prometheus, prometheus-alertmanager)")
    prometheus, alertmanager = map(str, binaries)
    folder = tmp_path_factory.mktemp("prometheus")
    copied(lines_store, folder / "store")
    store = Store.open(str(folder / "store"), folder)
    ports = [free_port(), free_port()]
    with ExitStack() as open_:
        receiver = open_.enter_context(listening())
        flags = ["--management-port", "0", "--no-monitor"]
        server = open_.enter_context(serving(["lines"], store=store.url, flags=flags))
        manage = eventually(lambda: re.search(r"manage +(\S+)", server.said()), "the management port is known")[1]
        configured(folder, store, receiver, urlsplit(manage).netloc, ports[1])
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        open_.enter_context(running(
            [alertmanager, f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/am",
             f"--web.listen-address=127.0.0.1:{ports[1]}", "--cluster.listen-address="],
            folder / "alertmanager.log", f"{urls[1]}/-/ready",
        ))  # fmt: skip
        open_.enter_context(running(
            [prometheus, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{ports[0]}", "--rules.alert.resend-delay=1s"],
            folder / "prometheus.log", f"{urls[0]}/-/ready",
        ))  # fmt: skip
        yield Stack(server, store, receiver, *urls)


def test_from_drift_over_prometheus_and_alertmanager_to_a_webhook_and_back(stack: Stack) -> None:
    stack.publish("ok")
    eventually(lambda: stack.ask('cloche_drift_state{model="lines",field="a"} == 0'), "Prometheus reads the verdict")
    assert stack.told("ClocheDataDrift") == []
    stack.publish("drift")
    eventually(lambda: stack.told("ClocheDataDrift"), "the webhook was told")
    ((status, texts),) = stack.told("ClocheDataDrift")
    assert (status, texts["owner"], texts["runbook"]) == ("firing", "ada", "https://example.org/lines")
    assert (texts["page"], texts["summary"]) == ("docs/alerts/data-drift.md", "lines: drift(any)")
    stack.publish("ok")
    eventually(lambda: len(stack.told("ClocheDataDrift")) == 2, "the end was told")
    assert stack.told("ClocheDataDrift")[1][0] == "resolved"
    assert stack.told("ClocheSpam") == [], "that one goes to nobody"
    assert stack.ask('ALERTS{alertname="ClocheSpam",alertstate="firing"}'), "although it fires"


def test_our_own_sink_speaks_to_a_real_alertmanager(stack: Stack, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(f'[sinks.am]\nkind = "alertmanager"\nurl = "{stack.alertmanager}"\n')
    done = cloche_here("alerts", "test", "am", "--rules", str(rules), store=stack.store.url)
    assert (done.returncode, done.stdout) == (0, "am took it: 200\n"), done.stderr
    eventually(lambda: stack.told("test"), "and it tells the webhook")
    assert stack.told("test")[0][1]["summary"] == "[TEST] the store: test (info)"


def test_every_query_of_the_board_has_an_answer(stack: Stack) -> None:
    for row, count in (({"a": 1.0, "b": 2.0}, 12), ({"a": "x"}, 4)):
        for _ in range(count):
            httpx.post(f"{stack.server.url}/predict", json=row)
    stack.publish("drift")

    def missing() -> list[str]:
        asked = (one.replace("$model", "lines|none").replace("$__rate_interval", "1m") for one in board.queries())
        return [query for query in asked if not stack.ask(query)]

    seen: list[list[str]] = []
    eventually(lambda: seen.append(missing()) or not seen[-1], f"every query has a result: {seen[-1:]}")
