"""
Write the store of the cloche that is installed into tests/museum/VERSION/, once a release.

    python tests/museum/make.py

The models are small and fitted on made-up tables, one for each kind of task and field.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import cloche

MUSEUM = Path(__file__).parent


def table() -> pd.DataFrame:
    """A made-up table: two numbers (one with gaps), a category, a flag."""
    random = np.random.default_rng(7)
    n = 120
    size = random.normal(50.0, 10.0, n)
    weight = np.where(random.random(n) < 0.1, np.nan, size * 2 + random.normal(0, 5, n))
    colour = random.choice(["red", "green", "blue"], n)
    return pd.DataFrame(
        {"size": size.round(2), "weight": weight.round(2), "colour": colour, "round": random.random(n) < 0.5}
    )


def models(inputs: pd.DataFrame) -> dict[str, tuple[Any, pd.DataFrame, pd.Series | None]]:
    """For each name: the fitted model, its inputs, its targets."""
    kind = pd.Series(np.where(inputs["size"] > 50, "large", "small"), name="kind")
    price = (inputs["size"] * 3).rename("price")
    mixed = make_column_transformer(
        (OneHotEncoder(), ["colour"]), (StandardScaler(), ["size"]), ("passthrough", ["round"])
    )
    used, numbers = inputs[["size", "colour", "round"]], inputs[["size", "weight"]]
    return {
        "classes": (make_pipeline(mixed, LogisticRegression()).fit(used, kind), used, kind),
        "prices": (HistGradientBoostingRegressor(max_iter=5).fit(numbers, price), numbers, price),
        "oddities": (IsolationForest(n_estimators=5, random_state=0).fit(inputs[["size"]]), inputs[["size"]], None),
    }


def rows(inputs: pd.DataFrame) -> list[dict[str, Any]]:
    """Three wire rows: `null` where a value is missing."""
    found: list[dict[str, Any]] = json.loads(inputs.head(3).to_json(orient="records"))
    return found


def main() -> int:
    """Save every model, the first one twice with a promote between; write what they answer."""
    home = MUSEUM / cloche.__version__
    if home.exists():
        print(f"{home} is there; a release's store is never written twice", file=sys.stderr)
        return 1
    home.mkdir()
    os.environ["CLOCHE_STORE"] = str(home / "store")
    os.environ["CLOCHE_CACHE"] = tempfile.mkdtemp()
    answers = {}
    for name, (model, inputs, targets) in models(table()).items():
        cloche.save(model, name, inputs=inputs, targets=targets)
        if name == "classes":
            cloche.save(model, name, inputs=inputs, targets=targets, promote=True)
        sample = rows(inputs)
        answer = cloche.load(name).predict(sample)
        answers[name] = {"rows": sample, "prediction": answer.prediction, "probabilities": answer.probabilities}
    (home / "answers.json").write_text(json.dumps(answers, indent=1) + "\n", "utf-8")
    print(home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
