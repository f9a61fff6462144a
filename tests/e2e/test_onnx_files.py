"""A `.onnx` file from the command line to HTTP: same answers, no library that made it."""

from __future__ import annotations

import ast
import importlib.util
import json
import runpy
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest

import cloche
import onnx_models as made
import warm
from conftest import needs
from servers import Server, serving
from servers import cloche as command

pytestmark = pytest.mark.e2e
TABLE = pd.DataFrame(np.random.default_rng(0).normal(size=(120, 3)), columns=["a", "b", "c"])


def asked(server: Server, path: str, body: Any) -> Any:
    request = urllib.request.Request(
        f"{server.url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_from_the_file_to_http(tmp_path: Path) -> None:
    file, table, store = tmp_path / "net.onnx", tmp_path / "rows.csv", str(tmp_path / "store")
    onnx.save_model(made.net(None), file)
    TABLE.to_csv(table, index=False)
    names = [word for label in ("red", "green", "blue") for word in ("--class", label)]
    done = command("save", str(file), "--name", "net", "--inputs", str(table), *names, store=store)
    assert done.returncode == 0, done.stderr
    assert "engine: onnx, within 1e-05 of the model's own answers on" in done.stdout
    assert "note: output 'out': the network answers logits: cloche applies the softmax" in done.stdout
    rows = TABLE.head(20)
    logits = onnxruntime.InferenceSession(made.net(None).SerializeToString()).run(
        None, {"x": rows.to_numpy(dtype=np.float32)}
    )[0]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    with serving(["net"], store=store) as server:
        answer = asked(server, "/predict", rows.to_dict("records"))
        one = asked(server, "/predict", rows.to_dict("records")[0])
    assert answer["prediction"] == [["red", "green", "blue"][place] for place in expected.argmax(axis=1)]
    np.testing.assert_allclose(answer["probabilities"]["green"], expected[:, 1], atol=1e-6)
    assert one["prediction"] == answer["prediction"][0]


def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    needs(importlib.util.find_spec("skl2onnx"), "needs skl2onnx")
    monkeypatch.setenv("CLOCHE_STORE", str(tmp_path))
    with warm.saves():
        runpy.run_path(str(Path(__file__).parents[2] / "examples" / "onnx_breast_cancer.py"))
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("onnx, within 1e-05 of the model's own answers on")
    assert set(ast.literal_eval(said[1])) <= {"malignant", "benign"}


def test_from_python_by_path_and_by_object(tmp_path: Path) -> None:
    file, store = tmp_path / "mixed.onnx", str(tmp_path / "store")
    onnx.save_model(made.mixed(), file)
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"size": rng.normal(size=60), "colour": rng.choice(["red", "blue"], 60)})
    with warm.saves():
        first = cloche.save(str(file), "mixed", inputs=table, store=store, quiet=True)
        second = cloche.save(made.mixed(), "mixed", inputs=table, store=store, quiet=True)
    assert (first.version, second.version) == (1, 2)
    model, own = cloche.load("mixed", store=store), cloche.load("mixed", engine="native", store=store)
    assert (model.engine, own.engine) == ("onnx", "native")
    row = {"size": 0.5, "colour": "red"}
    assert model.predict(row).prediction == own.predict(row).prediction == 2.5
    assert model.manifest.framework == "ONNX (opset 17)"
