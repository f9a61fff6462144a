"""
Every scikit-learn classifier and regressor that can be fitted, saved and served: HTTP answers as the model itself.

Ten models share a store and a server of this process, whose engines are what an engine process runs, behind the bytes
of its pipe. One model of each task is served by `cloche serve` too. CI takes all of them; a local run every third.
"""

from __future__ import annotations

import io
import math
import os
import warnings
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sklearn.base import is_classifier
from tests.estimators import CLASSIFIERS, REGRESSORS, fitted

import cloche
import warm
from cloche import pipes
from cloche.artifact import open_artifact
from cloche.config import ServerConfig
from cloche.records import Columns, Outputs
from cloche.registry import Registry
from cloche.serving.deployment import Deployment
from cloche.serving.deployments import Deployments
from cloche.serving.engine_child import ChildEngine
from cloche.store import Store
from cloche.trust import TrustPolicy
from local_server import local_server
from servers import serving
from simulators import FakeEngine, deployment, deployments

NAMES = sorted({*CLASSIFIERS, *REGRESSORS})
if not os.environ.get("CI"):
    NAMES = NAMES[::3]
GROUPS = [NAMES[start : start + 10] for start in range(0, len(NAMES), 10)]
ONE_OF_EACH_TASK = ["LogisticRegression", "ClassifierChain", "HistGradientBoostingRegressor", "MultiOutputRegressor"]
#: Draws its answers at random by nature (`strategy="stratified"` and the like are).
RANDOM = frozenset({"DummyClassifier"})


def _slug(name: str) -> str:
    return name.lower()


def _rows(X: Any) -> list[dict[str, float]]:
    table = np.asarray(X)
    table = table.reshape(len(table), -1)
    return [{f"x{place}": value for place, value in enumerate(row)} for row in table.tolist()]


def _own_answers(model: Any, X: Any) -> tuple[list[Any], list[list[float]] | None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predictions = np.asarray(model.predict(X))
        given = model.predict_proba(X) if hasattr(model, "predict_proba") else None
    shares = None if given is None or isinstance(given, list) else np.asarray(given).tolist()
    if predictions.ndim == 2 and is_classifier(model):  # an indicator a label; the answer lists those that apply
        return [np.flatnonzero(row).tolist() for row in predictions], shares
    if predictions.ndim == 2:
        predictions = predictions[:, 0] if predictions.shape[1] == 1 else predictions
    return predictions.tolist(), shares


def _same(got: Any, own: Any) -> bool:
    if isinstance(got, dict):
        return all(_same(one, other) for one, other in zip(got.values(), own, strict=True))
    if isinstance(own, list):
        return all(_same(one, other) for one, other in zip(got, own, strict=True))
    if isinstance(own, float):
        return got is None if not math.isfinite(own) else abs(got - own) <= 1e-9 + 1e-9 * abs(own)
    return bool(got == own)


def _save(names: list[str], store: str) -> None:
    with warm.saves():
        for name in names:
            model, X, _ = fitted(name)
            cloche.save(model, _slug(name), inputs=X, store=store, quiet=True)


def _opened(registry: Registry, name: str, cache: Path) -> Deployment:
    """The live version of a model, its engine without a process."""
    record = registry.resolve(name).version
    opened = open_artifact(registry.fetch(record, cache), TrustPolicy())
    child = ChildEngine(opened)

    def answer(columns: Columns, n: int) -> Outputs:
        call = pipes.read(io.BytesIO(pipes.message_bytes({"columns": columns, "n": n})))
        return Outputs.from_dict(pipes.read(io.BytesIO(pipes.message_bytes(child.answer(call)))))

    return deployment(FakeEngine(answer), name=name, contract=opened.contract, queue_rows=1000)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("names", GROUPS, ids=lambda names: f"{names[0]}-to-{names[-1]}")
def test_over_http_they_answer_as_the_model_itself(names: list[str], tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    _save(names, store)
    registry = Registry(Store.open(store, tmp_path))

    def held() -> Deployments:
        return deployments(*(_opened(registry, _slug(name), tmp_path / "cache") for name in names))

    with (
        local_server(held, ServerConfig(port=0)) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        for name in names:
            _check(http, name)


def test_so_they_do_from_processes_of_their_own(tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    _save(ONE_OF_EACH_TASK, store)
    with serving(["--all"], store=store) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        for name in ONE_OF_EACH_TASK:
            _check(http, name)


def _check(http: httpx.Client, name: str) -> None:
    model, X, _ = fitted(name)
    rows = _rows(X)
    answer = http.post(f"/models/{_slug(name)}/predict", json=rows)
    assert answer.status_code == 200, (name, answer.text)
    got, (own, shares) = answer.json(), _own_answers(model, X)
    if name in RANDOM:
        return
    assert all(_same(*pair) for pair in zip(got["prediction"], own, strict=True)), name
    table = got.get("probabilities") or {}
    if shares is not None and table and not isinstance(next(iter(table.values())), dict):
        by_row = list(zip(*table.values(), strict=True))
        assert all(_same(list(ours), theirs) for ours, theirs in zip(by_row, shares, strict=True)), name
    for place in (0, len(rows) - 1):
        alone = http.post(f"/models/{_slug(name)}/predict", json=rows[place]).json()
        assert _same(alone["prediction"], own[place]), (name, place)
