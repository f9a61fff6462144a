"""`engine="onnx"`: saved by the guard, loaded without the model's library, served in processes of its own."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import cloche
import warm
from cloche.api.opening import open_version
from cloche.api.workplace import workplace
from cloche.errors import EngineMissingError, SaveRefusedError
from cloche.saving import exported
from conftest import needs
from processes import of_role
from servers import Server, serving

pytestmark = pytest.mark.e2e
ROW = {"a": 1.0, "b": 0.5, "c": "x"}


def asked(server: Server, path: str, body: Any = None) -> Any:
    raw = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{server.url}{path}", raw, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200), "c": rng.choice(["x", "y"], 200)})


@pytest.fixture(scope="module")
def store(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store that holds mixed@1: columns of numbers and texts, answered by ONNX."""
    needs(importlib.util.find_spec("skl2onnx"), "needs skl2onnx")
    place = str(tmp_path_factory.mktemp("onnx") / "store")
    labels = np.where(rows.a + (rows.c == "x") > 0.5, "yes", "no")
    encode = make_column_transformer((StandardScaler(), ["a", "b"]), (OneHotEncoder(), ["c"]))
    with warm.saves():
        model = make_pipeline(encode, LogisticRegression()).fit(rows, labels)
        version = cloche.save(model, "mixed", inputs=rows, targets=labels, engine="onnx", store=place, quiet=True)
    assert version.engine.startswith("onnx, within 1e-05 of the model's own answers on")
    return place


def test_the_manifest_says_what_was_compared(store: str, rows: pd.DataFrame) -> None:
    model, own = cloche.load("mixed", store=store), cloche.load("mixed", engine="native", store=store)
    assert (model.engine, own.engine) == ("onnx", "native")
    record = model.manifest.onnx
    assert record is not None
    assert record.refused is None
    assert record.rows >= 200
    assert record.boundary_rows > 50
    assert record.worst < 1e-6
    assert model.manifest.twin is not None
    assert model.manifest.twin.refused == "engine='onnx' was asked for"
    answers, native = model.predict(rows.head(50)), own.predict(rows.head(50))
    assert answers.prediction == native.prediction
    np.testing.assert_allclose(answers.probabilities["yes"], native.probabilities["yes"], rtol=1e-5, atol=1e-5)


def test_loading_imports_no_model_library(store: str) -> None:
    code = (
        "import sys, cloche; m = cloche.load('mixed', store=sys.argv[1]);"
        "m.predict({'a': 1.0, 'b': 0.0, 'c': 'x'});"
        "print(m.engine, [one for one in ('sklearn', 'scipy', 'pandas', 'skops', 'onnx') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, store], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "onnx []", done.stderr


def test_it_is_served_in_engine_processes_and_says_so(store: str) -> None:
    own = cloche.load("mixed", engine="native", store=store).predict(ROW)
    flags = ["--engine", "onnx", "--workers", "2", "--log-format", "json"]
    with serving(["mixed"], store=store, flags=flags) as server:
        answer = asked(server, "/predict", ROW)
        guaranteed = asked(server, "/metadata")["guaranteed"]
        assert len(of_role(server.process.pid, "engine")) == 2
        lines = [json.loads(line) for line in server.said().splitlines() if line.startswith("{")]
    assert guaranteed == {"engine": "onnx", "tolerance": {"dtype": "float32", "absolute": 1e-5, "relative": 1e-5}}
    assert answer["prediction"] == own.prediction
    assert answer["probabilities"] == pytest.approx(own.probabilities, rel=1e-5, abs=1e-5)
    assert [one["engine"] for one in lines if one.get("event") == "request" and one["path"] == "/predict"] == ["onnx"]


def test_a_version_without_it_is_refused(store: str) -> None:
    with pytest.raises(EngineMissingError, match="no engine 'twin' in this artifact: engine='onnx' was asked for"):
        cloche.load("mixed", engine="twin", store=store)


def test_trees_behind_a_scaler_are_not_admitted(store: str) -> None:
    """float32 moves values across thresholds that lie exactly between whole numbers."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.integers(0, 50, 500) * 1.0, "b": rng.integers(0, 100, 500) * 1.0})
    labels = np.where(table.a * 7 % 13 > 6, "yes", "no")
    forest = RandomForestClassifier(20, random_state=0)
    model = make_pipeline(StandardScaler(), forest).fit(table, labels)
    with pytest.raises(SaveRefusedError, match="it would answer differently"):
        cloche.save(model, "forest", inputs=table, engine="onnx", store=store, quiet=True)


def test_a_version_without_it_is_exported_where_it_answers_alike(tmp_path: Path) -> None:
    needs(importlib.util.find_spec("skl2onnx"), "needs skl2onnx")
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=80), "b": rng.normal(size=80)})
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(table, table.a > 0)
    cloche.save(linear, "linear", inputs=table, store=str(tmp_path / "store"), quiet=True)
    here = workplace(str(tmp_path / "store"))
    assert open_version(here, "linear")[1].engine.name == "twin"
    converted = exported(open_version(here, "linear", engine="native")[1])
    assert [one.fields for one in converted.interface.inputs] == [("a", "b")]
    assert converted.raw
