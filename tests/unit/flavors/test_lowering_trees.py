"""Trees and what is made of them: the twin answers as scikit-learn does, to the last bit where no link follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import threadpoolctl
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import tree_defects
import tree_models
from cloche import tables
from cloche.contract.model import Contract, Field, Output
from cloche.engines.parity import differences
from cloche.engines.trees import Walker, kernel, library
from cloche.engines.twin import trees as evaluators
from cloche.engines.twin.engine import TwinEngine
from cloche.errors import NotLoweredError
from cloche.flavors.sklearn.facts import facts_of
from cloche.flavors.sklearn.lowering import lower
from cloche.flavors.sklearn.predict import predict
from cloche.graph import ValidGraph, validate
from cloche.graph.operators.trees import Trees
from cloche.manifest import Tolerance
from cloche.records import Columns, FrameColumn, FrameSpec, Outputs
from conftest import needs

TOLERANCE = Tolerance(dtype="float64", absolute=1e-9, relative=1e-9)
NUMPY_FRAME = FrameSpec("numpy", tuple(FrameColumn(f"x{i}", "float64") for i in range(tree_models.N)))
ALL_KERNELS = pytest.mark.parametrize("kernels", ["lightgbm", "numpy"], indirect=True)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """More threads than free cores make hist gradient boosting a hundred times slower."""
    with threadpoolctl.threadpool_limits(1):
        yield


@pytest.fixture
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "numpy":
        monkeypatch.setattr(evaluators, "kernel", Walker)
    else:
        needs(library(), "needs lightgbm and libgomp")
    return str(request.param)


def contract_of(model: Any, fields: tuple[Field, ...]) -> Contract:
    facts = facts_of(model)
    output = Output(
        task=facts.task,  # type: ignore[arg-type]
        type="number",
        classes=facts.classes,
        names=facts.output_names,
        output_classes=facts.output_classes,
        probabilities=facts.probabilities,
    )
    return Contract(fields=fields, output=output)


class Pair:
    """A model and its twin, asked alike."""

    def __init__(self, model: Any) -> None:
        fields = tuple(Field(name=one.name, type="number", nullable=True) for one in NUMPY_FRAME.columns)
        self.model, self.contract = model, contract_of(model, fields)
        self.graph = lower(model, NUMPY_FRAME, self.contract)
        self.engine = TwinEngine(self.graph, self.contract.output)

    def native(self, rows: Any) -> Outputs:
        return predict(self.model, rows, self.contract.output)

    def twin(self, rows: Any) -> Outputs:
        return self.engine.predict(columns(rows), len(rows))


def columns(rows: Any) -> Columns:
    return {f"x{i}": [None if x != x else x for x in rows[:, i].tolist()] for i in range(rows.shape[1])}


@pytest.mark.parametrize("name", tree_models.NAMES)
@ALL_KERNELS
def test_the_twin_answers_as_the_model_on_boundary_rows(name: str, kernels: str) -> None:
    pair, rows = Pair(tree_models.fitted(name)), tree_models.boundary_rows(name)
    native, twin = pair.native(rows), pair.twin(rows)
    assert differences(native, twin, TOLERANCE) == []
    if not any(node.__struct_config__.tag in ("softmax", "function", "linear") for node in pair.graph.graph.nodes):
        assert twin == native


@pytest.mark.parametrize("name", tree_models.NAMES)
@ALL_KERNELS
def test_a_row_is_answered_alone_as_among_others(name: str, kernels: str) -> None:
    pair, rows = Pair(tree_models.fitted(name)), tree_models.boundary_rows(name)[:64]
    whole = pair.twin(rows)
    for place in range(0, 64, 7):
        assert pair.twin(rows[place : place + 1]) == whole.rows(place, place + 1)
    assert pair.twin(rows[:9]) == whole.rows(0, 9)


@pytest.mark.parametrize("name", tree_models.NAMES)
def test_the_twin_refuses_what_the_model_refuses(name: str) -> None:
    """Missing, infinite, and what is infinite as a float32; a column that no member is shown does not matter."""
    pair = Pair(tree_models.fitted(name))
    near = 2.0**128 - 2.0**103
    for value in (np.nan, np.inf, -1e39, near, np.nextafter(near, 0.0)):
        for column in (0, 4):
            row = tree_models.X[:1].copy()
            row[0, column] = value
            many = np.repeat(row, 12, axis=0)
            for rows in (row, many):
                assert refused(lambda rows=rows: pair.twin(rows)) == refused(lambda rows=rows: pair.native(rows)), value


def refused(ask: Callable[[], Outputs]) -> bool:
    try:
        ask()
    except ValueError:
        return True
    return False


# -- categories -----------------------------------------------------------------------------------


def frame(n: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    found = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "town": pd.Categorical(rng.choice([None, "Bern", "Chur", "Genf", "Zug"], n)),
            "floor": pd.Categorical(rng.choice([-1, 0, 1, 2, 7], n)),
            "age": rng.integers(0, 90, n).astype(float),
        }
    )
    found.loc[rng.random(n) < 0.2, "age"] = np.nan
    return found


def test_pandas_categories_are_encoded_as_the_model_does() -> None:
    table = frame(300, 1)
    y = np.select([table["town"] == "Chur", table["floor"] == 7], ["a", "b"], "c")
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=15, min_samples_leaf=4)
    model.fit(table, y)
    known = tables.read(table)
    fields = (
        Field(name="size", type="number"),
        Field(name="town", type="category", nullable=True, levels=("Bern", "Chur", "Genf", "Zug")),
        Field(name="floor", type="category", nullable=True, levels=(-1, 0, 1, 2, 7)),
        Field(name="age", type="number", nullable=True),
    )
    spec, contract = tables.frame_spec(known), contract_of(model, fields)
    engine = TwinEngine(lower(model, spec, contract), contract.output)
    asked: dict[str, list[Any]] = {
        "size": [0.5, -0.5] * 20,
        "town": ["Bern", "Chur", "Genf", "Zug", None] * 8,
        "floor": [-1, 0, 1, 2, 7, 7, 0, None] * 5,
        "age": [None, 40.0, 3.0, 80.0] * 10,
    }
    native = predict(model, tables.to_frame(asked, spec, 40), contract.output)
    assert differences(native, engine.predict(asked, 40), TOLERANCE) == []
    assert len(set(native.prediction)) == 3


# -- sparse columns -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(lambda: RandomForestClassifier(n_estimators=8, random_state=0), id="forest"),
        pytest.param(lambda: GradientBoostingClassifier(n_estimators=8, random_state=0), id="boosting"),
        pytest.param(lambda: AdaBoostClassifier(n_estimators=8, random_state=0), id="adaboost"),
        pytest.param(lambda: BaggingClassifier(n_estimators=8, random_state=0), id="bagging"),
        pytest.param(lambda: IsolationForest(n_estimators=8, random_state=0), id="isolation"),
    ],
)
def test_sparse_columns_of_words_are_written_out(model: Callable[[], Any]) -> None:
    rng = np.random.default_rng(0)
    words = ["cold", "warm", "mild", "dry", "wet", "windy"]
    texts = [" ".join(rng.choice(words, rng.integers(1, 5))) for _ in range(150)]
    pipeline = make_pipeline(TfidfVectorizer(), model())
    pipeline.fit(texts, np.array(["dry" in text for text in texts]))
    contract = contract_of(pipeline, (Field(name="text", type="text"),))
    spec = FrameSpec("series", (FrameColumn("text", "str"),))
    engine = TwinEngine(lower(pipeline, spec, contract), contract.output)
    asked = [*texts[:40], "", "unknown", "cold cold DRY"]
    native = predict(pipeline, asked, contract.output)
    assert differences(native, engine.predict({"text": asked}, len(asked)), TOLERANCE) == []
    assert differences(native.rows(0, 3), engine.predict({"text": asked[:3]}, 3), TOLERANCE) == []


@pytest.mark.parametrize("threshold", [0.0, 1.0], ids=["dense", "sparse"])
def test_an_isolation_forest_sends_missing_values_as_the_table_of_the_model_has_them(threshold: float) -> None:
    table = frame(200, 4)[["age", "town"]]
    encoded = ColumnTransformer(
        [("town", OneHotEncoder(handle_unknown="ignore"), ["town"])],
        remainder="passthrough",
        sparse_threshold=threshold,
    )
    model = make_pipeline(encoded, IsolationForest(n_estimators=12, random_state=0)).fit(table)
    assert model[0].sparse_output_ is bool(threshold)
    fields = (
        Field(name="age", type="number", nullable=True),
        Field(name="town", type="category", nullable=True, levels=("Bern", "Chur", "Genf", "Zug")),
    )
    spec, contract = tables.frame_spec(tables.read(table)), contract_of(model, fields)
    engine = TwinEngine(lower(model, spec, contract), contract.output)
    asked: dict[str, list[Any]] = {
        "age": [None, 3.0, 40.0, 88.0] * 10,
        "town": ["Bern", "Chur", "Genf", "Zug", None] * 8,
    }
    native = predict(model, tables.to_frame(asked, spec, 40), contract.output)
    assert differences(native, engine.predict(asked, 40), TOLERANCE) == []


# -- what stays native ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(
            lambda X, y: GradientBoostingRegressor(init=LinearRegression(), n_estimators=3).fit(X, y),
            "begins differently for each row",
            id="boosting-from-a-model",
        ),
        pytest.param(
            lambda X, y: GradientBoostingClassifier(init=DummyClassifier(strategy="uniform"), n_estimators=3).fit(
                X, y > 0
            ),
            "begins differently for each row",
            id="boosting-from-lots",
        ),
        pytest.param(
            lambda X, y: IsolationForest(n_estimators=3, max_samples=1).fit(X), "one sample", id="isolation-of-one"
        ),
        pytest.param(
            lambda X, y: type("Own", (RandomForestClassifier,), {})(n_estimators=3).fit(X, y > 0),
            "Own has no twin",
            id="a-subclass",
        ),
    ],
)
def test_what_is_not_known_to_be_the_same_stays_native(make: Callable[[Any, Any], Any], reason: str) -> None:
    with pytest.raises(NotLoweredError, match=reason):
        Pair(make(tree_models.X, tree_models.NUMBER))


def test_more_splits_than_a_twin_holds_stay_native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloche.flavors.sklearn.lowering.trees.forests.MAX_SPLITS", 10)
    with pytest.raises(NotLoweredError, match="a twin holds at most 10"):
        Pair(tree_models.fitted("forest-regressor"))


# -- planted defects ------------------------------------------------------------------------------


@pytest.mark.parametrize("defect", sorted(tree_defects.DEFECTS))
def test_boundary_rows_catch_a_planted_defect(defect: str) -> None:
    """In every model of a list of different ones that has a place for it."""
    found = [caught for name in _VARIED for caught in planted(defect, name)]
    assert found, "no model has a place for it"
    assert all(found)


_VARIED = (
    "forest-classifier",
    "forest-with-gaps",
    "forest-regressor",
    "boosting-three",
    "boosting-squared",
    "hist-with-gaps",
    "hist-categories-with-gaps",
)


def planted(defect: str, name: str) -> Iterator[bool]:
    pair = Pair(tree_models.fitted(name))
    changed = tree_defects.planted(defect, pair.graph.graph, pair.graph.weights.to_dict())
    if changed is None:
        return
    graph, arrays = changed
    wrong = TwinEngine(validate(graph, arrays), pair.contract.output)
    rows = tree_models.boundary_rows(name)
    yield differs(pair, wrong, rows) or admits(pair, wrong)


def differs(pair: Pair, wrong: TwinEngine, rows: Any) -> bool:
    try:
        answers = wrong.predict(columns(rows), len(rows))
    except ValueError:
        return True
    return differences(pair.native(rows), answers, TOLERANCE) != []


def admits(pair: Pair, wrong: TwinEngine) -> bool:
    """Whether it answers a row of infinity, which the model refuses."""
    row = np.full((1, tree_models.N), np.inf)
    return refused(lambda: pair.native(row)) and not refused(lambda: wrong.predict(columns(row), 1))


def test_a_kernel_is_made_once_for_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr(evaluators, "kernel", lambda one: made.append(one) or kernel(one))
    graph: ValidGraph = Pair(tree_models.fitted("forest-regressor")).graph
    assert sum(isinstance(node, Trees) for node in graph.graph.nodes) == len(made) == 1
