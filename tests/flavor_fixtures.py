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
    "function": Fixture(function_example, "cloche", "how-to/serve-a-function.md", "price_function.py"),
    "r": Fixture(r_example, "Rscript", "how-to/serve-an-r-model.md", "iris.R"),
    "sklearn": Fixture(sklearn_example, "sklearn", "tutorials/first-service.md", "fastapi_service.py"),
    "statsmodels": Fixture(statsmodels_example, "statsmodels", "how-to/save-statsmodels.md", "statsmodels_glm.py"),
    "torch": Fixture(torch_example, "torch", "how-to/serve-a-pytorch-net.md", "torch_penguins.py"),
}


def importable(module: str) -> bool:
    """Whether *module* is installed; nothing is imported."""
    return module in sys.modules or importlib.util.find_spec(module) is not None


def installed(name: str) -> bool:
    """Whether there is a module or a program called *name*."""
    return importable(name) or shutil.which(name) is not None
