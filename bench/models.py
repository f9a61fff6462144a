"""
The models of the measurements for cloche: the same estimators on the same data with the same seeds as the peers' own.

    python bench/models.py SCRATCH            publish a, b, c
    python bench/models.py SCRATCH --time     how long `cloche.save` of c on 100,000 rows takes

SCRATCH holds a copy of the peers (see README.md); data and rows come from its `common/make_models.py`.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import cloche

IRIS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
ROWS = 20_000


def iris() -> tuple[pd.DataFrame, Any]:
    """The table of a and b."""
    table, targets = load_iris(return_X_y=True)
    return pd.DataFrame(table, columns=IRIS), targets


def mixed(peers: Any, rows: int) -> tuple[pd.DataFrame, Any]:
    """The table of c: eight numbers, four categories, missing values."""
    table = peers.table(rows)
    return table[peers.NUM + peers.CAT], table.target


def pipeline(peers: Any) -> Pipeline:
    """c, not fitted."""
    columns = [
        ("num", StandardScaler(), peers.NUM),
        ("cat", OneHotEncoder(handle_unknown="ignore", sparse_output=False), peers.CAT),
    ]
    classifier = HistGradientBoostingClassifier(max_iter=100, random_state=0)
    return Pipeline([("pre", ColumnTransformer(columns)), ("clf", classifier)])


def main() -> None:
    """Fit and publish, or time a save."""
    scratch = Path(sys.argv[1])
    sys.path.insert(0, str(scratch / "common"))
    peers = importlib.import_module("make_models")
    if "--time" in sys.argv:
        table, targets = mixed(peers, 100_000)
        model = pipeline(peers).fit(table, targets)
        start = time.perf_counter()
        cloche.save(model, "large", inputs=table, targets=targets, store=str(scratch / "store-of-save"), quiet=True)
        print(f"{time.perf_counter() - start:.2f}")
        return
    store = str(scratch / "store")
    table, targets = iris()
    a = LogisticRegression(max_iter=500).fit(table, targets)
    cloche.save(a, "a", inputs=table, targets=targets, store=store)
    cloche.save(a, "a", inputs=table, targets=targets, store=store)  # version 2, to switch to
    b = RandomForestClassifier(100, random_state=0).fit(table, targets)
    cloche.save(b, "b", inputs=table, targets=targets, store=store)
    table, targets = mixed(peers, ROWS)
    cloche.save(pipeline(peers).fit(table, targets), "c", inputs=table, targets=targets, store=store)


if __name__ == "__main__":
    main()
