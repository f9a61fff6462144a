"""`cloche export`: folders that MLflow reads, ONNX files that onnxruntime runs; MLflow itself is in `test_peers`."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
import skops.io
import yaml
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import cloche
import warm
from cloche.api import exporting, pyfunc
from cloche.errors import InvalidInputError, NotLoweredError, UsageError
from conftest import needs
from servers import cloche_here

_DRAWS = np.random.default_rng(0)
TABLE = pd.DataFrame({"age": _DRAWS.integers(18, 90, 200).astype(float), "city": _DRAWS.choice(["Delhi", "Oslo"], 200)})
LABELS = np.where(TABLE.age > 50, 1, 0)


def _mixed() -> Any:
    columns = make_column_transformer((StandardScaler(), ["age"]), (OneHotEncoder(handle_unknown="ignore"), ["city"]))
    return make_pipeline(columns, LogisticRegression()).fit(TABLE, LABELS)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = str(tmp_path_factory.mktemp("export") / "store")
    categories = TABLE.assign(city=TABLE.city.astype("category"))
    told: dict[str, Any] = {"targets": LABELS, "store": place, "quiet": True}
    with warm.saves():
        cloche.save(_mixed(), "mixed", inputs=TABLE, **told)
        cloche.save(_mixed(), "named", inputs=TABLE, classes=["young", "old"], **told)
        cloche.save(KNeighborsClassifier().fit(TABLE[["age"]], LABELS), "near", inputs=TABLE[["age"]], **told)
        forest = make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0))
        cloche.save(forest.fit(TABLE[["age"]], LABELS), "forest", inputs=TABLE[["age"]], **told)
        hist = HistGradientBoostingClassifier(max_iter=2, categorical_features="from_dtype").fit(categories, LABELS)
        cloche.save(hist, "categories", inputs=categories, **told)
    return place


def _mlmodel(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((folder / "MLmodel").read_text())
    return document


@pytest.mark.parametrize("name", ["mixed", "near"])
def test_a_model_of_scikit_learn_is_a_skops_file(name: str, store: str, tmp_path: Path) -> None:
    found = exporting.export(f"{name}@1", "mlflow", tmp_path / "m", store=store)
    document = _mlmodel(tmp_path / "m")
    facts = document["flavors"]["sklearn"]
    assert (facts["pickled_model"], facts["serialization_format"]) == ("model.skops", "skops")
    assert document["flavors"]["python_function"]["loader_module"] == "mlflow.sklearn"
    model = skops.io.load(tmp_path / "m" / "model.skops", trusted=facts["skops_trusted_types"])
    rows = TABLE[[field.name for field in cloche.load(name, store=store).contract.inputs]].head(20)
    assert list(model.predict(rows)) == cloche.load(name, store=store).predict(rows).prediction
    assert not any("cloche" in line for line in (tmp_path / "m" / "requirements.txt").read_text().splitlines())
    assert "MLmodel" in found.files


def test_signature_example_and_environment(store: str, tmp_path: Path) -> None:
    exporting.export("mixed", "mlflow", tmp_path / "m", store=store)
    document = _mlmodel(tmp_path / "m")
    assert json.loads(document["signature"]["inputs"]) == [
        {"type": "double", "name": "age", "required": True},
        {"type": "string", "name": "city", "required": True},
    ]
    assert json.loads(document["signature"]["outputs"]) == [{"type": "long", "required": True}]
    example = msgspec.json.decode((tmp_path / "m" / "input_example.json").read_bytes())
    assert (example["columns"], len(example["data"])) == (["age", "city"], 1)
    assert yaml.safe_load((tmp_path / "m" / "python_env.yaml").read_text())["dependencies"] == ["-r requirements.txt"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        pytest.param("named", "labels or threshold are the version's own", id="labels-of-its-owner"),
        pytest.param("categories", "'city' (category) is one that MLflow does not make", id="categories-of-pandas"),
    ],
)
def test_what_the_model_alone_would_answer_otherwise_goes_through_cloche(
    name: str, why: str, store: str, tmp_path: Path
) -> None:
    found = exporting.export(name, "mlflow", tmp_path / "m", store=store)
    loader = _mlmodel(tmp_path / "m")["flavors"]["python_function"]
    assert (loader["loader_module"], loader["data"]) == ("cloche.api.pyfunc", "artifact")
    assert why in found.notes[0]
    assert any(line.startswith("cloche==") for line in (tmp_path / "m" / "requirements.txt").read_text().splitlines())
    model = pyfunc._load_pyfunc(str(tmp_path / "m" / loader["data"]))
    rows = TABLE.head(20)
    assert model.predict(rows) == cloche.load(name, store=store).predict(rows).prediction
    with pytest.raises(InvalidInputError):
        model.predict(rows.assign(age="old"))


def test_an_mlflow_folder_comes_back(store: str, tmp_path: Path) -> None:
    exporting.export("mixed", "mlflow", tmp_path / "m", store=store)
    with warm.saves():
        done = cloche_here("import", str(tmp_path / "m"), "--name", "again", "--store", str(tmp_path / "s"))
    assert done.returncode == 0, done.stderr
    again, before = cloche.load("again", store=str(tmp_path / "s")), cloche.load("mixed", store=store)
    rows = TABLE.head(20)
    assert again.predict(rows).probabilities == before.predict(rows).probabilities


def test_onnx_answers_the_golden_rows(store: str, tmp_path: Path) -> None:
    needs(importlib.util.find_spec("skl2onnx"), "needs skl2onnx")
    done = cloche_here("export", "mixed", "--to", "onnx", "-o", str(tmp_path / "o"), "--json", "--store", store)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] == ["interface.json", "model.onnx"]


def test_a_forest_behind_a_scaler_is_not_exported(store: str, tmp_path: Path) -> None:
    """Its thresholds are moved by float32: golden rows alone would not show it."""
    needs(importlib.util.find_spec("skl2onnx"), "needs skl2onnx")
    with pytest.raises(NotLoweredError, match="it would answer differently"):
        exporting.export("forest", "onnx", tmp_path / "o", store=store)
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        pytest.param(["mixed", "--to", "mlflow", "-o", "full"], 2, "does not exist or is empty", id="a-full-folder"),
        pytest.param(["gone", "--to", "mlflow", "-o", "new"], 3, "gone", id="no-such-model"),
        pytest.param(["mixed", "--to", "pmml", "-o", "new"], 2, "is not one of", id="another-form"),
    ],
)
def test_what_is_refused_writes_nothing(
    arguments: list[str], status: int, says: str, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    done = cloche_here("export", *arguments, "--store", store)
    assert done.returncode == status
    assert says in done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["full", "mine.txt"]


def test_an_unknown_form_is_a_wrong_call(store: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected one of mlflow, onnx"):
        exporting.export("mixed", "pmml", tmp_path / "x", store=store)
