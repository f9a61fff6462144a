"""`cloche status` and `promote | rollback --wait` by what agents report. Templates and workers are played."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cloche.registry import Registry, reports
from cloche.registry.reports import AgentReport, ModelReport, ReportWriter
from cloche.store import Store
from handmade import artifact, contract
from servers import cloche_here as cloche
from templates import Templates, agent_process, eventually, run_folder

pytestmark = pytest.mark.e2e


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A store with penguins@1 (live), penguins@2 and penguins@3."""
    made = Registry(Store.open(str(tmp_path / "store"), tmp_path))
    for number in range(3):
        where = artifact(tmp_path / f"made {number}", content=f"model {number}".encode())
        made.publish(where, name="penguins", contract=contract(), contract_number=1, by="me")
    return made


@contextmanager
def hosts(registry: Registry, folder: Path, *, count: int = 1, refuses: set[int] | None = None) -> Iterator[None]:
    """Servers of the store; the last one refuses some versions."""
    root = registry.store.root
    assert root is not None
    with ExitStack() as stack:
        for number in range(count):
            run = run_folder(folder, root, "penguins", url=f"http://127.0.0.1:80{number:02}")
            stack.callback(run.remove)
            stack.enter_context(Templates(run, refuses=(refuses or set()) if number == count - 1 else set()))
            process = agent_process(run)
            stack.callback(process.wait, 15)
            stack.callback(process.terminate)
        eventually(lambda: [serving(one) for one in latest(registry)], [{1: 1}] * count)
        yield


def latest(registry: Registry) -> list[AgentReport]:
    return [one for one in reports.latest(registry.store, datetime.now(UTC)) if not one.ended]


def serving(report: AgentReport) -> Any:
    model = report.model("penguins")
    return None if model is None else model.serving


def command(registry: Registry, *arguments: str) -> tuple[int, str]:
    done = cloche(*arguments, store=registry.store.root)
    return done.returncode, done.stdout + done.stderr


def test_wait_until_every_host_serves_it_then_roll_back(registry: Registry, tmp_path: Path) -> None:
    with hosts(registry, tmp_path, count=2):
        status, said = command(registry, "promote", "penguins", "2", "--no-preflight", "--wait", "--timeout", "60")
        assert status == 0, said
        assert said.count("): serving\n") == 2
        assert [serving(one) for one in latest(registry)] == [{1: 2}, {1: 2}]
        status, said = command(registry, "rollback", "penguins", "--no-preflight", "--wait", "--json")
        assert status == 0, said
        assert [serving(one) for one in latest(registry)] == [{1: 1}, {1: 1}]


def test_a_host_that_refuses_is_named_with_its_reason(registry: Registry, tmp_path: Path) -> None:
    with hosts(registry, tmp_path, count=2, refuses={2}):
        done = cloche("promote", "penguins", "2", "--no-preflight", "--wait", "--json", store=registry.store.root)
        assert done.returncode == 1
        found = {one["url"]: (one["state"], one["why"]) for one in json.loads(done.stdout)["hosts"]}
        assert found == {
            "http://127.0.0.1:8000": ("serving", None),
            "http://127.0.0.1:8001": ("refused", "version 2 is broken"),
        }
        status, said = command(registry, "status", "penguins")
        assert status == 0
        assert "version 2: version 2 is broken" in said


def test_a_host_that_says_nothing_is_missed(registry: Registry) -> None:
    told = datetime.now(UTC) - timedelta(seconds=20)
    ReportWriter(registry.store, "a").write(silent(told))
    status, said = command(registry, "promote", "penguins", "2", "--no-preflight", "--wait", "--timeout", "1")
    assert status == 1
    assert "elsewhere (http://elsewhere:8000): not yet after 1 s: serves version 1; last report 2" in said


def test_nobody_to_wait_for(registry: Registry) -> None:
    told = datetime.now(UTC) - timedelta(seconds=100)
    ReportWriter(registry.store, "a").write(silent(told))
    status, said = command(registry, "promote", "penguins", "2", "--no-preflight", "--wait")
    assert status == 0
    assert "no running server follows penguins: nothing to wait for" in said
    assert "silent" in command(registry, "status")[1]


def silent(told: datetime) -> AgentReport:
    model = ModelReport(name="penguins", route="live", event=1, wanted={1: 1}, serving={1: 1})
    return AgentReport(
        host="a", machine="elsewhere", pid=1, url="http://elsewhere:8000", cloche="0", at=reports.rfc3339(told),
        models=(model,),
    )  # fmt: skip


def test_status(registry: Registry, tmp_path: Path) -> None:
    assert command(registry, "status") == (0, f"no server has reported\nstore: {registry.store.describe()}\n")
    assert command(registry, "status", "whales")[0] == 3
    with hosts(registry, tmp_path):
        done = cloche("status", "--json", store=registry.store.root)
        (found,) = json.loads(done.stdout)["hosts"]
        assert (found["url"], found["silent"], found["degraded"]) == ("http://127.0.0.1:8000", False, [])
        assert found["age_s"] < reports.CURRENT_S
        assert found["models"][0]["serving"] == {"1": 1}
        assert found["workers"] == [{"slot": 0, "pid": 100, "current": True}]
        said = command(registry, "status")[1]
        assert "http://127.0.0.1:8000" in said
    eventually(lambda: "no server" in command(registry, "status")[1], True)


def test_pre_flight_refuses_what_does_not_open_here(registry: Registry) -> None:
    status, said = command(registry, "promote", "penguins", "2")
    assert status == 1
    assert "pre-flight: penguins version 2 does not open here, so the routes are as they were" in said
    assert command(registry, "promote", "penguins", "2", "--no-preflight")[0] == 0
    status, said = command(registry, "rollback", "penguins")
    assert status == 1
    assert "pre-flight: penguins version 1 does not open here" in said
    routes = registry.routes("penguins")
    assert routes is not None
    assert routes.live == {1: 2}
