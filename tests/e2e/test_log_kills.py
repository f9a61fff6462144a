"""
Every answer is in the log exactly once, whatever dies meanwhile: promise 6 of the design.

The clients keep their own record of what they asked and what came back; the log has to say the same.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloche.prediction_log import layout
from cloche.store import Store
from processes import alive, eventually, everybody, kill, load, of_role
from servers import Server, serving
from servers import cloche as command
from spooled import check_log, check_table, logging_into, spool_in, waiting

pytestmark = pytest.mark.e2e
ROW = {"a": 1.0, "b": 2.0}
#: How often each kind of process is killed; 200 kills more, in CI, check the log in `test_processes_kills.py`.
KILLS = (
    {"engine": 5, "worker": 15, "template": 5, "agent": 20, "monitor": 20, "supervisor": 5}
    if os.environ.get("CI")
    else {"engine": 1, "worker": 3, "template": 1, "agent": 3, "monitor": 3, "supervisor": 1}
)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextlib.contextmanager
def monitoring(store: str) -> Iterator[subprocess.Popen[bytes]]:
    """`cloche monitor`, a process of its own."""
    with subprocess.Popen([sys.executable, "-m", "cloche", "monitor", "--store", store]) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.timeout(1500)
def test_every_answer_is_in_the_table_once_whatever_is_killed(lines_store_2: str, tmp_path: Path) -> None:
    """Beside the server's own monitor another one folds: two at once."""
    draws = random.Random(20261124)
    order = [kind for kind, times in KILLS.items() for _ in range(times)]
    draws.shuffle(order)
    flags = ["--workers", "2", "--port", str(free_port())]
    env = logging_into(tmp_path / "spool", CLOCHE_SERVER_MONITOR="true")
    with contextlib.ExitStack() as stack:
        beside = stack.enter_context(monitoring(lines_store_2))

        def start() -> Server:
            return stack.enter_context(serving(["lines"], store=lines_store_2, flags=flags, env=env))

        server = start()
        with load(server.url, ROW, clients=6, pause_s=0.02) as clients:
            for kind in order:
                supervisor = server.process.pid
                if kind == "supervisor":
                    known = everybody(supervisor)
                    server.process.kill()
                    server.process.wait()
                    eventually(lambda: not any(map(alive, known)), "everybody is gone")  # noqa: B023
                    server = start()
                else:
                    victims = eventually(lambda: of_role(supervisor, kind), f"there is a {kind}")  # noqa: B023
                    kill(draws.choice(victims))
                before = sum(client.answered for client in clients)
                eventually(lambda: sum(client.answered for client in clients) > before + 10, "it answers")  # noqa: B023
                time.sleep(draws.uniform(0.0, 0.1))
            spool = spool_in(tmp_path / "spool")
            last = max(number for number, _, _ in spool.segments())
            eventually(lambda: all(number > last for number in waiting(spool)), "an agent lives long enough")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(40) == 0, server.said()
        beside.terminate()
        assert beside.wait(30) == 0
    assert spool_in(tmp_path / "spool").segments() == []
    assert command("monitor", "--once", store=lines_store_2).returncode == 0
    assert Store.open(lines_store_2, tmp_path).list(layout.LANDING) == []
    check_table(clients, lines_store_2, "lines")


def test_a_server_that_leaves_loses_nothing_and_lands_everything(lines_store_2: str, tmp_path: Path) -> None:
    env = logging_into(tmp_path / "spool", CLOCHE_LOG_SEGMENT_AGE_S="60")  # nothing lands before the end
    with (
        serving(["lines"], store=lines_store_2, flags=["--workers", "2"], env=env) as server,
        load(server.url, ROW, clients=4) as clients,
    ):
        eventually(lambda: sum(client.answered for client in clients) > 100, "it answers")
        server.process.send_signal(signal.SIGTERM)  # under load: what is in flight is answered and recorded
        assert server.process.wait(30) == 0
    assert spool_in(tmp_path / "spool").segments() == []
    check_log(clients, lines_store_2, tmp_path / "spool")


def test_two_servers_of_a_host_share_a_spool(lines_store_2: str, tmp_path: Path) -> None:
    env = logging_into(tmp_path / "spool")
    with (
        serving(["lines"], store=lines_store_2, env=env) as one,
        serving(["lines@2"], store=lines_store_2, env=env) as other,
        load(one.url, ROW, clients=2) as first,
        load(other.url, ROW, clients=2) as second,
    ):
        eventually(lambda: all(client.answered > 50 for client in (*first, *second)), "both answer")
        kill(of_role(one.process.pid, "worker")[0])
        for client in (*first, *second):
            client.done.set()
            client.join(30)
        known = everybody(one.process.pid)
        one.process.kill()  # its agent will land nothing more: the other's does
        eventually(lambda: not any(map(alive, known)), "it is gone")
        spool = spool_in(tmp_path / "spool")
        eventually(lambda: waiting(spool) == [], "everything has landed")
    found = check_log([*first, *second], lines_store_2, tmp_path / "spool")
    assert {one.route for one in found if one.status == 200} == {"live", "pinned"}
