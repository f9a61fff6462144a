"""Any process of a server may die at any time: what was in flight in it fails, and nothing else."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter

import httpx
import pytest

from processes import Span, alive, by_role, eventually, everybody, kill, load, of_role, run_folder, unexplained
from servers import Server, serving
from servers import cloche as command

pytestmark = pytest.mark.e2e
ROW = {"a": 1.0, "b": 2.0}
#: How often each kind of process is killed: 200 times in CI, 20 on a developer's machine.
KILLS = {"engine": 100, "worker": 60, "template": 20, "agent": 20} if os.environ.get("CI") else {
    "engine": 8, "worker": 6, "template": 3, "agent": 3
}  # fmt: skip


def whole(server: Server, workers: int) -> bool:
    """Whether every process is there, and has been of use."""
    supervisor = server.process.pid
    found, run = by_role(supervisor), run_folder(supervisor)
    return (
        (len(found["agent"]), len(found["worker"]), len(found["engine"])) == (1, workers, workers)
        and len(list(run.glob("slots/*.json"))) == workers
        and len(list(run.glob("*.ready"))) == len(found["template"]) > 0
    )


@pytest.mark.timeout(1500)
def test_kills_under_load_fail_nothing_but_what_was_in_flight(lines_store: str) -> None:
    draws = random.Random(20261121)
    order = [kind for kind, times in KILLS.items() for _ in range(times)]
    draws.shuffle(order)
    fatal: list[Span] = []  # those that may cost a request: what answers it died
    with serving(["lines"], store=lines_store, flags=["--workers", "2"]) as server:
        with load(server.url, ROW, clients=6) as clients:
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


@pytest.mark.parametrize("kind", ["agent", "template"])
def test_who_answers_no_request_costs_none(lines_store: str, kind: str) -> None:
    with serving(["lines"], store=lines_store) as server, load(server.url, ROW, clients=2) as clients:
        victim = of_role(server.process.pid, kind)[0]
        kill(victim)
        eventually(lambda: whole_but_engines(server, kind, victim), f"another {kind} is there")
    assert [client.failures for client in clients] == [[], []]
    assert all(client.answered for client in clients)


def whole_but_engines(server: Server, kind: str, gone: int) -> bool:
    found = of_role(server.process.pid, kind)
    return bool(found) and gone not in found


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


@pytest.mark.timeout(400)
def test_promotions_under_load_fail_no_request(lines_store_2: str) -> None:
    flags = ["--workers", "2"]
    with serving(["lines"], store=lines_store_2, flags=flags) as server, load(server.url, ROW, clients=6) as clients:
        for arguments, version in ((["promote", "lines", "2"], "2"), (["rollback", "lines"], "1")) * 2:
            assert command(*arguments, store=lines_store_2).returncode == 0
            eventually(lambda: all(client.versions[-1:] == [version] for client in clients), f"version {version}")  # noqa: B023
    assert [failure.what for client in clients for failure in client.failures] == []
    assert all(client.versions == ["1", "2", "1", "2", "1"] for client in clients), [c.versions for c in clients]


def test_the_previous_version_stays_warm(lines_store_2: str) -> None:
    with serving(["lines"], store=lines_store_2) as server:
        command("promote", "lines", "2", store=lines_store_2)
        eventually(lambda: len(of_role(server.process.pid, "engine")) == 2, "the previous version stays warm")
        assert len(of_role(server.process.pid, "template")) == 2
