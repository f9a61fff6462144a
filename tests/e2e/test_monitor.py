"""The monitor beside a server, alone, killed, and where its libraries are missing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest

from cloche.prediction_log import layout
from cloche.prediction_log.reading import LogReader
from cloche.store import Store
from processes import alive, eventually, kill, of_role
from servers import Server, cloche, serving

pytestmark = pytest.mark.e2e
ROW = {"a": 1.0, "b": 2.0}
SOON = {"CLOCHE_SERVER_MONITOR": "true", "CLOCHE_LOG_SEGMENT_AGE_S": "0.2"}


def surroundings(tmp_path: Path) -> dict[str, str]:
    return {**SOON, "CLOCHE_SPOOL": str(tmp_path / "spool")}


def asked(server: Server, times: int) -> set[str]:
    """The ids of so many answers."""
    return {httpx.post(f"{server.url}/predict", json=ROW).json()["request_id"] for _ in range(times)}


def held(store: str, *, landed: bool = False) -> Counter[str]:
    reader = LogReader(Store.open(store, Path("/")))
    return Counter(reader.answers("lines", columns=["request_id"], landed=landed)["request_id"].to_pylist())


def test_a_server_folds_what_it_answered(lines_store_2: str, tmp_path: Path) -> None:
    with serving(["lines"], store=lines_store_2, env=surroundings(tmp_path)) as server:
        ids = asked(server, 5)
        eventually(lambda: held(lines_store_2) == Counter(ids), "the answers are in the table")
        (monitor,) = eventually(lambda: of_role(server.process.pid, "monitor"), "there is a monitor")
        assert os.getpriority(os.PRIO_PROCESS, monitor) == 10
        kill(monitor)
        ids |= asked(server, 5)
        eventually(lambda: of_role(server.process.pid, "monitor") not in ([], [monitor]), "another took its place")
        ids |= asked(server, 5)
        (monitor,) = of_role(server.process.pid, "monitor")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        assert not alive(monitor)
    assert held(lines_store_2) == Counter(ids), "the last ones too, before it was gone"
    assert Store.open(lines_store_2, Path("/")).list(layout.LANDING) == []


def test_a_server_without_a_monitor_leaves_it_to_another(lines_store_2: str, tmp_path: Path) -> None:
    with serving(["lines"], store=lines_store_2, flags=["--no-monitor"], env=surroundings(tmp_path)) as server:
        ids = asked(server, 3)
        eventually(lambda: held(lines_store_2, landed=True) == Counter(ids), "the answers have landed")
        assert of_role(server.process.pid, "monitor") == []
    assert held(lines_store_2) == Counter()
    done = cloche("monitor", "--once", "--json", store=lines_store_2)
    assert done.returncode == 0, done.stderr
    assert sum(one["rows"] for one in json.loads(done.stdout)["folds"]) == 3
    assert held(lines_store_2) == Counter(ids)


def test_the_command_works_until_it_is_told_to_end(lines_store_2: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cloche", "monitor", "--store", lines_store_2, "--log-format", "text"]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE) as monitor,
        serving(["lines"], store=lines_store_2, flags=["--no-monitor"], env=surroundings(tmp_path)) as server,
    ):
        ids = asked(server, 3)
        eventually(lambda: held(lines_store_2) == Counter(ids), "the answers are in the table")
        monitor.send_signal(signal.SIGTERM)
        assert monitor.wait(30) == 0
        assert monitor.stderr is not None
        assert b"fold 1: " in monitor.stderr.read()


def without_deltalake(tmp_path: Path) -> dict[str, str]:
    """As on a machine where the extra is not installed."""
    folder = tmp_path / "without"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['deltalake'] = None\n")
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))
    return {**surroundings(tmp_path), "PYTHONPATH": path}


def test_without_its_libraries_a_server_says_so_once_and_answers(lines_store_2: str, tmp_path: Path) -> None:
    env = without_deltalake(tmp_path)
    with serving(["lines"], store=lines_store_2, env=env) as server:
        eventually(lambda: "pip install 'cloche[monitor]'" in server.said(), "what to install is said")
        ids = asked(server, 3)
        eventually(lambda: held(lines_store_2, landed=True) == Counter(ids), "segments wait in the store")
        assert of_role(server.process.pid, "monitor") == []
        assert server.said().count("cloche[monitor]") == 1
    done = cloche("monitor", store=lines_store_2, env=env)
    assert (done.returncode, "pip install 'cloche[monitor]'" in done.stderr) == (1, True)
