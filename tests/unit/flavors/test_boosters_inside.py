"""Boosters inside scikit-learn models: each in a file of its own, put back in its place, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import boosted_models as models
from cloche.errors import ArtifactError, MissingFileError, SaveRefusedError, TamperedModelError
from cloche.flavors import get_flavor
from cloche.flavors.sklearn import boosters
from cloche.flavors.sklearn.boosters import Slot
from cloche.flavors.sklearn.walk import walk
from cloche.trust import DEFAULT

FLAVOR = get_flavor("sklearn")


@pytest.mark.parametrize("name", sorted(models.INSIDE))
def test_the_model_answers_as_before(name: str, tmp_path: Path) -> None:
    model, table = models.fitted(name)
    options = FLAVOR.dump(model, tmp_path)
    again = FLAVOR.load(tmp_path, options, DEFAULT)
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    assert np.array_equal(getattr(again, method)(table), getattr(model, method)(table))
    assert not any(isinstance(part, Slot) for part in walk(again))
    assert any(type(part).__name__.startswith(("LGBM", "XGB", "CatBoost")) for part in walk(model))  # as it was


def test_every_fitted_booster_has_its_own_file_and_others_a_record(tmp_path: Path) -> None:
    model, _ = models.fitted("lightgbm-stack")
    records = FLAVOR.dump(model, tmp_path)["boosters"]
    files = sorted(one["file"] for one in records if one["file"])
    assert files == sorted(path.name for path in tmp_path.glob("booster-*.txt"))
    assert 0 < len(files) < len(records)  # the estimators that the stack was given are not fitted
    assert {one["kind"] for one in records} == {"LGBMClassifier"}


def test_one_estimator_in_two_places_stays_one(tmp_path: Path) -> None:
    model, _ = models.fitted("lightgbm-pipeline")
    pair = StackingClassifier([("a", model), ("b", model)], LogisticRegression(), cv="prefit")
    pair.fit(models.TEXT, models.TWO)
    again = FLAVOR.load(tmp_path, FLAVOR.dump(pair, tmp_path), DEFAULT)
    assert again.estimators_[0].steps[-1][1] is again.estimators_[1].steps[-1][1]
    assert len(list(tmp_path.glob("booster-*"))) == 1


def test_the_names_of_levels_reach_the_contract_through_a_pipeline() -> None:
    model, _ = models.fitted("lightgbm-pandas")
    kind = FLAVOR.facts(model).inputs["kind"]
    assert (kind.levels, kind.unknown_level) == (("flat", "house", "ätic"), "reject")


def test_xgboost_inside_brings_its_tolerance() -> None:
    assert FLAVOR.tolerance(models.fitted("xgboost-pipeline")[0]).dtype == "float32"
    assert FLAVOR.tolerance(models.fitted("lightgbm-pipeline")[0]).dtype == "float64"


def test_a_search_over_a_bare_booster_is_scikit_learns(tmp_path: Path) -> None:
    search = GridSearchCV(models._lgb("Classifier"), {"num_leaves": [3, 4]}, cv=2).fit(models.NUMBERS, models.TWO)
    again = FLAVOR.load(tmp_path, FLAVOR.dump(search, tmp_path), DEFAULT)
    assert again.best_estimator_.get_params()["num_leaves"] == search.best_params_["num_leaves"]


def test_a_class_of_ones_own_inside_is_refused(tmp_path: Path) -> None:
    lightgbm = models.library("lightgbm")

    class Own(lightgbm.LGBMClassifier):  # type: ignore[misc, name-defined]
        pass

    model = make_pipeline(Own(n_estimators=2, verbose=-1)).fit(models.NUMBERS, models.TWO)
    with pytest.raises(SaveRefusedError):
        FLAVOR.dump(model, tmp_path)


# -- what an attacker writes beside ---------------------------------------------------------------


def _record(**changes: Any) -> Callable[[dict[str, Any], Path], None]:
    def change(options: dict[str, Any], directory: Path) -> None:
        options["boosters"][0].update(changes)

    return change


def _parameters(**changes: Any) -> Callable[[dict[str, Any], Path], None]:
    def change(options: dict[str, Any], directory: Path) -> None:
        options["boosters"][0]["parameters"].update(changes)

    return change


def _cut(options: dict[str, Any], directory: Path) -> None:
    path = directory / "booster-0.txt"
    path.write_bytes(path.read_bytes()[:-900])


def _pickled(options: dict[str, Any], directory: Path) -> None:
    (directory / "booster-0.txt").write_bytes(b"\x80\x04N.")


ATTACKS = [
    pytest.param(_record(library="os"), "a booster of the library 'os'", id="another-library"),
    pytest.param(_record(library=7), "expected str", id="no-library"),
    pytest.param(_record(file="../secret.txt"), "expected the file booster-0.txt", id="a-path-that-leads-out"),
    pytest.param(_record(file="model.skops"), "expected the file booster-0.txt", id="another-file"),
    pytest.param(_record(kind="Dask"), "an estimator of kind 'Dask'", id="another-class"),
    pytest.param(_record(kind=None), "an estimator of kind", id="no-class"),
    pytest.param(_record(features=99), "4 features|features", id="other-features"),
    pytest.param(_record(classes={"dtype": "O", "values": [1, 2]}), "classes", id="classes-of-objects"),
    pytest.param(_record(classes={"dtype": "<i8", "values": [1, 2, 3]}), "3 classes", id="other-classes"),
    pytest.param(_record(classes="no"), "classes", id="classes-that-are-none"),
    pytest.param(_parameters(predict=1), "no plain parameters", id="a-parameter-in-place-of-a-method"),
    pytest.param(_parameters(num_leaves=float("nan")), "no plain parameters", id="no-number"),
    pytest.param(lambda options, directory: options.update(boosters=[]), "booster 0 of 0", id="no-records"),
    pytest.param(lambda options, directory: options.update(boosters={}), "expected a list", id="records-of-none"),
    pytest.param(_cut, "cut short", id="truncated"),
    pytest.param(_pickled, "a pickle", id="a-pickle"),
]


@pytest.mark.parametrize(("attack", "words"), ATTACKS)
def test_attacks_on_the_files_beside(
    attack: Callable[[dict[str, Any], Path], None], words: str, tmp_path: Path
) -> None:
    options = FLAVOR.dump(models.fitted("lightgbm-pipeline")[0], tmp_path)
    attack(options, tmp_path)
    with pytest.raises(ArtifactError, match=words):
        FLAVOR.load(tmp_path, options, DEFAULT)


def test_a_file_that_the_manifest_does_not_list_is_not_read(tmp_path: Path) -> None:
    options = FLAVOR.dump(models.fitted("lightgbm-pipeline")[0], tmp_path)
    with pytest.raises(MissingFileError, match=r"booster-0\.txt"):
        FLAVOR.load(tmp_path, options, DEFAULT, files={"model.skops": (tmp_path / "model.skops").read_bytes()})


@pytest.mark.parametrize("place", [-1, 1, True, "0", None, 0.5])
def test_a_slot_that_names_no_record(place: Any, tmp_path: Path) -> None:
    slot = Slot(place)
    with pytest.raises(TamperedModelError, match="a place for booster"):
        boosters.put_back([slot], [{"library": "lightgbm"}], tmp_path, None)
