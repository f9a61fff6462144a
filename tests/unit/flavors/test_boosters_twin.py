"""The twins of boosters: LightGBM's and CatBoost's trees answer as their libraries do, at every boundary."""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import numpy as np
import pytest

import boosted_models as models
from cloche import tables
from cloche.contract.compiled import compile_contract
from cloche.contract.infer import infer, output_of
from cloche.contract.model import Contract, Field, Output
from cloche.engines import NativeEngine, guard
from cloche.engines.trees import Walker, library
from cloche.engines.twin import TwinEngine
from cloche.engines.twin import trees as evaluators
from cloche.errors import InvalidInputError, NotLoweredError
from cloche.flavors import Flavor, flavor_of, get_flavor
from cloche.graph import ValidGraph
from cloche.graph import weights as files
from cloche.manifest import Tolerance
from cloche.records import FrameColumn, FrameSpec
from cloche.saving.material import gather
from cloche.saving.request import SaveRequest
from conftest import needs

ALL = {**models.MAKE, **models.INSIDE}
#: Why a model has no twin; all others have one.
NATIVE = {
    "lightgbm-linear": "LightGBM with linear trees",
    "lightgbm-pandas": "pandas categories inside a pipeline",
    "catboost-categories": "CatBoost with categories",
    "catboost-text": "CatBoost with categories",
    "catboost-lossguide": "not symmetric",
    **{name: "float32" for name in ALL if name.startswith("xgboost")},
}
LOWERED = sorted(ALL.keys() - NATIVE.keys())


@pytest.mark.parametrize(("name", "there_is_one"), [("catboost", True), ("lightgbm", True), ("xgboost", False)])
def test_the_table_of_flavors_lists_a_twin_where_there_can_be_one(name: str, there_is_one: bool) -> None:
    needs(importlib.util.find_spec(name), f"needs {name}")
    assert (type(get_flavor(name)).lower is not Flavor.lower) == there_is_one


class Pair:
    """A model and its twin under the contract that is learnt from its table."""

    def __init__(self, name: str) -> None:
        model, table = models.fitted(name)
        flavor = flavor_of(model)
        bundled = flavor.bundle(model, {}, table)
        facts = flavor.facts(bundled)
        self.material = gather(SaveRequest(inputs=table), facts)
        native = None

        def answers(columns: Any, n: int) -> Any:
            nonlocal native
            native = native or NativeEngine(flavor, bundled, self.material.frame, output)
            return native.predict(columns, n)

        output = output_of(facts)
        self.contract = infer(self.material.table, self.material.facts, answers=answers).contract
        self.native = NativeEngine(flavor, bundled, self.material.frame, self.contract.output)
        self.graph = flavor.lower(bundled, self.material.frame, self.contract)

    def opened(self) -> ValidGraph:
        return files.open_graph(self.graph.graph.to_json(), files.to_bytes(self.graph.weights.to_dict()))


@pytest.fixture(scope="module")
def pairs() -> dict[str, Pair]:
    return {}


@pytest.mark.parametrize(
    ("name", "kernel"),
    [*((name, "lightgbm") for name in LOWERED), *((name, "numpy") for name in ("lightgbm-three", "catboost-three"))],
)
def test_the_twin_answers_as_the_model(
    name: str, kernel: str, pairs: dict[str, Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    if kernel == "numpy":
        monkeypatch.setattr(evaluators, "kernel", Walker)
    else:
        needs(library(), "needs lightgbm and libgomp")
    pair = pairs[name] = pairs.get(name) or Pair(name)
    opened = pair.opened()
    compiled = compile_contract(pair.contract)
    reference = tables.to_wire(pair.material.table, pair.contract)[:60]
    boundary = guard.boundary_rows(pair.contract, reference, guard.thresholds(opened))
    rows = [row for row in [*reference, *boundary] if _taken(compiled, row)]
    assert len(rows) > 100
    columns = compiled.validate(rows, single=False).columns()
    expected = pair.native.predict(columns, len(rows))
    found, worst = guard.mismatches(TwinEngine(opened, pair.contract.output), columns, expected, Tolerance())
    assert found == []
    assert worst < 1e-12


def _taken(compiled: Any, row: Any) -> bool:
    try:
        compiled.validate([row], single=True)
    except InvalidInputError:
        return False
    return True


@pytest.mark.parametrize("name", [one for one in LOWERED if one.startswith("lightgbm") and one in models.MAKE])
def test_lightgbm_is_followed_by_its_own_predictor(name: str, pairs: dict[str, Pair]) -> None:
    needs(library(), "needs lightgbm and libgomp")
    graph = (pairs.get(name) or Pair(name)).opened()
    node = next(one for one in graph.graph.nodes if one.__struct_config__.tag == "trees")
    width = graph.shapes[node.of[0]].width
    assert evaluators._kernel(node, graph.weights, (graph.shapes[node.of[0]],)).name == "lightgbm"  # type: ignore[arg-type]
    assert width in (3, 4)


@pytest.mark.parametrize("name", sorted(NATIVE))
def test_a_model_without_a_twin_says_why(name: str) -> None:
    with pytest.raises(NotLoweredError, match=NATIVE[name]):
        Pair(name)


# -- where LightGBM compares in its own way ---------------------------------------------------------

_ODD = [0.0, -0.0, 1e-36, -1e-36, 1e-35, -1e-35, 2e-35, -2e-35, 5e-324, 1.0, -1.0, 1e300, -1e300, math.inf, -math.inf]


@pytest.mark.parametrize(
    ("options", "gaps"),
    [
        pytest.param({}, True, id="missing-is-nan"),
        pytest.param({}, False, id="missing-is-zero"),
        pytest.param({"use_missing": False}, True, id="missing-is-not-used"),
    ],
)
def test_zeros_and_missing_numbers_go_where_lightgbm_sends_them(options: Any, gaps: bool) -> None:
    rng = np.random.default_rng(4)
    table = rng.normal(size=(300, 3)) * (rng.random((300, 3)) > 0.4)
    target = (table > 0).sum(axis=1) + 3 * (table[:, 0] == 0)
    if gaps:
        table[rng.random(table.shape) < 0.1] = np.nan
    model = models._lgb("Regressor", **options).fit(table, target)
    pair = _pair(model, table)
    rows = rng.choice([*_ODD, math.nan], size=(400, 3))
    columns = {f"x{i}": [None if x != x else float(x) for x in rows[:, i]] for i in range(3)}
    expected = model.booster_.predict(rows)
    assert TwinEngine(pair, _number()).predict(columns, 400).prediction == expected.tolist()


def _number() -> Output:
    return Output(task="regression", type="number")


def _pair(model: Any, table: Any) -> ValidGraph:
    names = [f"x{i}" for i in range(table.shape[1])]
    contract = Contract(fields=tuple(Field(name=one, type="number", nullable=True) for one in names), output=_number())
    frame = FrameSpec("numpy", tuple(FrameColumn(one, "float64") for one in names))
    return flavor_of(model).lower(model, frame, contract)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(
            lambda: models._lgb("Regressor", zero_as_missing=True).fit(models.NUMBERS.to_numpy(), models.VALUE),
            "zero_as_missing",
            id="zeros-are-missing",
        ),
        pytest.param(
            lambda: models._lgb("Regressor", cat_smooth=1, min_data_per_group=1).fit(
                np.column_stack([np.arange(240) % 40 * 10, models.VALUE, models.VALUE]),
                np.arange(240) % 40 % 3,
                categorical_feature=[0],
            ),
            "codes of categories up to",
            id="codes-above-255",
        ),
        pytest.param(
            lambda: models._lgb("Regressor", objective="regression", reg_sqrt=True).fit(
                models.NUMBERS.to_numpy(), models.VALUE
            ),
            "objective 'regression sqrt'",
            id="square-root",
        ),
    ],
)
def test_what_the_twin_cannot_say_stays_with_lightgbm(make: Any, words: str) -> None:
    model = make()
    with pytest.raises(NotLoweredError, match=words):
        _pair(model, models.NUMBERS)
