"""Everything that save refuses: each with a message that names the place and the way out."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import Birch
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from cloche.errors import SaveRefusedError, UsageError
from cloche.saving import SaveRequest, stage
from cloche.trust import TrustPolicy

X = pd.DataFrame({"age": [20.0, 30.0, 40.0, 50.0] * 30, "height": np.linspace(1.5, 2.0, 120)})
Y = pd.Series([0, 1, 0, 1] * 30, name="label")


def fitted(step=None):
    head = LogisticRegression()
    return (head if step is None else make_pipeline(step, head)).fit(X, Y)


def closure():
    def inner(table):
        return table

    return inner


REFUSED = [
    pytest.param(lambda: X, {}, "expected a fitted model", id="a-table"),
    pytest.param(lambda: "model.pkl", {}, "expected a fitted model", id="a-string"),
    pytest.param(LogisticRegression, {"inputs": X}, "fit", id="not-fitted"),
    pytest.param(lambda: LogisticRegression, {"inputs": X}, "fit", id="the-class-itself"),
    pytest.param(lambda: fitted(FunctionTransformer(lambda table: table)), {"inputs": X}, "lambda", id="a-lambda"),
    pytest.param(lambda: fitted(FunctionTransformer(closure())), {"inputs": X}, "top level", id="a-closure"),
    pytest.param(lambda: Birch().fit(X), {"inputs": X}, "cannot be stored", id="birch"),
    pytest.param(fitted, {"inputs": X.assign(label=Y), "targets": Y}, "equal to the targets", id="targets-as-a-column"),
    pytest.param(fitted, {"inputs": X[["age"]]}, "height", id="a-column-missing"),
    pytest.param(fitted, {"inputs": X.rename(columns={"age": "Age"})}, "did you rename 'Age'", id="a-column-renamed"),
    pytest.param(fitted, {"inputs": X, "targets": Y[:-1]}, "120 and 119", id="other-rows-than-targets"),
    pytest.param(fitted, {"inputs": X, "test": (X, Y[:-1])}, "120 and 119", id="other-rows-in-the-test-set"),
    pytest.param(fitted, {"inputs": X, "test": X}, "pair", id="a-test-set-without-truth"),
    pytest.param(fitted, {"inputs": X, "keys": ("id",)}, "no column 'id'", id="a-key-that-is-no-column"),
    pytest.param(fitted, {"inputs": X, "classes": ["no"]}, "expected 2 labels", id="too-few-labels"),
    pytest.param(fitted, {"inputs": X, "overrides": {"age": {"minimum": 30}}}, "contradicts", id="a-rule-against-data"),
    pytest.param(
        lambda: LinearRegression().fit(X.to_numpy(), Y), {"inputs": X[["age"]]}, "2 columns", id="too-few-columns"
    ),
    pytest.param(
        lambda: LogisticRegression().fit(X.assign(label=Y), Y), {"inputs": X.assign(label=Y), "targets": Y}, "label",
        id="a-column-equal-to-the-targets",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("make", "request_", "says"), REFUSED)
def test_refused_with_the_recipe_and_nothing_left(make, request_, says, tmp_path):
    with pytest.raises(SaveRefusedError, match=says):
        stage(make(), "m", SaveRequest(**request_), previous=None, root=tmp_path, trust=TrustPolicy(), created_by="t")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        pytest.param({"golden": "all"}, "golden", id="unknown-golden"),
        pytest.param({"overrides": {"agee": {"minimum": 0}}}, "age", id="a-rule-for-no-field"),
        pytest.param({"metrics": {"auc": float("nan")}}, "auc", id="a-figure-that-is-none"),
    ],
)
def test_wrong_arguments_are_usage_errors(request_, says, tmp_path):
    request = SaveRequest(inputs=X, **request_)
    with pytest.raises(UsageError, match=says):
        stage(fitted(), "m", request, previous=None, root=tmp_path, trust=TrustPolicy(), created_by="t")
    assert list(tmp_path.iterdir()) == []


SCRIPT = """
    from pathlib import Path
    from sklearn.base import BaseEstimator, TransformerMixin
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from cloche.errors import SaveRefusedError
    from cloche.saving import SaveRequest, stage
    from cloche.trust import TrustPolicy

    class Mine(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            self.fitted_ = True
            return self
        def transform(self, X):
            return X

    if __name__ == "__main__":
        rows = [[1.0], [2.0], [3.0]]
        model = make_pipeline(Mine(), LinearRegression()).fit(rows, [1.0, 2.0, 3.0])
        trust = TrustPolicy(allowed_types=frozenset({"__main__.Mine"}))
        try:
            stage(model, "m", SaveRequest(inputs=rows), previous=None, root=Path("."), trust=trust, created_by="t")
        except SaveRefusedError as exc:
            print(exc)
"""


def test_a_class_of_the_script_itself_is_refused_even_where_it_is_allowed(tmp_path):
    (tmp_path / "train.py").write_text(textwrap.dedent(SCRIPT))
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=tmp_path, env=_environment(), capture_output=True, text=True, check=True
    )
    assert "__main__" in done.stdout
    assert "Mine" in done.stdout
    assert "pip install" in done.stdout


def _environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
