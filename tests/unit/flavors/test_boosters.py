"""Boosters of XGBoost, LightGBM and CatBoost: stored in their own formats, they answer as before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import boosted_models as models
from cloche import tables
from cloche.contract.infer import output_of
from cloche.engines import NativeEngine
from cloche.engines.parity import differences
from cloche.errors import SaveRefusedError, UsageError
from cloche.flavors import Flavor, flavor_of
from cloche.records import ModelFacts, Outputs
from cloche.saving.material import Material, gather
from cloche.saving.request import SaveRequest
from cloche.trust import DEFAULT


def opened(name: str, directory: Path) -> tuple[Flavor, ModelFacts, Material, NativeEngine]:
    """The model *name*, stored in *directory* and opened again as an engine."""
    model, table = models.fitted(name)
    flavor = flavor_of(model)
    bundled = flavor.bundle(model, {}, table)
    facts = flavor.facts(bundled)
    material = gather(SaveRequest(inputs=table), facts)
    native = flavor.load(directory, flavor.dump(bundled, directory), DEFAULT)
    return flavor, facts, material, NativeEngine(flavor, native, material.frame, output_of(facts, None))


def own_answers(name: str) -> tuple[list[Any], Any]:
    """What the library itself says of the table: predictions, and probabilities where it has them."""
    model, table = models.fitted(name)
    library = name.partition("-")[0]
    if type(model).__name__ == "Booster":
        if library == "xgboost":
            table = models.library("xgboost").DMatrix(table)
        values = model.predict(table)
        if name in ("lightgbm-raw", "xgboost-softmax"):
            return values.tolist(), None
        return (values > 0.5).astype(int).tolist(), np.column_stack([1 - values, values])
    shares = model.predict_proba(table) if hasattr(model, "predict_proba") else None
    predictions = np.asarray(model.predict(table))
    return (
        predictions.ravel() if predictions.ndim == 2 and predictions.shape[1] == 1 else predictions
    ).tolist(), shares


@pytest.mark.parametrize("name", models.NAMES)
def test_what_is_opened_answers_as_the_library(name: str, tmp_path: Path) -> None:
    flavor, facts, material, engine = opened(name, tmp_path)
    found = engine.predict(material.table.to_columns(), material.table.rows)
    predictions, shares = own_answers(name)
    if facts.task == "multilabel":
        predictions = [np.flatnonzero(row).tolist() for row in predictions]
    if facts.task == "multioutput_regression":
        predictions = [dict(zip(("y0", "y1"), row, strict=True)) for row in predictions]
    expected = Outputs(predictions, found.probabilities if shares is None else np.asarray(shares).tolist())
    assert differences(expected, found, flavor.tolerance(None)) == []
    assert (found.probabilities is not None) == facts.probabilities


@pytest.mark.parametrize("name", models.NAMES)
def test_a_row_alone_is_answered_as_in_a_batch(name: str, tmp_path: Path) -> None:
    flavor, _, material, engine = opened(name, tmp_path)
    columns = material.table.to_columns()
    whole = engine.predict(columns, material.table.rows)
    for row in range(0, 40, 9):
        alone = engine.predict({key: values[row : row + 1] for key, values in columns.items()}, 1)
        assert differences(whole.rows(row, row + 1), alone, flavor.tolerance(None)) == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param("lightgbm-two", "LGBMClassifier", id="lightgbm"),
        pytest.param("xgboost-two", "XGBClassifier", id="xgboost"),
        pytest.param("catboost-two", "CatBoostClassifier", id="catboost"),
        pytest.param("lightgbm-booster", "Booster", id="a-bare-booster"),
    ],
)
def test_what_is_opened_is_the_estimator_that_was_saved(name: str, kind: str, tmp_path: Path) -> None:
    model, table = models.fitted(name)
    flavor = flavor_of(model)
    again = flavor.load(tmp_path, flavor.dump(model, tmp_path), DEFAULT).estimator
    assert type(again).__name__ == kind
    assert np.array_equal(again.predict(table), model.predict(table))
    if kind != "Booster":
        kept = {key: value for key, value in again.get_params().items() if value is not None}
        given = model.get_params()
        assert kept.items() <= {key: value for key, value in given.items() if value is not None}.items()
        assert np.array_equal(again.classes_, model.classes_)
        assert np.asarray(again.classes_).dtype == np.asarray(model.classes_).dtype


# -- what it says of itself -----------------------------------------------------------------------


def facts_of(name: str) -> ModelFacts:
    model, table = models.fitted(name)
    flavor = flavor_of(model)
    return flavor.facts(flavor.bundle(model, {}, table))


@pytest.mark.parametrize(
    ("name", "task", "classes"),
    [
        pytest.param("lightgbm-two", "classification", ("no", "yes"), id="labels"),
        pytest.param("lightgbm-three", "classification", (0, 1, 2), id="codes"),
        pytest.param("lightgbm-booster", "classification", (0, 1), id="a-booster-knows-numbers"),
        pytest.param("lightgbm-number", "regression", None, id="lightgbm-number"),
        pytest.param("lightgbm-ranker", "regression", None, id="a-ranker-scores"),
        pytest.param("lightgbm-raw", "regression", None, id="raw-scores"),
        pytest.param("xgboost-softmax", "classification", (0, 1, 2), id="softmax"),
        pytest.param("xgboost-labels", "multilabel", (0, 1), id="labels-of-two"),
        pytest.param("xgboost-numbers", "multioutput_regression", None, id="two-numbers"),
        pytest.param("catboost-two", "classification", ("no", "yes"), id="catboost-labels"),
        pytest.param("catboost-numbers", "multioutput_regression", None, id="catboost-two-numbers"),
    ],
)
def test_task_and_classes(name: str, task: str, classes: tuple[Any, ...] | None) -> None:
    facts = facts_of(name)
    assert (facts.task, facts.classes) == (task, classes)


def test_names_are_those_of_the_table_where_lightgbm_changed_them() -> None:
    assert facts_of("lightgbm-two").names == tuple(models.X.columns)
    assert models.fitted("lightgbm-two")[0].booster_.feature_name()[0] == "size_(cm)"


@pytest.mark.parametrize("name", ["lightgbm-two", "lightgbm-ordered", "xgboost-ascii"])
def test_a_table_of_text_answers_as_one_of_categories(name: str, tmp_path: Path) -> None:
    model, table = models.fitted(name)
    flavor, text = flavor_of(model), table.assign(kind=table.kind.astype(str))
    bundled = flavor.bundle(model, {}, text)
    facts = flavor.facts(bundled)
    assert set(facts.inputs["kind"].levels or ()) == set(table.kind.cat.categories)
    material = gather(SaveRequest(inputs=text), facts)
    native = flavor.load(tmp_path, flavor.dump(bundled, tmp_path), DEFAULT)
    found = NativeEngine(flavor, native, material.frame, output_of(facts)).predict(
        material.table.to_columns(), models.N
    )
    assert found.prediction == np.asarray(model.predict(table)).tolist()


def test_categories_that_xgboost_cut_are_not_guessed() -> None:
    model, table = models.fitted("xgboost-three")
    flavor = flavor_of(model)
    with pytest.raises(SaveRefusedError, match="cuts the end off categories"):
        flavor.facts(flavor.bundle(model, {}, table.assign(kind=table.kind.astype(str))))


@pytest.mark.parametrize("name", ["lightgbm-array", "xgboost-array", "catboost-array"])
def test_without_names_inputs_are_numbered(name: str) -> None:
    facts = facts_of(name)
    assert facts.names is None
    assert (facts.n_inputs, list(facts.inputs)) == (3, ["x0", "x1", "x2"])


@pytest.mark.parametrize("name", ["lightgbm-two", "xgboost-three"])
def test_levels_are_the_models_own_and_others_are_refused(name: str) -> None:
    kind = facts_of(name).inputs["kind"]
    assert (kind.levels, kind.unknown_level) == (("flat", "house", "ätic"), "reject")
    assert facts_of(name).inputs["rise"].levels is None


def test_whole_numbers_that_lightgbm_forgot_are_only_warned_of() -> None:
    table = models.NUMBERS.to_numpy()
    model = models._lgb("Classifier").fit(table, models.TWO, categorical_feature=[1])
    kind = flavor_of(model).facts(model).inputs["x1"]
    assert (kind.levels, kind.unknown_level) == ((0, 1, 2, 3, 4), "warn")


def test_raw_scores_are_told() -> None:
    assert facts_of("lightgbm-raw").hyperparameters["objective"] == "none of LightGBM's own: raw scores"


@pytest.mark.parametrize(
    ("name", "best"),
    [
        pytest.param("lightgbm-stopped", lambda model: model.best_iteration_, id="lightgbm"),
        pytest.param("xgboost-stopped", lambda model: model.best_iteration + 1, id="xgboost"),
        pytest.param("catboost-stopped", lambda model: model.get_best_iteration() + 1, id="catboost"),
    ],
)
def test_early_stopping_is_obeyed(name: str, best: Callable[[Any], int]) -> None:
    rounds = facts_of(name).hyperparameters["iterations"]
    assert rounds == best(models.fitted(name)[0]) < 20


# -- refused at save ------------------------------------------------------------------------------


def _own_class() -> Any:
    lightgbm = models.library("lightgbm")

    class Own(lightgbm.LGBMRegressor):  # type: ignore[misc, name-defined]
        pass

    return Own(n_estimators=2, verbose=-1).fit(models.NUMBERS, models.VALUE)


def _residual(truth: Any, guess: Any) -> Any:
    return guess - truth, np.ones_like(guess)


REFUSED: list[Any] = [
    pytest.param(lambda: models._lgb("Classifier"), r"call \.fit", id="lightgbm-not-fitted"),
    pytest.param(lambda: models._xgb("Classifier"), r"call \.fit", id="xgboost-not-fitted"),
    pytest.param(lambda: models._cat("Classifier"), r"call \.fit", id="catboost-not-fitted"),
    pytest.param(_own_class, r"model\.booster_", id="a-subclass"),
    pytest.param(
        lambda: models._lgb("Classifier", objective=_residual).fit(models.NUMBERS, models.CODES),
        r"raw scores.*model\.booster_",
        id="lightgbm-own-objective",
    ),
    pytest.param(
        lambda: models._xgb("Classifier", objective=_residual).fit(models.NUMBERS, models.CODES),
        r"raw scores.*get_booster",
        id="xgboost-own-objective",
    ),
    pytest.param(
        lambda: models._lgb("Classifier").fit(models.NUMBERS, np.ones(models.N)), "one class only", id="one-class"
    ),
    pytest.param(
        lambda: models._cat("Regressor", loss_function="RMSEWithUncertainty").fit(models.NUMBERS, models.VALUE),
        "RMSEWithUncertainty",
        id="catboost-distribution",
    ),
]


@pytest.mark.parametrize(("make", "words"), REFUSED)
def test_refused_at_save(make: Callable[[], Any], words: str) -> None:
    model = make()
    flavor = flavor_of(model)
    with pytest.raises(SaveRefusedError, match=words):
        flavor.facts(flavor.bundle(model, {}, models.NUMBERS))


def test_a_booster_has_no_options() -> None:
    model, table = models.fitted("lightgbm-two")
    with pytest.raises(UsageError, match="tokenizer: not an option of a lightgbm model"):
        flavor_of(model).bundle(model, {"tokenizer": "x"}, table)


# -- how it is asked ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "container"),
    [
        pytest.param("lightgbm-booster", "numpy", id="lightgbm-numbers"),
        pytest.param("xgboost-two", "numpy", id="xgboost-numbers"),
        pytest.param("catboost-two", "numpy", id="catboost-numbers"),
        pytest.param("lightgbm-two", "numpy", id="lightgbm-categories"),
        pytest.param("xgboost-ascii", "numpy", id="xgboost-categories"),
        pytest.param("xgboost-three", "pandas", id="xgboost-categories-beyond-ascii"),
        pytest.param("catboost-categories", "pandas", id="catboost-categories"),
    ],
)
def test_no_frame_is_built_where_the_columns_are_numbers_and_known_categories(
    name: str, container: str, tmp_path: Path
) -> None:
    *_, material, engine = opened(name, tmp_path)
    assert material.frame.container == "pandas"
    built = tables.to_frame(material.table.to_columns(), engine.frame, material.table.rows)
    assert engine.frame.container == container
    assert isinstance(built, np.ndarray) == (container == "numpy")
