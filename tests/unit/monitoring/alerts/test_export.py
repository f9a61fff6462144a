"""The export: promtool and amtool have nothing to say, and the exported tests pass."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cloche.errors import UsageError
from cloche.metrics import FAMILIES
from cloche.monitoring.alerts import export
from cloche.monitoring.alerts.export import board, promql, yaml
from cloche.monitoring.alerts.export.prometheus_rules import alert_name
from cloche.monitoring.alerts.reading import read_text
from cloche.monitoring.alerts.rules import RuleBook
from cloche.monitoring.alerts.vocabulary import MEASURES
from conftest import needs

#: Every measure once, with comparisons of every kind; names and texts that want quoting.
EVERYTHING = r"""
[alerts]
defaults = false
[[alert]]
name = "error-rate"
when = "error_rate >= 1% for 2m"
[[alert]]
name = "few-errors"
when = "error_rate < 1%"
[[alert]]
name = "refused"
when = "refused_share > 20%"
over = "15m"
model = "mail-[ab]*"
[[alert]]
name = "p50"
when = "latency_p50 >= 250ms"
[[alert]]
name = "p90"
when = "latency_p90 > 0.5s"
[[alert]]
name = "p95"
when = "latency_p95 > 1s"
[[alert]]
name = "p99"
when = "latency_p99 > 5s"
keep_firing_for = "10m"
[[alert]]
name = "requests"
when = "requests < 100"
over = "1h"
[[alert]]
name = "many"
when = "request_rate > 50"
[[alert]]
name = "silent"
when = "no_traffic"
over = "2h"
[[alert]]
name = "not-ready"
when = "not ready for 5m"
[[alert]]
name = "ready"
when = "ready"
[[alert]]
name = "waiting"
when = "log_waiting_s > 10m"
[[alert]]
name = "spam"
when = "share(prediction='its spam') > 80%"
sinks = ["hook", "mail"]
severity = "critical"
[[alert]]
name = "mean"
when = "mean(prediction) < -2.5"
[[alert]]
name = "missing"
when = "missing('total bill {{ }}') > 30%"
page = "https://example.org/{{ x }}"
[[alert]]
name = "unseen"
when = "unseen(island) != 0"
[[alert]]
name = "outside"
when = "outside(age) <= 1%"
sinks = []
[[alert]]
name = "any-drift"
when = "drift(any)"
[[alert]]
name = "drift"
when = "drift('an \\ odd name')"
[[alert]]
name = "no-drift"
when = "not drift(prediction)"
[[alert]]
name = "effect"
when = "effect(any) > 0.25"
[[alert]]
name = "quality"
when = "quality(accuracy) < 0.9"
[[alert]]
name = "estimated"
when = "estimated(accuracy) < 90%"
[[alert]]
name = "lamp"
when = "lamp(performance) == alarm"
[[alert]]
name = "lamp.2"
when = "lamp(data) >= warn"
[sinks.hook]
kind = "webhook"
url = "http://127.0.0.1:9/x"
[sinks.chat]
kind = "slack"
url = "${SLACK}"
[sinks.mail]
kind = "email"
host = "mail.example.org"
from = "cloche@example.org"
to = ["a@example.org", "b@example.org"]
username = "me"
password_file = "/run/secrets/mail"
[sinks.am]
kind = "alertmanager"
url = "http://127.0.0.1:9093"
[models.penguins]
owner = 'Ada "the" first'
runbook = "https://example.org/{{ run }}"
[models."mail-*"]
contact = "#mail"
"""


def tool(name: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    package = {"promtool": "prometheus", "amtool": "prometheus-alertmanager"}[name]
    path = shutil.which(name)
    needs(path, f"needs {name} (Debian: {package})")
    return subprocess.run([str(path), *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def everything() -> RuleBook:
    return read_text(EVERYTHING, "cloche.toml", Path("/"))


@pytest.fixture(scope="module")
def everything_written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    export.write(export.prometheus(everything()), folder)
    return folder


def test_the_rules_speak_of_every_measure() -> None:
    assert {one.when.measure.name for one in everything().rules} == MEASURES.keys()


def test_the_exported_tests_pass(everything_written: Path) -> None:
    checked = tool("promtool", everything_written, "check", "rules", export.RULES)
    assert (checked.returncode, "rules found" in checked.stdout) == (0, True), checked.stderr
    tested = tool("promtool", everything_written, "test", "rules", export.TESTS)
    assert (tested.returncode, "SUCCESS" in tested.stdout) == (0, True), tested.stdout + tested.stderr
    text = (everything_written / export.TESTS).read_text()
    for rule in everything().rules:
        assert f'"{rule.name}: fires"' in text
        assert f'"{rule.name}: is silent"' in text


def test_the_exported_tests_find_a_wrong_rule(everything_written: Path, tmp_path: Path) -> None:
    shutil.copytree(everything_written, tmp_path / "wrong")
    rules = tmp_path / "wrong" / export.RULES
    rules.write_text(rules.read_text().replace("== bool 2", "== bool 1"))
    assert tool("promtool", rules.parent, "test", "rules", export.TESTS).returncode != 0


def test_the_defaults_pass_too(tmp_path: Path) -> None:
    book = read_text('[[alert]]\nname = "no-traffic"\nover = "1h"\n', "cloche.toml", tmp_path)  # a day takes seconds
    export.write(export.prometheus(book), tmp_path / "new" / "folder")
    tested = tool("promtool", tmp_path / "new" / "folder", "test", "rules", export.TESTS)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_alertmanager_takes_the_routing(everything_written: Path) -> None:
    checked = tool("amtool", everything_written, "check-config", export.ROUTING)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for rule, receiver in (("spam", "hook+mail"), ("outside", "nobody"), ("p99", "everybody")):
        found = tool("amtool", everything_written, "config", "routes", "test", f"--config.file={export.ROUTING}",
                     f"rule={rule}")  # fmt: skip
        assert found.stdout.strip() == receiver
    assert "${" not in (everything_written / export.ROUTING).read_text(), "no secret, and no place of one"


def test_without_sinks_there_is_a_routing_too(tmp_path: Path) -> None:
    export.write(export.prometheus(read_text("", "cloche.toml", tmp_path)), tmp_path)
    assert tool("amtool", tmp_path, "check-config", export.ROUTING).returncode == 0


def test_the_board_speaks_of_metrics_that_there_are() -> None:
    names = {name for query in board.queries() for name in re.findall(r"cloche_\w+", query)}
    known = set(FAMILIES) | {f"{name}_bucket" for name, one in FAMILIES.items() if one.kind == "histogram"}
    assert names <= known
    panels = json.loads(board.text())["panels"]
    assert [target["expr"] for panel in panels for target in panel["targets"]] == board.queries()
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)


@pytest.mark.parametrize(
    ("pattern", "regex"),
    [
        pytest.param("mail-*", r"mail\-.*", id="star"),
        pytest.param("a?c.d", r"a.c\.d", id="question-mark-and-point"),
        pytest.param("[!ab]x", "[^ab]x", id="not-of-a-set"),
    ],
)
def test_patterns_in_re2(pattern: str, regex: str) -> None:
    assert promql.regex(pattern) == regex


def test_names_of_alerts() -> None:
    assert [alert_name(one) for one in everything().rules if one.name.startswith("lamp")] == [
        "ClocheLamp",
        "ClocheLamp2",
    ]


def test_yaml() -> None:
    text = yaml.dump({"a": [{"b": 1, "c": ["x: y", []]}, ["d"], {}], "e": {"f": None}, "g": 'q"\n'})
    assert text == (
        'a:\n  - b: 1\n    c:\n      - "x: y"\n      - []\n  - - "d"\n  - {}\ne:\n  f: null\ng: "q\\"\\n"\n'
    )  # fmt: skip


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file: cannot write"):
        export.write({"a": "b"}, tmp_path / "file")
