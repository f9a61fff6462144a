"""`cloche.save(engine=…)` and `cloche.load(engine=…)`: what answers, and what is said of it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import cloche
from cloche.errors import EngineMissingError, SaveRefusedError, UsageError
from servers import cloche as cli


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=80), "b": rng.normal(size=80), "c": rng.choice(["x", "y"], 80)})
    return table, np.where(table.a + (table.c == "x") > 0.5, "yes", "no")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return str(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def linear(rows):
    table, y = rows
    encode = make_column_transformer((StandardScaler(), ["a", "b"]), (OneHotEncoder(), ["c"]))
    return make_pipeline(encode, LogisticRegression()).fit(table, y)


@pytest.fixture(scope="module")
def saved(linear, rows, store):
    return cloche.save(linear, "linear", inputs=rows[0], targets=rows[1], store=store, quiet=True)


def test_the_summary_says_what_answers(saved):
    assert saved.engine.startswith("twin, equal to the model's own answers on")
    assert f"engine: {saved.engine}" in str(saved)


def test_the_twin_answers_what_the_library_does(saved, rows, store):
    twin = cloche.load("linear", store=store)
    native = cloche.load("linear", engine="native", store=store)
    assert (twin.engine, native.engine) == ("twin", "native")
    answers = twin.predict(rows[0].head(20))
    own = native.predict(rows[0].head(20))
    assert answers.prediction == own.prediction
    np.testing.assert_allclose(answers.probabilities["yes"], own.probabilities["yes"], rtol=1e-9, atol=1e-9)
    record = twin.manifest.twin
    assert record.refused is None
    assert record.rows >= 80
    assert record.boundary_rows > 50
    assert record.worst < 1e-12


def test_loading_imports_no_model_library(saved, store):
    code = (
        "import sys, cloche; m = cloche.load('linear', store=sys.argv[1]);"
        "m.predict({'a': 1.0, 'b': 0.0, 'c': 'x'});"
        "print(m.engine, [one for one in ('sklearn', 'scipy', 'pandas', 'skops') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, store], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "twin []", done.stderr


def test_native_by_choice(linear, rows, store):
    version = cloche.save(linear, "chosen", inputs=rows[0], engine="native", store=store, quiet=True)
    assert version.engine == "native: engine='native' was asked for"
    assert cloche.load("chosen", store=store).engine == "native"
    with pytest.raises(EngineMissingError, match="was asked for"):
        cloche.load("chosen", engine="twin", store=store)


def test_a_model_without_a_twin_stays_with_its_library_and_says_why(rows, store):
    numbers = rows[0][["a", "b"]]
    model = make_pipeline(StandardScaler(), KNeighborsClassifier()).fit(numbers, rows[1])
    with pytest.raises(SaveRefusedError, match="KNeighborsClassifier has no twin; use engine='auto'"):
        cloche.save(model, "near", inputs=numbers, engine="twin", store=store, quiet=True)
    version = cloche.save(model, "near", inputs=numbers, store=store, quiet=True)
    assert version.version == 1
    assert version.engine == "native: KNeighborsClassifier has no twin"
    assert cloche.load("near", store=store).engine == "native"


def test_the_command_line_takes_the_engine(linear, rows, tmp_path):
    file, table, store = tmp_path / "m.skops", tmp_path / "rows.csv", str(tmp_path / "store")
    skops.io.dump(linear, file)
    rows[0].to_csv(table, index=False)
    given = ("save", str(file), "--name", "m", "--inputs", str(table))
    done = cli(*given, "--engine", "native", store=store)
    assert "engine: native: engine='native' was asked for" in done.stdout
    assert cli(*given, "--engine", "fast", store=store).returncode == 2


def test_an_unknown_engine_is_refused(linear, rows, store):
    with pytest.raises(UsageError, match="expected one of auto, twin, native, onnx, got 'fast'"):
        cloche.save(linear, "m", inputs=rows[0], engine="fast", store=store)
