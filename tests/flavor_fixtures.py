"""
What each flavor brings to the contract suite: a fitted model, its tables and the library's own answers.

One function and one line in `FIXTURES` a flavor; a flavor of `FLAVORS` without a line fails the suite by its name.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from cloche.flavors import get_flavor
from cloche.testing import Example
from cloche.trust import DEFAULT

#: A package that is installed nowhere else: the functions and the private flavor of the tests.
ACME = Path(__file__).parent / "acme_package"


@dataclass(frozen=True)
class Fixture:
    """How to make the example, the module or program it needs, its page (under docs/), its script (under examples/)."""

    example: Callable[[], Example]
    needs: str
    page: str
    script: str


def table(rows: int = 120, seed: int = 0) -> pd.DataFrame:
    """A small mixed table: two numbers and a category."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"age": rng.uniform(18, 80, rows).round(1), "income": rng.gamma(2.0, 20.0, rows).round(2)})
    return frame.assign(city=rng.choice(["oslo", "paris", "rome"], rows))


def price(frame: pd.DataFrame) -> Any:
    """A target that depends on all of it."""
    return (
        5.0 + 0.3 * frame["age"] + 0.1 * frame["income"] + frame["city"].map({"oslo": 0.0, "paris": 4.0, "rome": 8.0})
    )


def sklearn_example() -> Example:
    """A pipeline of a one-hot encoder and a forest."""
    frame = table()
    labels = np.where(price(frame) > price(frame).median(), "high", "low")
    encode = make_column_transformer((OneHotEncoder(sparse_output=False), ["city"]), remainder="passthrough")
    model = make_pipeline(encode, RandomForestClassifier(5, random_state=0)).fit(frame, labels)
    rows = table(8, seed=1)
    return Example(model, frame, rows, model.predict(rows), model.predict_proba(rows))


def statsmodels_example() -> Example:
    """A logit with a category, an interaction and a transform."""
    smf = importlib.import_module("statsmodels.formula.api")
    frame = table()
    frame["dear"] = (price(frame) + np.random.default_rng(2).normal(0.0, 6.0, len(frame)) > 25).astype(int)
    results = smf.logit("dear ~ C(city, Sum) * age + np.log(income)", frame).fit(disp=False)
    rows = table(8, seed=1)
    share = results.predict(rows).to_numpy()
    inputs = frame.drop(columns="dear")
    return Example(results, inputs, rows, (share > 0.5).astype(int), np.column_stack([1 - share, share]))


def function_example() -> Example:
    """A function of a package that the operator allows."""
    acme = importlib.import_module("acme.pricing")
    rows = table(8, seed=1)
    allowed = frozenset({"acme.pricing.quote"})
    return Example("acme.pricing:quote", table(), rows, acme.quote(rows.to_dict("list")), allowed_functions=allowed)


_R = """
paths <- commandArgs(trailingOnly = TRUE)
table <- read.csv(paths[1], stringsAsFactors = TRUE)
fit <- lm(price ~ age * city + log(income), data = table)
saveRDS(fit, paths[3])
writeLines(format(predict(fit, read.csv(paths[2])), digits = 17), paths[4])
"""


def r_example() -> Example:
    """A linear model that R fitted, and what R answers."""
    frame, rows = table(), table(8, seed=1)
    noise = np.random.default_rng(2).normal(0.0, 2.0, len(frame))
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("table.csv", "rows.csv", "fit.rds", "answers.txt")]
        frame.assign(price=price(frame) + noise).to_csv(paths[0], index=False)
        rows.to_csv(paths[1], index=False)
        subprocess.run(
            ["Rscript", "--vanilla", "-e", _R, *map(str, paths)], check=True, capture_output=True, timeout=60
        )
        answers = [float(line) for line in paths[3].read_text("utf-8").split()]
        model = get_flavor("r").open_file(paths[2], DEFAULT)
    return Example(model, frame, rows, answers)


def catboost_example() -> Example:
    """A regressor of numbers and a category."""
    catboost = importlib.import_module("catboost")
    frame, rows = table(), table(8, seed=1)
    model = catboost.CatBoostRegressor(iterations=20, depth=3, verbose=False, allow_writing_files=False, random_seed=0)
    model.fit(frame, price(frame), cat_features=["city"])
    return Example(model, frame, rows, model.predict(rows))


def lightgbm_example() -> Example:
    """A classifier of numbers and a pandas category."""
    lightgbm = importlib.import_module("lightgbm")
    cities = pd.CategoricalDtype(["oslo", "paris", "rome"])
    frame, rows = (table(count, seed).astype({"city": cities}) for count, seed in ((120, 0), (8, 1)))
    labels = np.where(price(table()) > price(table()).median(), "high", "low")
    model = lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1).fit(frame, labels)
    return Example(model, frame, rows, model.predict(rows), model.predict_proba(rows))


def xgboost_example() -> Example:
    """A regressor of numbers, some of them missing."""
    xgboost = importlib.import_module("xgboost")
    frame, rows = table()[["age", "income"]], table(8, seed=1)[["age", "income"]]
    frame.loc[::9, "income"] = np.nan
    model = xgboost.XGBRegressor(n_estimators=12, max_depth=3, n_jobs=1).fit(frame, price(table()))
    return Example(model, frame, rows, model.predict(rows).astype(float))


def keras_example() -> Example:
    """A classifier of three numbers."""
    keras = importlib.import_module("keras")
    keras.utils.set_random_seed(7)
    rng = np.random.default_rng(0)
    numbers, rows = rng.normal(size=(120, 3)), rng.normal(size=(6, 3))
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(3, "softmax")])
    shares = np.asarray(model(rows, training=False)).astype(float)
    targets = np.arange(120) % 3
    return Example(model, numbers, rows, shares.argmax(axis=1), shares, targets=targets)


def onnx_example() -> Example:
    """A linear model as one tensor operator."""
    onnx = importlib.import_module("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    weights = np.array([[0.5], [-1.0], [2.0]], dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", kinds.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", kinds.FLOAT, ["n", 1])],
        [onnx.numpy_helper.from_array(weights, "w"), onnx.numpy_helper.from_array(np.float32([1.5]), "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    rng = np.random.default_rng(0)
    numbers, rows = rng.normal(size=(80, 3)), rng.normal(size=(6, 3))
    answers = (rows.astype(np.float32) @ weights + np.float32(1.5)).ravel().astype(float)
    return Example(model, numbers, rows, answers, options={"task": "regression"})


def torch_example() -> Example:
    """A net of PyTorch's own layers for a table of numbers."""
    torch = importlib.import_module("torch")
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).eval()
    rng = np.random.default_rng(0)
    table_, rows = rng.normal(size=(80, 3)), rng.normal(size=(6, 3))
    with torch.inference_mode():
        answers = net(torch.tensor(rows, dtype=torch.float32)).numpy().ravel().astype(float)
    return Example(net, table_, rows, answers, targets=rng.normal(size=80))


FIXTURES: dict[str, Fixture] = {
    "catboost": Fixture(catboost_example, "catboost", "how-to/save-boosters.md", "catboost_wine.py"),
    "function": Fixture(function_example, "cloche", "how-to/serve-a-function.md", "price_function.py"),
    "keras": Fixture(keras_example, "tensorflow", "how-to/serve-a-keras-model.md", "keras_wine.py"),
    "lightgbm": Fixture(lightgbm_example, "lightgbm", "how-to/save-boosters.md", "lightgbm_diabetes.py"),
    "onnx": Fixture(onnx_example, "onnx", "how-to/serve-onnx-files.md", "onnx_breast_cancer.py"),
    "r": Fixture(r_example, "Rscript", "how-to/serve-an-r-model.md", "iris.R"),
    "sklearn": Fixture(sklearn_example, "sklearn", "tutorials/first-service.md", "fastapi_service.py"),
    "statsmodels": Fixture(statsmodels_example, "statsmodels", "how-to/save-statsmodels.md", "statsmodels_glm.py"),
    "torch": Fixture(torch_example, "torch", "how-to/serve-a-pytorch-net.md", "torch_penguins.py"),
    "xgboost": Fixture(xgboost_example, "xgboost", "how-to/save-boosters.md", "xgboost_breast_cancer.py"),
}


def importable(module: str) -> bool:
    """Whether *module* is installed; nothing is imported."""
    return module in sys.modules or importlib.util.find_spec(module) is not None


def installed(name: str) -> bool:
    """Whether there is a module or a program called *name*."""
    return importable(name) or shutil.which(name) is not None
