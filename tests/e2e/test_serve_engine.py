"""`cloche serve --engine` in real processes, and a twin where the model's library is not installed."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import cloche
import warm
from processes import of_role
from servers import Server, serving
from slim import environment

pytestmark = pytest.mark.e2e
ROW = {"a": 1.0, "b": 0.5}
HEAVY = ("sklearn", "skops", "pandas", "pyarrow")


def asked(server: Server, path: str, body: Any = None) -> Any:
    raw = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{server.url}{path}", raw, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def log_lines(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.said().splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store that holds lines@1, which has a twin."""
    place = str(tmp_path_factory.mktemp("twins") / "store")
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 2)), columns=["a", "b"])
    labels = np.where(table.a + table.b > 0, "yes", "no")
    with warm.saves():
        cloche.save(
            LogisticRegression().fit(table, labels), "lines", inputs=table, targets=labels, store=place, quiet=True
        )
    return place


@pytest.mark.parametrize(
    ("flags", "env", "answers"),
    [
        pytest.param((), {}, "twin", id="auto"),
        pytest.param(
            ("--engine", "native"), {"CLOCHE_SERVER_ENGINE": "twin"}, "native", id="the-flag-before-the-setting"
        ),
        pytest.param((), {"CLOCHE_SERVER_ENGINE": "native"}, "native", id="the-setting"),
    ],
)
def test_the_engine_that_was_asked_for_answers(
    twins: str, flags: tuple[str, ...], env: dict[str, str], answers: str
) -> None:
    with serving(["lines"], store=twins, flags=[*flags, "--log-format", "json"], env=env) as server:
        assert asked(server, "/predict", ROW)["prediction"] == "yes"
        assert asked(server, "/metadata")["guaranteed"]["engine"] == answers
        assert len(of_role(server.process.pid, "engine")) == (answers == "native")
        lines = log_lines(server)
    assert [one["engine"] for one in lines if one.get("event") == "request" and one["path"] == "/predict"] == [answers]


@pytest.fixture(scope="module")
def native_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """lines@1 has no twin."""
    store = str(tmp_path_factory.mktemp("native") / "store")
    draws = np.random.default_rng(0)
    table = pd.DataFrame({"a": draws.normal(size=100), "b": draws.normal(size=100)})
    labels = np.where(table.a > 0, "yes", "no")
    with warm.saves():
        model = LogisticRegression().fit(table, labels)
        cloche.save(model, "lines", inputs=table, targets=labels, engine="native", store=store, quiet=True)
    return store


def test_a_version_without_it_is_refused_with_the_reason(native_store: str) -> None:
    refused = pytest.raises(AssertionError, match="lines: no engine 'twin' in this artifact")
    with refused, serving(["lines"], store=native_store, flags=["--engine", "twin"]):
        pass


def test_a_twin_answers_where_the_library_is_not_installed(penguins_store_2: str, tmp_path: Path) -> None:
    """The forest: LightGBM's predictor follows it. What the start took is printed, and nothing is asserted about it."""
    python = environment(tmp_path / "venv", "twin")
    env = {**os.environ, "PYTHONPATH": "", "CLOCHE_CACHE": str(tmp_path / "cache")}
    look = "import importlib.util as u, sys; print([n for n in sys.argv[1:] if u.find_spec(n)])"
    seen = subprocess.run(
        [python, "-c", look, "lightgbm", *HEAVY], capture_output=True, text=True, env=env, check=True
    ).stdout
    assert seen.strip() == "['lightgbm']"
    took = []
    for cache in ("empty", "warm"):
        start = time.monotonic()
        with serving(["penguins@2"], store=penguins_store_2, python=python, env=env) as server:
            took.append(f"start to ready, {cache} cache: {time.monotonic() - start:.2f} s")
            row = asked(server, "/openapi.json")["paths"]["/predict"]["post"]["requestBody"]
            example = row["content"]["application/json"]["examples"]["one"]["value"]
            answer = asked(server, "/predict", example)
            assert asked(server, "/metadata")["guaranteed"]["engine"] == "twin"
            [worker] = of_role(server.process.pid, "worker")
            assert not of_role(server.process.pid, "engine")
            assert not any(f"/{name}/" in Path(f"/proc/{worker}/maps").read_text() for name in HEAVY)
            took.append(f"memory of the worker: {_megabytes(worker)}")
    print("; ".join(took))
    own = cloche.load("penguins@2", engine="native", store=penguins_store_2).predict(example)
    assert answer["prediction"] == own.prediction
    assert answer["probabilities"] == pytest.approx(own.probabilities)


def _megabytes(pid: int) -> str:
    """Resident, and what no other process shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {name.rstrip(":"): int(value) for name, value, *_ in map(str.split, lines)}
    own = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
    return f"{kilobytes['Rss'] / 1024:.0f} MB resident, {own / 1024:.0f} MB its own"
