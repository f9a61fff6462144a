"""`cloche probe` against a running server and against nobody."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloche.monitoring.uptime import Uptimes
from cloche.store import Store
from processes import eventually
from servers import cloche, serving

pytestmark = pytest.mark.e2e


def uptime(store: str) -> list[float | None]:
    now = time.time()
    return Uptimes(Store.open(store, Path("/")))("lines", now // 60 * 60 - 120, 60, 3)


def test_it_says_whether_the_server_answers_and_keeps_it(lines_store_2: str) -> None:
    with serving(["lines"], store=lines_store_2) as server:
        done = cloche("probe", server.url, "--once", "--json", store=lines_store_2)
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout)
        assert (seen["model"], seen["up"], seen["why"]) == ("lines", True, None)
        assert cloche("probe", f"{server.url}/models/lines", "--once", "--predict", store=lines_store_2).returncode == 0
        assert 1.0 in uptime(lines_store_2)
        other = cloche("probe", server.url, "--model", "other", "--once", store=lines_store_2)
        assert (other.returncode, "other does not answer: no model 'other'" in other.stdout) == (1, True)
        url = server.url
    command = ["probe", url, "--model", "lines", "--every", "1", "--store", lines_store_2]
    with subprocess.Popen([sys.executable, "-m", "cloche", *command], stdout=subprocess.PIPE) as probe:
        assert probe.stdout is not None
        assert probe.stdout.readline().startswith(b"lines does not answer: ")
        probe.send_signal(signal.SIGTERM)
        assert probe.wait(30) == 0
    eventually(lambda: any(one is not None and one < 1 for one in uptime(lines_store_2)), "what was seen is kept")
    assert cloche("probe", url, "--model", "lines", "--once", store=lines_store_2).returncode == 1


def test_a_server_that_names_no_model_is_no_uptime(lines_store_2: str) -> None:
    done = cloche("probe", "http://127.0.0.1:9", "--once", store=lines_store_2)
    assert (done.returncode, "name one: --model" in done.stderr) == (2, True)
