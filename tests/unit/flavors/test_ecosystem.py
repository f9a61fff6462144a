"""Steps of other packages: what is stored, what is left out, what is refused; the page is of these versions."""

from __future__ import annotations

import importlib
import importlib.util
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

import ecosystem
import pipelines
from cloche.errors import MissingExtraError, SaveRefusedError, TamperedModelError
from cloche.flavors import get_flavor
from cloche.flavors.sklearn import ecosystem as allowed
from cloche.flavors.sklearn import pandas_parts, storage
from cloche.flavors.sklearn.schema import named, read_schema
from cloche.flavors.sklearn.walk import rewritten, walk
from cloche.trust import DEFAULT
from conftest import needs
from flavor_fixtures import importable

FLAVOR = get_flavor("sklearn")
ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "ecosystem.md"


def stored(model: Any, table: Any, folder: Path) -> tuple[Any, dict[str, Any]]:
    """What is opened again, and the manifest's options."""
    options = FLAVOR.dump(FLAVOR.bundle(model, {}, table), folder)
    return FLAVOR.load(folder, options, DEFAULT), options


# -- the page and the list ----------------------------------------------------------------------


def test_the_page_was_made_with_the_versions_that_are_tested() -> None:
    pins = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]["frameworks"]
    versions = {name.replace("-", "_"): version for name, _, version in (pin.partition("==") for pin in pins)}
    head = PAGE.read_text("utf-8").split("| package |")[0]
    for package in allowed.PACKAGES:
        version = versions[package.distribution.replace("-", "_")]
        assert f"{package.distribution} {version}" in head, "run python docs/ecosystem.py again"


@pytest.mark.parametrize("package", allowed.PACKAGES, ids=lambda one: one.module)
def test_every_allowed_estimator_stands_on_the_page(package: allowed.Package) -> None:
    text = PAGE.read_text("utf-8")
    for name in package.types():
        short = name.rpartition(".")[2]
        if short[0].isupper() and ".selectors." not in name and short not in ("ShortReprDict", "PassThrough"):
            assert f"| {package.module} | `{short}` | " in text, f"{name}: run python docs/ecosystem.py again"


def test_no_module_is_allowed_as_a_whole() -> None:
    modules = {package.module for package in allowed.PACKAGES}
    assert not allowed.TYPES & modules
    assert all(name.count(".") >= 1 for name in allowed.TYPES)


# -- imbalanced-learn ---------------------------------------------------------------------------


@pytest.mark.parametrize("around", [pytest.param(False, id="alone"), pytest.param(True, id="inside-a-search")])
def test_a_sampler_is_left_out_and_the_pipeline_has_a_twin(tmp_path: Path, around: bool) -> None:
    needs(importable("imblearn"), "needs imbalanced-learn")
    model, table = ecosystem.imblearn_pipeline()
    if around:
        model = GridSearchCV(model, {"model__C": [0.1, 1.0]}, cv=2).fit(table, ecosystem.targets(table)[0])
    again, options = stored(model, table, tmp_path)
    assert "packages" not in options, "nothing of imbalanced-learn is needed where it is served"
    raw = (tmp_path / storage.FILE).read_bytes()
    assert not any(one.name.startswith("imblearn.") for one in named(read_schema(raw, storage.FILE)))
    assert (again.predict_proba(table) == model.predict_proba(table)).all()
    assert any(hasattr(part, "fit_resample") for part in walk(model)), "the owner's model is as it was"
    facts = FLAVOR.facts(FLAVOR.bundle(model, {}, table))
    assert facts.training_rows_inside is None
    result = pipelines.compare(pipelines.Case(FLAVOR.bundle(model, {}, table), table, table, "smote"))
    assert (result.verdict, result.found) == ("twin", [])


def test_an_ensemble_of_imbalanced_learn_has_a_twin(tmp_path: Path) -> None:
    needs(importable("imblearn"), "needs imbalanced-learn")
    table = ecosystem.tables()["numbers"]
    forest = importlib.import_module("imblearn.ensemble").BalancedRandomForestClassifier(5, random_state=0)
    forest.fit(table, ecosystem.targets(table)[0])
    again, options = stored(forest, table, tmp_path)
    assert list(options["packages"]) == ["imbalanced-learn"]
    assert (again.predict_proba(table) == forest.predict_proba(table)).all()
    result = pipelines.compare(pipelines.Case(FLAVOR.bundle(forest, {}, table), table, table, "forest"))
    assert (result.verdict, result.found) == ("twin", [])


# -- tables of pandas inside a step ---------------------------------------------------------------


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(pd.Series([1.5, np.nan], index=["a", "b"], name="mean"), id="floats-by-text"),
        pytest.param(pd.Series([1, 2, -2], index=pd.Index(["x", "y", np.nan])), id="codes-by-level-and-nan"),
        pytest.param(pd.Series(["a", None], dtype=object), id="objects"),
        pytest.param(pd.Series(["a", "b"]), id="text"),
        pytest.param(pd.DataFrame({"g_0": [0.0, 1.0], "g_1": [1, 0]}, index=[1, -1]), id="contrasts"),
        pytest.param(pd.DataFrame({0: [True, False]}), id="labels-that-are-numbers"),
        pytest.param(pd.Index(["p", "q"], name="level"), id="index"),
    ],
)
def test_a_part_of_pandas_comes_back_as_it_was(part: Any) -> None:
    model = make_pipeline(LogisticRegression())
    model.mapping_ = [{"col": "g", "mapping": part}]
    data = pandas_parts.to_data(model)
    assert data is not model
    assert model.mapping_[0]["mapping"] is part
    again = pandas_parts.from_data(data).mapping_[0]["mapping"]
    assert type(again) is type(part)
    pd.testing.assert_frame_equal(
        pd.DataFrame({"x": again}) if isinstance(again, pd.Index) else pd.DataFrame(again),
        pd.DataFrame({"x": part}) if isinstance(part, pd.Index) else pd.DataFrame(part),
    )


def test_category_encoders_keep_their_mappings_as_data(tmp_path: Path) -> None:
    needs(importable("category_encoders"), "needs category_encoders")
    table = ecosystem.tables()["mixed"]
    encoder = importlib.import_module("category_encoders").TargetEncoder()
    model = Pipeline([("encode", encoder), ("model", LogisticRegression())]).fit(table, ecosystem.targets(table)[0])
    again, options = stored(model, table, tmp_path)
    assert list(options["packages"]) == ["category_encoders"]
    assert (again.predict_proba(table) == model.predict_proba(table)).all()


def test_what_changes_nothing_is_shared() -> None:
    model = make_pipeline(LogisticRegression())
    assert rewritten(model, lambda part: part) is model


# -- refusals -----------------------------------------------------------------------------------


def test_a_method_that_a_file_names_is_not_called(tmp_path: Path) -> None:
    needs(importable("feature_engine"), "needs feature-engine")
    table = ecosystem.tables()["numbers"]
    step = importlib.import_module("feature_engine.creation").MathFeatures(["a", "b"], "sum")
    model = Pipeline([("add", step), ("model", LogisticRegression())]).fit(table, ecosystem.targets(table)[0])
    assert (stored(model, table, tmp_path)[0].predict(table) == model.predict(table)).all()
    step.func = "to_clipboard"
    FLAVOR.dump(model, tmp_path)
    with pytest.raises(TamperedModelError, match="MathFeatures: func: expected one of .*, got 'to_clipboard'"):
        FLAVOR.load(tmp_path, {}, DEFAULT)


class Unlisted(TransformerMixin, BaseEstimator):
    """A step that pretends to come from a package of the list."""

    def fit(self, X: Any, y: Any = None) -> Unlisted:
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Any) -> Any:
        return X


def test_a_type_that_is_not_listed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Unlisted, "__module__", "skrub._new")
    table = ecosystem.tables()["numbers"]
    model = make_pipeline(Unlisted(), LogisticRegression()).fit(table, ecosystem.targets(table)[0])
    with pytest.raises(SaveRefusedError, match="allow-list"):
        FLAVOR.dump(model, tmp_path)


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"cloche\[category-encoders\]"):
        allowed.require(["sklearn.pipeline.Pipeline", "category_encoders.woe.WOEEncoder"])
    allowed.require(["sklearn.pipeline.Pipeline"])


def test_another_version_of_a_package_is_told() -> None:
    assert FLAVOR.changes({"packages": {"pytest": "0.1.0"}})[0].startswith("pytest 0.1.0 when saved, ")
    assert FLAVOR.changes({"packages": {"pytest": pytest.__version__}}) == ()
    assert FLAVOR.changes({}) == ()
