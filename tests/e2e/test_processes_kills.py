"""Any process of a server may die at any time: what was in flight in it fails, nothing else, and no record is lost."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from processes import Span, alive, by_role, eventually, everybody, kill, load, of_role, run_folder, unexplained
from servers import Server, serving
from servers import cloche as command
from spooled import check_log, logging_into

pytestmark = pytest.mark.e2e
ROW = {"a": 1.0, "b": 2.0}
#: How often each kind of process is killed: 200 times in CI, 20 on a developer's machine.
KILLS = {"engine": 130, "worker": 34, "template": 18, "agent": 18} if os.environ.get("CI") else {
    "engine": 8, "worker": 6, "template": 3, "agent": 3
}  # fmt: skip


def whole(server: Server, workers: int) -> bool:
    """Whether every process is there, and has been of use."""
    supervisor = server.process.pid
    run = run_folder(supervisor)
    if len(list(run.glob("slots/*.json"))) != workers:  # looking at every process costs those that come back
        return False
    found = by_role(supervisor)
    return (len(found["agent"]), len(found["worker"]), len(found["engine"])) == (1, workers, workers) and len(
        list(run.glob("*.ready"))
    ) == len(found["template"]) > 0


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_kills_under_load_fail_nothing_but_what_was_in_flight(lines_store_2: str, tmp_path: Path) -> None:
    draws = random.Random(20261121)
    order = [kind for kind, times in KILLS.items() for _ in range(times)]
    draws.shuffle(order)
    fatal: list[Span] = []  # those that may cost a request: what answers it died
    env = logging_into(tmp_path / "spool")
    with serving(["lines"], store=lines_store_2, flags=["--workers", "2"], env=env) as server:
        with load(server.url, ROW, clients=6, pause_s=0.03) as clients:  # a busy core would only slow the restarts
            for kind in order:
                eventually(lambda: whole(server, 2), f"every process is back before a {kind} is killed")
                victim = draws.choice(of_role(server.process.pid, kind))
                killed = kill(victim)
                if kind in ("engine", "worker"):
                    fatal.append(killed)
                time.sleep(draws.uniform(0.0, 0.05))
            eventually(lambda: whole(server, 2), "every process is back")
        assert sum(client.answered for client in clients) > len(order)
        assert unexplained(clients, fatal) == [], [line for line in server.said().splitlines() if "ended" in line]
        assert server.said().count("worker 0 ended") + server.said().count("worker 1 ended") == KILLS["worker"]
        per_client = Counter(id(client) for client in clients for _ in client.failures)
        assert all(failures <= len(fatal) for failures in per_client.values())
        assert httpx.post(f"{server.url}/predict", json=ROW).status_code == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
    check_log(clients, lines_store_2, tmp_path / "spool")


def test_a_hung_worker_is_replaced(lines_store: str) -> None:
    env = {"CLOCHE_SERVER_REQUEST_TIMEOUT_S": "1"}
    with serving(["lines"], store=lines_store, env=env) as server:
        worker = of_role(server.process.pid, "worker")[0]
        os.kill(worker, signal.SIGSTOP)
        stopped = time.monotonic()
        eventually(lambda: not alive(worker), "the hung worker is killed", seconds=30)
        assert time.monotonic() - stopped > 4.0, "it is given time to come back"
        assert httpx.post(f"{server.url}/predict", json=ROW, timeout=60).status_code == 200
        assert "silent" in server.said()


def test_a_hung_engine_of_a_dead_worker_does_not_stay(lines_store: str) -> None:
    with serving(["lines"], store=lines_store) as server:
        engine = of_role(server.process.pid, "engine")[0]
        os.kill(engine, signal.SIGSTOP)
        kill(of_role(server.process.pid, "worker")[0])
        eventually(lambda: not alive(engine), "the engine is gone with its worker")


def test_nobody_outlives_the_supervisor(lines_store: str) -> None:
    with serving(["lines"], store=lines_store, flags=["--workers", "2"]) as server:
        known = everybody(server.process.pid)
        assert len(known) == 6, by_role(server.process.pid)
        hung = of_role(server.process.pid, "engine")[0]
        os.kill(hung, signal.SIGSTOP)
        server.process.kill()
        server.process.wait()
        eventually(lambda: not any(map(alive, known)), "everybody is gone")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_promotions_under_load_fail_no_request_and_keep_the_previous_version_warm(lines_store_2: str) -> None:
    with (
        serving(["lines"], store=lines_store_2, flags=["--workers", "2"]) as server,
        load(server.url, ROW, clients=4, pause_s=0.01) as clients,
    ):

        def switched(version: str, *words: str) -> None:
            assert command(*words, "--no-preflight", store=lines_store_2).returncode == 0
            eventually(lambda: all(client.versions[-1:] == [version] for client in clients), f"version {version}")

        switched("2", "promote", "lines", "2")
        found = httpx.get(f"{server.url}/metadata").json()
        assert (found["model_version"], found["serving"]["warm"]) == ("2", [1])
        old = httpx.post(f"{server.url}/models/lines/versions/1/predict", json=ROW)
        assert old.json()["model_version"] == "1"
        eventually(lambda: len(of_role(server.process.pid, "engine")) == 4, "two versions in each worker")
        assert len(of_role(server.process.pid, "template")) == 2
        switched("1", "rollback", "lines")
        switched("2", "promote", "lines", "2")
        switched("1", "rollback", "lines")
    assert [failure.what for client in clients for failure in client.failures] == []
    assert all(client.versions == ["1", "2", "1", "2", "1"] for client in clients), [c.versions for c in clients]
