"""Keras: attacks, layers, heads and files in one process of their own; and from `save` to HTTP without Keras."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import cloche
from conftest import needs
from servers import serving

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]
TESTS = Path(__file__).parents[1]
NOT_OPENED = "UntrustedTypeError: .* which is not opened here"
ATTACKS = {
    "lambda": NOT_OPENED,
    "lambda-as-a-value": NOT_OPENED,
    "function-of-os": NOT_OPENED,
    "activation-by-a-strange-name": "UntrustedTypeError: .* the activation 'system' is not one of Keras' own",
    "typespec": NOT_OPENED,
    "saved-model-layer": NOT_OPENED,
    "torch-layer": NOT_OPENED,
    "registered-name": NOT_OPENED,
    "class-of-a-module": "UntrustedTypeError: .* holds subprocess.Popen, which is none of Keras' own layers",
    "class-that-is-no-layer": "UntrustedTypeError: .* holds collections.OrderedDict",
    "keras-utility": NOT_OPENED,
    "vocabulary-from-a-file": "UntrustedTypeError: .* reads its vocabulary from the file",
    "custom-layer": r'UntrustedTypeError: .*trust.allowed_types = \["keras_layers.Doubled"\]',
    "allowed-custom-layer": "opened Sequential",
    "allowed-class-that-is-no-layer": "UntrustedTypeError: .* expected a layer or a model of Keras",
    "allowed-lambda": NOT_OPENED,
    "path-outside": "ArchiveLimitError: .* plain relative paths",
    "member-nobody-knows": "WrongFormatError: .* got config.json, evil.py",
    "bomb": "ArchiveLimitError: .* would unpack to",
    "truncated": "WrongFormatError: .* expected a zip archive",
    "pickle": "WrongFormatError: .* got a pickle; it was not opened",
    "external-link": "UntrustedTypeError: .* are a link to elsewhere",
    "external-storage": "UntrustedTypeError: .* lie in another file",
    "virtual-tensor": "UntrustedTypeError: .* lie in another file",
    "soft-link": "UntrustedTypeError: .* are a link to elsewhere",
    "weights-of-text": "TamperedModelError: .* no numbers",
    "weights-of-another-shape": "TamperedModelError: .* Keras does not open it",
    "too-wide": "TamperedModelError: .* units = 1000000000, and there are 15 weights",
    "config-that-is-no-json": "WrongFormatError: .* no JSON",
    "config-too-deep": "ArchiveLimitError: .* inside each other",
    "h5-lambda": NOT_OPENED,
    "h5-pickle": "WrongFormatError: .* got a pickle; it was not opened",
    "h5-weights-alone": "WrongFormatError: .* holds weights and no model",
    "h5-truncated": "WrongFormatError: .* expected weights in HDF5",
    "saved-model-by-its-path": "UntrustedCodeError: .* a SavedModel is a program",
    "save-lambda": "SaveRefusedError: .* instead of a Lambda layer, which is a program",
    "save-unbuilt": "SaveRefusedError: the model has never been called",
    "save-strange-option": "UsageError: depth: not an option of a Keras model",
    "flips": "opened refused",
    "canary": "False",
}
FILES = {
    "same-again": "True False False",
    "from-h5": "True",
    "saved-model": "True True 0",
    "stays-lstm": "NotLoweredError: the layer LSTM",
    "stays-half-precision": "NotLoweredError: .* computes in mixed_bfloat16",
    "stays-custom": "NotLoweredError: the layer Doubled",
    "stays-masked-embedding": "NotLoweredError: .* masks zeros",
    "head-softmax": r"classification none \(0, 1, 2\)",
    "head-softmax-layer": r"classification none \(0, 1, 2\)",
    "head-sigmoid": r"classification none \(0, 1\)",
    "head-sigmoids": r"multilabel none \(0, 1, 2\)",
    "head-logits-by-classes": r"classification softmax \(0, 1, 2\)",
    "head-logits-by-targets": r"classification softmax \(0, 1, 2\)",
    "head-number": "regression none None",
    "head-numbers-by-targets": "multioutput_regression none None",
    "head-own-class": r"classification softmax \(0, 1\)",
}


def test_every_case_ends_as_it_has_to(tmp_path: Path) -> None:
    """One process for all: what came is compared by name."""
    needs(importlib.util.find_spec("tensorflow"), "needs Keras and TensorFlow")
    env = os.environ | {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)]),
    }
    done = subprocess.run(
        [sys.executable, str(TESTS / "keras_cases.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-3000:])
    found = json.loads(done.stdout.splitlines()[-1])
    expected = ATTACKS | FILES | {name: "equal" for name in found if name.startswith("net-")}
    assert set(found) == set(expected) | {"opset"}
    wrong = {name: found[name] for name, pattern in expected.items() if not re.match(pattern, found[name], re.DOTALL)}
    assert not wrong
    assert not (tmp_path / "canary").exists()


def test_from_the_example_to_http_without_keras(tmp_path: Path) -> None:
    """The example fits and saves; what it saved is loaded, and served, where Keras is never imported."""
    needs(importlib.util.find_spec("tensorflow"), "needs Keras and TensorFlow")
    example = TESTS.parent / "examples" / "keras_wine.py"
    env = os.environ | {"CLOCHE_STORE": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, str(example)], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "engine: onnx, within 1e-05 of the model's own answers on" in done.stdout
    row, said = json.loads(done.stdout.splitlines()[-2]), json.loads(done.stdout.splitlines()[-1])
    with serving(["wine"], store=str(tmp_path)) as server:
        body = json.dumps(row).encode()
        request = urllib.request.Request(f"{server.url}/predict", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            served: dict[str, Any] = json.load(answer)
    assert served["probabilities"] == pytest.approx(dict(zip(served["probabilities"], said, strict=True)), abs=1e-5)
    assert cloche.load("wine", store=str(tmp_path)).predict(row).prediction == served["prediction"]
    assert "keras" not in sys.modules
