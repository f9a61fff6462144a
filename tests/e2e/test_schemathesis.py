"""schemathesis with all its checks over `/openapi.json` of real servers: no failure, no 5xx."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import cloche as library
import warm
from conftest import needs
from servers import cloche, serving

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

EXAMPLES = 25 if os.environ.get("CI") else 8


@pytest.fixture(scope="module", autouse=True)
def _schemathesis() -> None:
    needs(importlib.util.find_spec("schemathesis"), "needs schemathesis")


@pytest.fixture(scope="module")
def mixed_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store whose model takes a field of nearly every type, with a key and a context."""
    store = tmp_path_factory.mktemp("mixed") / "store"
    random = np.random.default_rng(1)
    rows = 1500
    inputs = pd.DataFrame(
        {
            "amount": np.where(random.random(rows) < 0.1, np.nan, random.lognormal(3, 1, rows)),
            "count": random.integers(0, 40, rows),
            "member": random.random(rows) < 0.5,
            "colour": random.choice(["red", "green", "blue"], rows),
            "grade": random.choice([1, 2, 3], rows),
        }
    )
    targets = inputs["amount"].fillna(20) * 2 + inputs["count"]
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["colour"]),
        (OneHotEncoder(), ["grade"]),
        ("passthrough", ["amount", "count", "member"]),
    )
    model = make_pipeline(columns, HistGradientBoostingRegressor(max_iter=10)).fit(inputs, targets)
    extra = {
        "customer": [f"customer {number}" for number in range(rows)],
        "asked": pd.Timestamp("2026-01-01", tz="Europe/Paris") + pd.to_timedelta(np.arange(rows), unit="h"),
    }
    with warm.saves():
        library.save(
            model,
            "mixed",
            inputs=inputs.assign(**extra),
            targets=targets,
            keys=["customer"],
            context=["asked"],
            store=str(store),
            quiet=True,
        )
    return str(store)


def run(url: str, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--checks", "all"]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", "20261121"]
    command += ["--generation-database", "none", "--no-color", "--continue-on-failure", *arguments]
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    return subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280, check=False
    )


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        pytest.param("penguins", (), id="penguins"),
        pytest.param("penguins", ("--auth", "keys"), id="penguins-with-keys"),
        pytest.param("mixed", (), id="mixed"),
        pytest.param("mixed", ("--strict",), id="mixed-strict"),
    ],
)
def test_what_the_document_says_is_true(name, flags, request, tmp_path):
    store = request.getfixturevalue(f"{name}_store")
    headers = []
    if "keys" in flags:
        key = cloche("keys", "create", "--scope", "predict", "--scope", "label", store=store).stdout.strip()
        headers = ["--header", f"Authorization: Bearer {key}"]
    with serving([name], store=store, flags=flags) as running:
        done = run(running.url, tmp_path, *headers)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:] + running.said()[-2000:]
        assert "passed" in done.stdout
        assert '"status":5' not in running.said().replace(" ", "")


def test_the_document_is_valid_openapi_for_its_readers(penguins_store):
    with (
        serving(["penguins"], store=penguins_store) as running,
        urllib.request.urlopen(f"{running.url}/openapi.json") as answer,
    ):
        document = json.load(answer)
    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"] == "cloche: penguins"
    assert all(path.startswith("/") for path in document["paths"])
