"""Boosters from `cloche.save` and from `cloche save FILE` to answers over HTTP: those of their own libraries."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

import boosted_models as models
import cloche
import warm
from conftest import needs
from servers import cloche_here, serving

#: Saved, served and compared: a twin, two native boosters with categories, boosters inside a pipeline.
SERVED = ("lightgbm-two", "xgboost-three", "catboost-text", "xgboost-vote")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    needs(importlib.util.find_spec("catboost"), "needs catboost")
    folder = str(tmp_path_factory.mktemp("boosters") / "store")
    with warm.saves():
        for name in SERVED:
            model, table = models.fitted(name)
            cloche.save(model, name, inputs=table, store=folder, quiet=True)
    return folder


@pytest.fixture(scope="module")
def url(store: str) -> Any:
    with serving(SERVED, store=store) as server:
        yield server.url


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    plain = table.astype(object).where(table.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]


@pytest.mark.parametrize("name", SERVED)
def test_http_answers_as_the_library(name: str, url: str) -> None:
    model, table = models.fitted(name)
    few = table.head(60)
    answer = httpx.post(f"{url}/models/{name}/predict", json=_rows(few), timeout=30).raise_for_status().json()
    assert answer["prediction"] == np.asarray(model.predict(few)).ravel().tolist()
    shares = np.column_stack([answer["probabilities"][str(one)] for one in model.classes_.tolist()])
    tolerance = 1e-5 if name.startswith("xgboost") else 1e-9
    np.testing.assert_allclose(shares, model.predict_proba(few), rtol=tolerance, atol=tolerance)
    alone = httpx.post(f"{url}/models/{name}/predict", json=_rows(few)[7], timeout=30).json()
    assert alone["prediction"] == answer["prediction"][7]


@pytest.mark.parametrize("name", ["lightgbm-two", "xgboost-three"])
def test_a_level_that_the_library_takes_without_a_word_is_refused(name: str, url: str) -> None:
    row = {**_rows(models.X)[0], "kind": "flet"}
    answer = httpx.post(f"{url}/models/{name}/predict", json=row, timeout=30)
    assert answer.status_code == 400
    assert "kind: unknown level 'flet'; did you mean 'flat'?" in answer.json()["message"]


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        pytest.param("lightgbm-two", "twin", id="lightgbm"),
        pytest.param("xgboost-three", "native: XGBoost adds its trees up in float32", id="xgboost"),
        pytest.param("catboost-text", "native: CatBoost with categories", id="catboost"),
    ],
)
def test_what_answers_is_told(name: str, engine: str, store: str) -> None:
    found = cloche.load(name, store=store).manifest
    told = "twin" if "twin" in found.engines else f"native: {found.twin.refused}" if found.twin else ""
    assert told.startswith(engine)
    assert found.tolerance.dtype == ("float32" if name.startswith("xgboost") else "float64")


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        pytest.param("lightgbm-booster", ".txt", id="lightgbm"),
        pytest.param("xgboost-two", ".ubj", id="xgboost"),
        pytest.param("catboost-two", ".cbm", id="catboost"),
    ],
)
def test_a_file_of_the_library_is_saved_from_the_command_line(name: str, suffix: str, tmp_path: Path) -> None:
    model, table = models.fitted(name)
    file, rows, store = tmp_path / f"model{suffix}", tmp_path / "rows.csv", str(tmp_path / "store")
    model.save_model(str(file))
    table.to_csv(rows, index=False)
    with warm.saves():
        done = cloche_here("save", str(file), "--name", "m", "--inputs", str(rows), store=store)
    assert done.returncode == 0, done.stderr
    assert "m version 1 (contract 1, live)" in done.stdout
    answer = cloche.load("m", store=store).predict(table.head(5))
    own = model.predict(table.head(5))
    labels = np.asarray(own) if suffix != ".txt" else (np.asarray(own) > 0.5).astype(int)
    assert [str(one) for one in answer.prediction] == [str(one) for one in labels.tolist()]
