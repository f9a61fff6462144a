"""
Defects planted in good trees: the guard's own rows must catch every one, in every model that has a place for it.

The other operators' defects stand in `test_guard_mutations.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import threadpoolctl
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import tree_defects
from cloche import tables
from cloche.contract.compiled import compile_contract
from cloche.contract.infer import infer, output_of
from cloche.contract.model import Output
from cloche.engines import guard
from cloche.engines.twin import TwinEngine
from cloche.flavors import get_flavor
from cloche.graph import ValidGraph, validate
from cloche.manifest import Tolerance
from cloche.records import Columns, Outputs
from cloche.saving.material import gather
from cloche.saving.request import SaveRequest

N = 160

#: No row that the contract lets through shows it.
HIDDEN = {"an_input_rule_lost"}


def table(*, gaps: bool = False, categories: bool = False) -> Any:
    """Numbers between float32s, whole numbers, unix seconds; towns where *categories* are asked for."""
    rng = np.random.default_rng(6)
    found = pd.DataFrame(
        {
            "price": rng.lognormal(3, 1, N),
            "rooms": rng.integers(1, 7, N).astype(float),
            "since": 1.6e9 + rng.integers(0, 10**7, N).astype(float),
        }
    )
    if gaps:
        found[rng.random(found.shape) < 0.15] = np.nan
    if categories:
        found["town"] = pd.Categorical(rng.choice(["Bern", "Chur", "Genf", "Zug", None], N))
    return found


def kinds(found: Any) -> Any:
    town = found["town"].cat.codes if "town" in found else 0
    rank = found["price"].fillna(20).rank() + 40 * found["rooms"].fillna(3) + 60 * town
    late = found["since"].fillna(1.6e9) > 1.605e9
    return np.array(["low", "mid", "top"])[np.digitize(rank + 70 * late, [200, 320])]


def amounts(found: Any) -> Any:
    return found["price"].fillna(9) * 2 + found["rooms"].fillna(3) ** 2 + (found["since"].fillna(0) > 1.605e9) * 9.0


_few = {"n_estimators": 6, "random_state": 0}
_hist = {"max_iter": 6, "random_state": 0, "min_samples_leaf": 8}
MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "forest": lambda: fit(RandomForestClassifier(max_depth=4, **_few), table(), kinds),
    "forest-with-gaps": lambda: fit(RandomForestClassifier(max_depth=4, **_few), table(gaps=True), kinds),
    "extra-trees": lambda: fit(ExtraTreesRegressor(max_depth=4, **_few), table(), amounts),
    "boosting": lambda: fit(GradientBoostingClassifier(**_few), table(), kinds),
    "boosting-of-numbers": lambda: fit(GradientBoostingRegressor(**_few), table(), amounts),
    "hist-with-gaps": lambda: fit(HistGradientBoostingRegressor(**_hist), table(gaps=True), amounts),
    "hist-of-towns": lambda: fit(
        HistGradientBoostingClassifier(categorical_features="from_dtype", **_hist),
        table(gaps=True, categories=True),
        kinds,
    ),
    "adaboost": lambda: fit(AdaBoostClassifier(**_few), table(), kinds),
    "scaled": lambda: fit(make_pipeline(StandardScaler(), RandomForestClassifier(max_depth=4, **_few)), table(), kinds),
    "towns-one-hot": lambda: fit(
        make_pipeline(
            ColumnTransformer([("t", OneHotEncoder(handle_unknown="ignore"), ["town"])], remainder=StandardScaler()),
            GradientBoostingClassifier(**_few),
        ),
        table(categories=True),
        kinds,
    ),
}


def fit(model: Any, found: Any, targets: Callable[[Any], Any]) -> tuple[Any, Any]:
    return model.fit(found, targets(found)), found


@dataclass
class Guarded:
    """A good graph, and the rows and answers that the guard compares it with."""

    graph: ValidGraph
    columns: Columns
    expected: Outputs
    output: Output

    def found(self, graph: ValidGraph) -> list[str]:
        """What the guard says of a graph."""
        return guard.mismatches(TwinEngine(graph, self.output), self.columns, self.expected, Tolerance())[0]


@cache
def guarded(name: str) -> Guarded:
    with warnings.catch_warnings(), threadpoolctl.threadpool_limits(1):
        warnings.simplefilter("ignore")
        model, found = MODELS[name]()
        flavor = get_flavor("sklearn")
        facts = flavor.facts(model)
        material, output = gather(SaveRequest(inputs=found), facts), output_of(facts, None)

        def native(columns: Columns, n: int) -> Outputs:
            return flavor.predict(model, tables.to_frame(columns, material.frame, n), output)

        contract = infer(material.table, facts, answers=native).contract
        graph = flavor.lower(model, material.frame, contract)
        reference = tables.to_wire(material.table, contract)
        rows = [*reference, *guard.boundary_rows(contract, reference, guard.thresholds(graph))]
        compiled = compile_contract(contract)
        kept = [row for row in rows if takes(compiled, row)]
        columns = compiled.validate(kept, single=False).columns()
        return Guarded(graph, columns, native(columns, len(kept)), output)


def takes(compiled: Any, row: Any) -> bool:
    try:
        compiled.validate([row], single=True)
    except Exception:
        return False
    return True


@pytest.mark.parametrize("name", sorted(MODELS))
def test_good_trees_pass(name: str) -> None:
    given = guarded(name)
    assert given.found(given.graph) == []


@pytest.mark.parametrize("defect", sorted(set(tree_defects.DEFECTS) - HIDDEN))
def test_the_guard_catches_a_defect_in_every_model_that_has_a_place_for_it(defect: str) -> None:
    caught = {}
    for name in MODELS:
        given = guarded(name)
        changed = tree_defects.planted(defect, given.graph.graph, given.graph.weights.to_dict())
        if changed is not None:
            caught[name] = given.found(validate(*changed)) != []
    assert caught, "no model has a place for it"
    assert all(caught.values()), caught


def test_there_are_enough_defects() -> None:
    assert len(set(tree_defects.DEFECTS) - HIDDEN) >= 20
