"""`cloche serve` as a process, with a model that sleeps, holds the GIL, raises, prints, hangs or dies."""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

import cloche
from odd_models import DIE, HANG, HOLD, PRINT, RAISE, SLEEP, OddClassifier
from servers import Server, serving
from servers import cloche as command

pytestmark = pytest.mark.e2e
TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def odd_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A configuration that trusts the odd model, and a path on which it is installed."""
    home = tmp_path_factory.mktemp("config")
    (home / "cloche").mkdir()
    (home / "cloche" / "config.toml").write_text('[trust]\nallowed_types = ["odd_models.OddClassifier"]\n')
    paths = [str(TESTS), os.environ.get("PYTHONPATH", "")]
    return {"XDG_CONFIG_HOME": str(home), "PYTHONPATH": os.pathsep.join(filter(None, paths))}


@pytest.fixture(scope="module")
def odd_store(tmp_path_factory: pytest.TempPathFactory, odd_environment: dict[str, str]) -> str:
    store = str(tmp_path_factory.mktemp("odd") / "store")
    table = pd.DataFrame({"x": np.linspace(-10, 10, 201), "z": np.linspace(0, 1, 201)})
    model = OddClassifier().fit(table, np.where(table.x > 0, "yes", "no"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in odd_environment.items():
            patch.setenv(name, value)
        cloche.save(model, "odd", inputs=table, targets=np.where(table.x > 0, "yes", "no"), store=store, quiet=True)
    return store


@pytest.fixture(scope="module")
def odd(odd_store: str, odd_environment: dict[str, str]) -> Iterator[Server]:
    env = odd_environment | {"CLOCHE_SERVER_REQUEST_TIMEOUT_S": "4"}
    with serving(["odd"], store=odd_store, env=env) as server:
        yield server


def row(x: float) -> dict[str, float]:
    return {"x": x, "z": 0.5}


def post(server: Server, content: Any) -> httpx.Response:
    return httpx.post(f"{server.url}/predict", json=content, timeout=30)


@pytest.mark.parametrize("x", [pytest.param(SLEEP, id="sleeping"), pytest.param(HOLD, id="holding-the-gil")])
def test_the_server_answers_while_the_model_is_busy(odd: Server, x: float) -> None:
    with ThreadPoolExecutor(1) as pool, httpx.Client() as client:
        asked = pool.submit(post, odd, row(x))
        waited = []
        while not asked.done():
            began = time.perf_counter()
            assert client.get(f"{odd.url}/live").status_code == 200
            waited.append(time.perf_counter() - began)
        assert asked.result().json()["prediction"] == "yes"
    assert len(waited) > 20
    assert statistics.quantiles(waited, n=100)[98] < 0.05


def test_what_the_model_prints_does_not_reach_the_pipe(odd: Server) -> None:
    assert post(odd, row(PRINT)).json()["prediction"] == "yes"
    assert "and what it writes to descriptor 1" in odd.said()


def test_the_rows_that_the_model_refuses_are_named(odd: Server) -> None:
    answer = post(odd, [row(1), row(RAISE), row(2), row(RAISE)])
    assert answer.status_code == 400
    assert [(p["row"], p["code"]) for p in answer.json()["problems"]] == [(1, "model_refused"), (3, "model_refused")]
    assert "secret" not in answer.text
    assert "a secret of the model" in odd.said()


def test_a_dead_engine_is_replaced(odd: Server) -> None:
    answer = post(odd, row(DIE))
    assert (answer.status_code, answer.json()["error"]) == (500, "InternalError")
    assert "died" not in answer.text
    assert _eventually_answers(odd)


def test_a_hung_engine_is_replaced(odd: Server) -> None:
    answer = post(odd, row(HANG))
    assert (answer.status_code, answer.json()["error"]) == (504, "DeadlineExceeded")
    assert _eventually_answers(odd)


def _eventually_answers(server: Server) -> bool:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        answer = post(server, row(1))
        if answer.status_code == 200:
            return True
        assert answer.status_code in (503, 504), answer.text
    return False


def test_sigterm_answers_what_is_in_flight_and_exits_with_0(odd_store: str, odd_environment: dict[str, str]) -> None:
    with serving(["odd"], store=odd_store, env=odd_environment) as server, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(post, server, row(SLEEP))
        while "engine process" not in server.said():
            time.sleep(0.01)
        time.sleep(0.3)  # the request is in flight; nothing outside shows it
        server.process.send_signal(signal.SIGTERM)
        assert asked.result().status_code == 200
        assert server.process.wait(20) == 0


def test_a_taken_port_is_one_clear_line(odd: Server, odd_store: str, odd_environment: dict[str, str]) -> None:
    port = odd.url.rpartition(":")[2]
    done = command("serve", "odd", "--port", port, store=odd_store, env=odd_environment)
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if port in line]
    assert "already in use" in line
    assert "--port" in line
