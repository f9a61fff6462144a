"""From drift in the log to a webhook and back, through a monitor that is killed; and the commands."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import logged
from cloche.contract.model import Output
from cloche.monitoring import shelf
from cloche.prediction_log import layout
from cloche.prediction_log.frames import LoggedField
from cloche.store import Store
from listeners import Listener, listening
from processes import eventually
from servers import cloche_here, serving

pytestmark = pytest.mark.e2e
SCHEMA = logged.schema(
    "lines",
    fields=(LoggedField("a", "number", "input"), LoggedField("b", "number", "input")),
    output=Output(task="classification", type="string", classes=("no", "yes"), probabilities=True),
    version=1,
)
RULES = """
[alerts]
defaults = false
[[alert]]
name = "drift-of-a"
when = "drift(a)"
for = "1s"
severity = "critical"
[sinks.hook]
kind = "webhook"
url = "{url}"
[models.lines]
owner = "ada"
runbook = "https://example.org/lines"
"""
SOON = {
    "CLOCHE_MONITOR_WINDOW_MINUTES": "5",
    "CLOCHE_MONITOR_WINDOW_ROWS": "100",
    "CLOCHE_MONITOR_PERSIST": "1",
}


def land(store: Store, number: int, minutes: range, shift: float) -> None:
    """40 rows a minute for so many minutes before now, the field `a` shifted."""
    draws, now = np.random.default_rng(number), dt.datetime.now(dt.UTC)
    frames = [
        logged.request(
            draws.normal((shift, 0.0), size=(40, 2)).tolist(),
            model="lines",
            time_us=int((now - dt.timedelta(minutes=minute)).timestamp() * 1e6),
            prediction=["yes"] * 40,
        )
        for minute in minutes
    ]
    logged.land(store, [SCHEMA, *frames], number=number)


@contextlib.contextmanager
def monitoring(store: Store, rules: Path) -> Iterator[subprocess.Popen[bytes]]:
    for path in store.list(layout.LEASE):  # nobody waits for the lease of one that was killed
        store.delete(path)
    command = [sys.executable, "-m", "cloche", "monitor", "--store", store.url, "--rules", str(rules)]
    with subprocess.Popen(command, env={**os.environ, **SOON}, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def looked_since(store: Store, moment: float) -> bool:
    document = shelf.read(store, "lines", "1h")
    return document is not None and document.made > moment


def delivered(store: str) -> Any:
    """The one alert as the command shows it, when its sink took the notice."""
    models = json.loads(cloche_here("alerts", "--json", store=store).stdout)["models"]
    return next((row for one in models for row in one["alerts"] if row["deliveries"] == {"hook": "200"}), None)


def told(receiver: Listener) -> list[tuple[str, str, str]]:
    return [(one["status"], one["rule"], one["model"]) for one in receiver.bodies]


def test_from_drift_to_the_webhook_and_back_through_a_killed_monitor(lines_store_2: str, tmp_path: Path) -> None:
    store, rules = Store.open(lines_store_2, tmp_path), tmp_path / "rules.toml"
    firing = ("firing", "drift-of-a", "lines")
    with listening() as receiver:
        rules.write_text(RULES.format(url=receiver.url))
        land(store, 1, range(60, 30, -1), 3.0)
        with monitoring(store, rules):
            eventually(lambda: told(receiver) == [firing], "the webhook was told")
            row = eventually(lambda: delivered(lines_store_2), "that it took it is kept and shown")
            assert (row["rule"], row["phase"], row["severity"]) == ("drift-of-a", "firing", "critical")
        killed = time.time()
        with monitoring(store, rules):
            eventually(lambda: looked_since(store, killed), "the new monitor has looked")
            assert told(receiver) == [firing], "nobody is told twice"
            land(store, 2, range(29, 1, -1), 0.0)
            eventually(lambda: told(receiver) == [firing, ("resolved", *firing[1:])], "the end was told")
    first = receiver.bodies[0]
    assert (first["owner"], first["runbook"], first["version"]) == ("ada", "https://example.org/lines", 1)
    assert first["why"] == "a"
    document = shelf.read(store, "lines", "1h")
    assert document is not None
    assert (document.owner, document.runbook) == ("ada", "https://example.org/lines")


def test_a_server_tells_what_it_counts_itself(lines_store_2: str, tmp_path: Path) -> None:
    env = {"CLOCHE_SERVER_MONITOR": "true", "CLOCHE_LOG_SEGMENT_AGE_S": "0.2", "CLOCHE_SPOOL": str(tmp_path / "spool")}
    with listening() as receiver:
        text = RULES.format(url=receiver.url).replace("drift(a)", "requests >= 3").replace('for = "1s"', "")
        (tmp_path / "cloche.toml").write_text(text)
        with serving(["lines"], store=lines_store_2, env=env, cwd=tmp_path) as server:
            for _ in range(3):
                httpx.post(f"{server.url}/predict", json={"a": 1.0, "b": 2.0})
            eventually(lambda: told(receiver), "the webhook was told")
    (body,) = receiver.bodies
    assert (body["model"], body["value"], body["why"], body["owner"]) == ("lines", 3.0, "in 5m", "ada")


def test_silences_from_the_command_line(lines_store_2: str, tmp_path: Path) -> None:
    def run(*words: str) -> tuple[int, str]:
        done = cloche_here("alerts", *words, store=lines_store_2)
        return done.returncode, done.stdout + done.stderr

    status, text = run("silence", "eror-rate", "--for", "2h", "--reason", "maintenance")
    assert (status, "no rule 'eror-rate'; did you mean 'error-rate'?" in text) == (3, True)
    assert run("silence", "error-rate", "--for", "2h", "--reason", " ")[0] == 2
    assert run("silence", "error-rate", "--for", "91d", "--reason", "x")[0] == 2
    assert run("silence", "error-rate", "--for", "2h", "--reason", "maintenance", "--model", "lines")[0] == 0
    status, text = run()
    assert (status, "silenced: error-rate for lines until " in text, "maintenance" in text) == (0, True, True)
    assert "no monitor has looked yet" in text
    assert run("unsilence", "latency")[0] == 3
    status, text = run("unsilence", "error-rate")
    assert (status, "ended 1 silence of error-rate" in text) == (0, True)
    assert json.loads(cloche_here("alerts", "--json", store=lines_store_2).stdout)["silences"] == []


def test_a_sink_is_tried_and_rules_are_checked_from_the_command_line(
    lines_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with listening() as receiver:
        (tmp_path / "cloche.toml").write_text(RULES.format(url=receiver.url))
        done = cloche_here("alerts", "test", "hook", store=lines_store)
        assert (done.returncode, done.stdout) == (0, "hook took it: 200\n"), done.stderr
        assert told(receiver) == [("test", "test", "")]
        receiver.answers = [404]
        done = cloche_here("alerts", "test", "hook", store=lines_store)
        assert (done.returncode, done.stderr) == (4, "cloche: sink 'hook': 404\n")
        done = cloche_here("alerts", "test", "hok", store=lines_store)
        assert (done.returncode, "did you mean 'hook'?" in done.stderr) == (3, True)
    found = json.loads(cloche_here("alerts", "check", "--json", store=lines_store).stdout)
    assert [one["name"] for one in found["rules"]] == ["drift-of-a"]
    assert found["sinks"] == {"hook": "webhook"}
    assert "drift-of-a" in cloche_here("alerts", "check", store=lines_store).stdout
    (tmp_path / "cloche.toml").write_text('[[alert]]\nname = "x"\nwhen = "drft(a)"\n')
    for words in (("alerts", "check"), ("serve", "lines", "--port", "0"), ("monitor",)):
        monkeypatch.setenv("CLOCHE_SERVER_MONITOR", "true")
        done = cloche_here(*words, store=lines_store)
        assert done.returncode == 2, words
        assert "cloche.toml: rule 'x': when: column 1: expected a measure, got 'drft'" in done.stderr


def test_a_check_says_what_may_be_a_mistake(lines_store_2: str, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[sinks.hook]\nkind = "webhook"\nurl = "https://x.example"\nsecret = "${NOT_SET_HERE}"\n'
        '[models.line]\nowner = "ada"\n[[alert]]\nname = "x"\nwhen = "drift(any)"\nmodel = "points-*"\n'
    )
    done = cloche_here("alerts", "check", "--rules", str(rules), "--json", store=lines_store_2)
    assert done.returncode == 0, done.stderr
    secret, rule, owner = json.loads(done.stdout)["notes"]
    assert secret == "[sinks.hook]: the environment here has no NOT_SET_HERE; that of the monitor needs it"
    assert rule.startswith("rule 'x': 'model': no model in ")
    assert owner.endswith("is called 'line'; did you mean 'lines'?")
