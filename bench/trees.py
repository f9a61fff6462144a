"""
What following trees costs: scikit-learn, LightGBM's predictor on our model text, and numpy, on the same fitted models.

    PYTHONPATH=src python bench/trees.py

Prints microseconds of processor time a row and rows a second of one thread, the best of several repeats, for calls
with one row and with 64, over different rows; checks first that the kernels give the same numbers. Kernels are measured
alone: without the graph around them, JSON or HTTP.
"""

from __future__ import annotations

import os

os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})  # before numpy and scikit-learn load

import importlib.metadata
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)

from cloche.contract.model import Contract, Field, Output
from cloche.engines.trees import Booster, Walker, library
from cloche.flavors.sklearn.facts import facts_of
from cloche.flavors.sklearn.lowering import lower
from cloche.graph.operators.trees import Trees
from cloche.graph.trees import Ensemble
from cloche.records import FrameColumn, FrameSpec

SECONDS = 0.4  # of one repeat
REPEATS = 5


def models() -> dict[str, tuple[Any, Any, Callable[[Any], Any]]]:
    """Fitted models, the rows to ask, and the scikit-learn call that gives the answer."""
    table, y = make_classification(4000, 28, n_informative=12, n_classes=3, random_state=0)
    binary = (y > 0).astype(int)
    other, number = make_regression(4000, 28, n_informative=12, noise=10.0, random_state=0)
    forest = RandomForestClassifier(100, random_state=0).fit(table, y)
    shallow = RandomForestClassifier(100, max_depth=8, random_state=0).fit(table, binary)
    regressor = RandomForestRegressor(100, random_state=0).fit(other, number)
    boosting = GradientBoostingClassifier(n_estimators=100, random_state=0).fit(table, binary)
    hist = HistGradientBoostingClassifier(max_iter=100, random_state=0).fit(table, binary)
    hist3 = HistGradientBoostingClassifier(max_iter=100, random_state=0).fit(table, y)
    isolation = IsolationForest(n_estimators=100, random_state=0).fit(table)
    return {
        "RandomForestClassifier, 3 classes": (forest, table, forest.predict_proba),
        "RandomForestClassifier, depth 8, 2 classes": (shallow, table, shallow.predict_proba),
        "RandomForestRegressor": (regressor, other, regressor.predict),
        "GradientBoostingClassifier, depth 3": (boosting, table, boosting.decision_function),
        "HistGradientBoostingClassifier, 31 leaves": (hist, table, hist.decision_function),
        "HistGradientBoostingClassifier, 3 classes": (hist3, table, hist3.decision_function),
        "IsolationForest": (isolation, table, isolation.score_samples),
    }


def ensemble_of(model: Any, width: int) -> Ensemble:
    """The trees of the twin of *model*."""
    facts, names = facts_of(model), [f"x{place}" for place in range(width)]
    output = Output(task=facts.task, type="number", classes=facts.classes, probabilities=facts.probabilities)
    contract = Contract(fields=tuple(Field(name=name, type="number") for name in names), output=output)
    graph = lower(model, FrameSpec("numpy", tuple(FrameColumn(name, "float64") for name in names)), contract)
    node = next(node for node in graph.graph.nodes if isinstance(node, Trees))
    return node.ensemble(width, graph.weights)


def seconds(ask: Callable[[Any], Any], asked: list[Any]) -> float:
    """Processor seconds of one call, over all of *asked* in turn."""
    found = []
    for _ in range(REPEATS):
        start, calls = time.thread_time(), 0
        while time.thread_time() - start < SECONDS / REPEATS:
            for one in asked:
                ask(one)
            calls += len(asked)
        found.append((time.thread_time() - start) / calls)
    return min(found)


def main() -> None:
    """Print the table."""
    found = library()
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "scikit-learn"))
    predictor = "no lightgbm here" if found is None else f"lightgbm {importlib.metadata.version('lightgbm')}"
    print(f"Python {platform.python_version()}, {versions}, {predictor}, {os.cpu_count()} cores\n")
    print("| model | splits | way | 1 row: µs | 64 rows: µs a row | rows/s |")
    print("|---|--:|---|--:|--:|--:|")
    for name, (model, table, native) in models().items():
        ensemble = ensemble_of(model, table.shape[1])
        kernels: list[Any] = [Walker(ensemble)] if found is None else [Booster(ensemble, found), Walker(ensemble)]
        answers = [kernel.columns(table[:500]) for kernel in kernels]
        assert all((answer == answers[0]).all() for answer in answers)
        singles, batches = [table[place : place + 1] for place in range(32)], np.split(table[:2048], 32)
        lists = table[:256].tolist()
        measured = [("scikit-learn", seconds(native, singles), seconds(native, batches))]
        measured += [(one.name, seconds(one.row, lists), seconds(one.columns, batches)) for one in kernels]
        for way, one_row, many in measured:
            cells = [name, f"{ensemble.splits:,}", way, f"{one_row * 1e6:,.1f}", f"{many / 64 * 1e6:,.2f}"]
            print(f"| {' | '.join(cells)} | {64 / many:,.0f} |")


if __name__ == "__main__":
    main()
