"""A server of several processes that is told to stop: what it still answers, when it closes, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from processes import alive, eventually, everybody, load
from servers import Server, serving

pytestmark = pytest.mark.e2e
ROW = {"a": 1.0, "b": 2.0}


def refused(server: Server) -> bool:
    """Whether nobody listens any more."""
    parts = urlsplit(server.url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_server_that_leaves_says_so_answers_and_then_closes(lines_store: str) -> None:
    flags = ["--workers", "2", "--drain-delay", "2"]
    with serving(["lines"], store=lines_store, flags=flags) as server:
        known = everybody(server.process.pid)
        with load(server.url, ROW, clients=3, pause_s=0.01) as clients:
            server.process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            eventually(lambda: httpx.get(f"{server.url}/ready").status_code == 503, "/ready says 503")
            answer = httpx.post(f"{server.url}/predict", json=ROW)
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
            for client in clients:
                client.done.set()
        assert [client.failures for client in clients] == [[], [], []]
        eventually(lambda: refused(server), "nobody listens")
        assert time.monotonic() - began >= 1.9
        assert server.process.wait(30) == 0
        assert not any(map(alive, known))


def test_a_second_signal_skips_ahead(lines_store: str) -> None:
    with serving(["lines"], store=lines_store, flags=["--drain-delay", "60"]) as server:
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: httpx.get(f"{server.url}/ready").status_code == 503, "/ready says 503")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0


def test_a_service_manager_that_signals_everybody_loses_nothing(lines_store: str) -> None:
    with serving(["lines"], store=lines_store, flags=["--drain-delay", "1"]) as server:
        with load(server.url, ROW, clients=2, pause_s=0.01) as clients:
            for pid in [*everybody(server.process.pid), server.process.pid]:
                os.kill(pid, signal.SIGTERM)
            eventually(lambda: httpx.get(f"{server.url}/ready").status_code == 503, "/ready says 503")
            for client in clients:
                client.done.set()
        assert [client.failures for client in clients] == [[], []]
        assert server.process.wait(30) == 0


def test_a_worker_that_dies_while_it_drains_does_not_keep_the_server(lines_store: str) -> None:
    with serving(["lines"], store=lines_store, flags=["--drain-delay", "60"]) as server:
        known = everybody(server.process.pid)
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: httpx.get(f"{server.url}/ready").status_code == 503, "/ready says 503")
        for pid in known:
            os.kill(pid, signal.SIGKILL)
        assert server.process.wait(30) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_during_the_start_ends_it_cleanly(lines_store: str, tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "cloche", "serve", "lines", "--store", lines_store, "--port", "0"]
    with (tmp_path / "log").open("wb") as log:
        # Under nohup SIGHUP is ignored by whoever is started; the server then leaves it at that.
        process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=_hears_sighup)
        eventually(lambda: len(_below(process.pid)) >= 2, "agent and worker are started")
        known = _below(process.pid)
        process.send_signal(number)
        assert process.wait(30) == 0, (tmp_path / "log").read_text()
    assert not any(map(alive, known))


def _hears_sighup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _below(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
