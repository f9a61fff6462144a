"""
What a twin's answer costs: `python bench/twin.py` prints µs a row by batch size, row way, column way and library.

The model is the mixed one of the design: eight numbers and four categories with missing values, imputed, scaled,
one-hot encoded, and a logistic regression. `ROW_LIMIT` of `engines/twin/engine.py` is where the two ways cross.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

from cloche.contract.infer import infer, output_of  # noqa: E402
from cloche.engines import NativeEngine  # noqa: E402
from cloche.engines.twin import TwinEngine, engine  # noqa: E402
from cloche.flavors import get_flavor  # noqa: E402
from cloche.saving.material import gather  # noqa: E402
from cloche.saving.request import SaveRequest  # noqa: E402

SIZES = (1, 2, 4, 8, 16, 32, 64)
ROWS = 1000


def table() -> pd.DataFrame:
    """Eight numbers and four categories, a tenth of each missing."""
    rng = np.random.default_rng(0)
    found = pd.DataFrame({f"n{i}": rng.normal(size=ROWS) for i in range(8)})
    for i in range(4):
        found[f"c{i}"] = rng.choice(list("abcde"), ROWS)
    return found.mask(rng.random(found.shape) < 0.1)


def model(rows: pd.DataFrame) -> Any:
    """The pipeline, fitted."""
    numbers, categories = list(rows.columns[:8]), list(rows.columns[8:])
    encode = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    columns = make_column_transformer((make_pipeline(SimpleImputer(), StandardScaler()), numbers), (encode, categories))
    return make_pipeline(columns, LogisticRegression()).fit(rows, rows["n1"].fillna(0) > 0.2)


def quickest(ask: Callable[[], Any], for_s: float = 0.3) -> float:
    """Seconds of processor time of the quickest of some calls: what is left where nothing else runs."""
    best, until = float("inf"), time.perf_counter() + for_s
    while time.perf_counter() < until:
        started = time.process_time()
        ask()
        best = min(best, time.process_time() - started)
    return best


def main() -> None:
    """Measure and print."""
    warnings.simplefilter("ignore")
    rows = table()
    fitted, flavor = model(rows), get_flavor("sklearn")
    facts = flavor.facts(fitted)
    material, output = gather(SaveRequest(inputs=rows), facts), output_of(facts, None)
    native = NativeEngine(flavor, fitted, material.frame, output)
    contract = infer(material.table, facts, answers=native.predict).contract
    twin = TwinEngine(flavor.lower(fitted, material.frame, contract), output)
    columns = material.table.to_columns()
    print("| rows | row way | column way | scikit-learn |\n|---|---|---|---|")
    for size in SIZES:
        some = {name: values[:size] for name, values in columns.items()}
        costs = []
        for limit in (ROWS, 0):
            engine.ROW_LIMIT = limit
            costs.append(quickest(lambda given=some, n=size: twin.predict(given, n)))
            if size == 1:  # always goes by the row way
                costs.append(costs[0])
                break
        costs.append(quickest(lambda given=some, n=size: native.predict(given, n)))
        print(f"| {size} | " + " | ".join(f"{cost / size * 1e6:.1f}" for cost in costs) + " |")


if __name__ == "__main__":
    main()
