"""The FastAPI and the Flask example, a mounted `cloche.asgi` and `cloche serve` give the same answers; scripts run."""

from __future__ import annotations

import importlib
import importlib.util
import runpy
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

import warm
from conftest import needs
from servers import serving

EXAMPLES = Path(__file__).parents[2] / "examples"
GOOD = {
    "island": "Dream",
    "bill_length_mm": 39.1,
    "bill_depth_mm": 18.7,
    "flipper_length_mm": 181,
    "body_mass_g": 3750,
    "sex": None,
}
BODIES: dict[str, Any] = {
    "one": GOOD,
    "many": [GOOD, GOOD | {"sex": "female", "island": "Biscoe"}],
    "none": [],
    "bad": GOOD | {"island": "Dreem"},
}


def _same(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "request_id"}


def test_all_doors_agree(penguins_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOCHE_STORE", penguins_store)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    fastapi_service = importlib.import_module("fastapi_service")
    flask_service = importlib.import_module("flask_service")
    try:
        with serving(["penguins"], store=penguins_store) as server, TestClient(fastapi_service.app) as fast:
            flask = flask_service.app.test_client()
            for name, body in BODIES.items():
                expected = httpx.post(f"{server.url}/predict", json=body, timeout=30)
                answers = {
                    "mounted": fast.post("/cloche/predict", json=body),
                    "fastapi": fast.post("/species", json=body),
                }
                for door, answer in answers.items():
                    assert answer.status_code == expected.status_code, (name, door)
                    assert _same(answer.json()) == _same(expected.json()), (name, door)
                flasked = flask.post("/species", json=body)
                assert flasked.status_code == expected.status_code, name
                assert _same(flasked.get_json()) == _same(expected.json()), name
    finally:
        fastapi_service.served.close()
        flask_service.served.close()
        for module in ("fastapi_service", "flask_service"):
            sys.modules.pop(module)


@pytest.mark.parametrize(
    ("script", "library", "engine"),
    [
        pytest.param("xgboost_breast_cancer", "xgboost", "native: XGBoost", id="xgboost"),
        pytest.param("lightgbm_diabetes", "lightgbm", "twin, equal to", id="lightgbm"),
        pytest.param("catboost_wine", "catboost", "twin, equal to", id="catboost"),
    ],
)
def test_a_script_fits_saves_and_asks(
    script: str,
    library: str,
    engine: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    needs(importlib.util.find_spec(library), f"needs {library}")
    monkeypatch.setenv("CLOCHE_STORE", str(tmp_path))
    with warm.saves():
        names = runpy.run_path(str(EXAMPLES / f"{script}.py"))
    assert names["version"].engine.startswith(engine)
    assert len(names["answer"].prediction) == 3
    assert names["version"].engine in capsys.readouterr().out
