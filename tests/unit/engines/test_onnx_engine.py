"""The engine `onnx` of verified files: what it opens, and files that do not belong together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import onnx_models as made
from cloche.contract.model import Contract, Field, Output
from cloche.engines.onnx import open_onnx
from cloche.errors import ManifestError, MissingFileError, TamperedModelError
from cloche.onnx import INTERFACE, MODEL, Interface, Prepared, Result, Tensor

CONTRACT = Contract(
    fields=tuple(Field(name=name, type="number") for name in ("a", "b", "c")),
    output=Output(task="classification", type="string", classes=("r", "g", "b"), probabilities=True),
)
SHARES = (Result(name="out", role="probabilities"),)
ABC: tuple[str, ...] = ("a", "b", "c")


def files(**said: Any) -> dict[str, bytes]:
    interface = Interface(**{"inputs": (Tensor(name="x", fields=ABC, finite=True),), "outputs": SHARES} | said)
    return {MODEL: made.net().SerializeToString(), INTERFACE: interface.to_json()}


def test_it_answers_and_refuses() -> None:
    engine = open_onnx(files(), CONTRACT)
    rows = {"a": [0.5, 1.0], "b": [0.0, -1.0], "c": [2.0, 3.0]}
    found = engine.predict(rows, 2)
    logits = np.array(list(rows.values())).T @ made.KERNEL
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
    assert found.prediction == [("r", "g", "b")[place] for place in expected.argmax(axis=1)]
    with pytest.raises(ValueError, match="a: a value is missing"):
        engine.predict({"a": [None], "b": [0.0], "c": [0.0]}, 1)


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        pytest.param({INTERFACE: b""}, MissingFileError, "interface.json", id="no-interface"),
        pytest.param({MODEL: b""}, MissingFileError, "model.onnx", id="no-model"),
        pytest.param(
            files(inputs=(Tensor(name="x", fields=("a", "b", "z")),)), ManifestError, "no field 'z'", id="strange-field"
        ),
        pytest.param(
            files(inputs=(Tensor(name="y", fields=ABC),)),
            TamperedModelError,
            "no input 'y'; it has x",
            id="strange-input",
        ),
        pytest.param(
            files(inputs=(Tensor(name="x", fields=ABC, dtype="int64"),)),
            TamperedModelError,
            "got int64",
            id="other-type",
        ),
        pytest.param(
            files(outputs=(Result(name="y", role="value"),)), TamperedModelError, "no output 'y'", id="strange-output"
        ),
        pytest.param(
            files(inputs=(), prepared=Prepared(by="os.system")), ManifestError, "got 'os.system'", id="strange-preparer"
        ),
    ],
)
def test_files_that_do_not_belong_together(given: dict[str, bytes], error: type[Exception], told: str) -> None:
    held = {name: raw for name, raw in (files() | given).items() if raw}
    with pytest.raises(error, match=told):
        open_onnx(held, CONTRACT)
