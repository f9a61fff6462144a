"""What is refused when saving, with the recipe; and content checks beyond decision trees."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import BisectingKMeans, KMeans
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer
from sklearn.svm import SVC, SVR

from cloche.errors import SaveRefusedError, TamperedModelError, UntrustedTypeError
from cloche.flavors import flavor_of, get_flavor
from cloche.flavors.sklearn.storage import FILE, check_content
from cloche.flavors.sklearn.validators import validate
from cloche.trust import TrustPolicy

X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.array([0, 1, 2, 1] * 10)
FLAVOR = get_flavor("sklearn")


def twice(values: Any) -> Any:
    """A function of an importable module that nobody allowed."""
    return 2 * values


class Own(ClassifierMixin, BaseEstimator):
    """A class of an importable module that nobody allowed."""

    def fit(self, table: Any, target: Any) -> Own:
        self.classes_ = np.unique(target)
        return self

    def predict(self, table: Any) -> Any:
        return np.full(len(table), self.classes_[0])


def in_main() -> Any:
    """A class as a notebook has it."""
    kind = type("Notebook", (Own,), {"__module__": "__main__"})
    return kind().fit(X, Y)


def local() -> Any:
    """A class inside a function."""

    class Inner(Own):
        pass

    return Inner().fit(X, Y)


def closure() -> Any:
    """A function inside a function."""
    factor = 3

    def scale(values: Any) -> Any:
        return factor * values

    return behind(scale)


def behind(function: Any) -> Any:
    """A pipeline that calls *function* first."""
    return make_pipeline(FunctionTransformer(function), LogisticRegression()).fit(X, Y)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda: LogisticRegression(), r"call \.fit", id="not-fitted"),
        pytest.param(lambda: LogisticRegression, r"LogisticRegression\(\)\.fit", id="a-class"),
        pytest.param(lambda: behind(lambda values: values), "lambda.*named function", id="lambda"),
        pytest.param(closure, "closure.*top level", id="closure"),
        pytest.param(local, "closure.*top level", id="local-class"),
        pytest.param(in_main, "__main__.*package", id="class-in-main"),
        pytest.param(lambda: behind(twice), "cloche trust --type", id="function-nobody-allowed"),
        pytest.param(lambda: Own().fit(X, Y), "cloche trust --type", id="class-nobody-allowed"),
        pytest.param(lambda: HashingVectorizer(input="filename"), "files named by the rows", id="reads-files"),
    ],
)
def test_refused_at_save(make: Callable[[], Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(SaveRefusedError, match=f"(?s){words}"):
        FLAVOR.dump(make(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_refusal_says_where_in_the_model(tmp_path: Path) -> None:
    with pytest.raises(SaveRefusedError, match=r"model\.steps\[0\]\[1\]\.func"):
        FLAVOR.dump(behind(lambda values: values), tmp_path)


@pytest.mark.parametrize(
    "model",
    [pytest.param({"a": 1}, id="dict"), pytest.param(None, id="none"), pytest.param(b"bytes", id="bytes")],
)
def test_no_model_at_all(model: Any) -> None:
    with pytest.raises(SaveRefusedError, match="expected a fitted model"):
        flavor_of(model)


def test_own_class_is_stored_and_opened_where_the_operator_allows_it(tmp_path: Path) -> None:
    name = f"{Own.__module__}.Own"
    trust = TrustPolicy(allowed_types=frozenset({name}))
    model = Own().fit(X, Y)
    assert flavor_of(model).name == "sklearn"
    options = FLAVOR.dump(model, tmp_path, trust=trust)
    assert FLAVOR.load(tmp_path, options, trust).predict(X[:1]).tolist() == [0]
    with pytest.raises(UntrustedTypeError, match=name):
        FLAVOR.load(tmp_path, options, TrustPolicy())


def test_own_class_that_is_not_installed_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("theirs")
    kind = type("Model", (Own,), {"__module__": "theirs"})
    module.Model = kind  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "theirs", module)
    trust = TrustPolicy(allowed_types=frozenset({"theirs.Model"}))
    options = FLAVOR.dump(kind().fit(X, Y), tmp_path, trust=trust)
    monkeypatch.delitem(sys.modules, "theirs")
    with pytest.raises(TamperedModelError, match="theirs"):
        FLAVOR.load(tmp_path, options, trust)


def test_neighbour_trees_are_left_out_and_built_again(tmp_path: Path) -> None:
    model = KNeighborsClassifier(algorithm="kd_tree").fit(X, Y)
    options = FLAVOR.dump(model, tmp_path)
    assert b"KDTree" not in (tmp_path / FILE).read_bytes()
    assert type(model._tree).__name__ == "KDTree"
    opened = FLAVOR.load(tmp_path, options, TrustPolicy())
    assert type(opened._tree).__name__ == "KDTree"
    assert opened.predict(X).tolist() == model.predict(X).tolist()


def test_random_states_are_left_out(tmp_path: Path) -> None:
    model = RandomForestClassifier(2, random_state=np.random.RandomState(0)).fit(X, Y)
    FLAVOR.dump(model, tmp_path)
    assert b"RandomState" not in (tmp_path / FILE).read_bytes()
    assert isinstance(model.random_state, np.random.RandomState)


def test_early_stopping_leaves_nothing_behind_that_cannot_be_stored(tmp_path: Path) -> None:
    model = HistGradientBoostingClassifier(max_iter=3, early_stopping=True, scoring="accuracy").fit(X, Y)
    opened = FLAVOR.load(tmp_path, FLAVOR.dump(model, tmp_path), TrustPolicy())
    assert opened.predict_proba(X).tolist() == model.predict_proba(X).tolist()


def test_the_distributions_of_a_search_are_left_out(tmp_path: Path) -> None:
    search = RandomizedSearchCV(LogisticRegression(), {"C": loguniform(0.1, 1.0)}, n_iter=2, cv=2).fit(X, Y)
    opened = FLAVOR.load(tmp_path, FLAVOR.dump(search, tmp_path), TrustPolicy())
    assert opened.predict(X).tolist() == search.predict(X).tolist()


def change(attribute: str, value: Any) -> Callable[[Any], None]:
    """Set an attribute; *value* may be made from what is there."""

    def changed(model: Any) -> None:
        setattr(model, attribute, value(getattr(model, attribute)) if callable(value) else value)

    return changed


def in_predictor(field: str, value: int) -> Callable[[Any], None]:
    def changed(model: Any) -> None:
        model._predictors[0][0].nodes[field][0] = value

    return changed


def fewer_columns(model: Any) -> None:
    model.n_features_in_ = model._max_features = 2


def narrower_tree(model: Any) -> None:
    model.estimators_[0] = RandomForestClassifier(1).fit(X[:, :2], Y).estimators_[0]


def more_stages(model: Any) -> None:
    model.estimators_ = np.hstack([model.estimators_, model.estimators_])


def categories(model: Any) -> None:
    mapper = model._bin_mapper
    mapper.bin_thresholds_[np.flatnonzero(mapper.is_categorical_)[0]] = np.array([0.0, 300.0])


TEXTS = ["a good one", "a bad one"] * 20
CATEGORICAL = np.column_stack([X[:, :2], np.arange(40) % 4])


@pytest.mark.parametrize(
    ("model", "table", "tamper", "words"),
    [
        pytest.param(RandomForestClassifier(2), X, narrower_tree, "features in a tree", id="forest-of-other-width"),
        pytest.param(RandomForestClassifier(2), X, change("n_features_in_", 1), "features", id="forest-declares-less"),
        pytest.param(IsolationForest(n_estimators=3), X, fewer_columns, "features in a tree", id="isolation-forest"),
        pytest.param(GradientBoostingClassifier(n_estimators=2), X, more_stages, "trees an iteration", id="boosting"),
        pytest.param(
            HistGradientBoostingClassifier(max_iter=2), X, in_predictor("left", 999), "outside", id="hist-child"
        ),
        pytest.param(
            HistGradientBoostingClassifier(max_iter=2), X, in_predictor("feature_idx", 99), "column", id="hist-feature"
        ),
        pytest.param(
            HistGradientBoostingClassifier(max_iter=2),
            X,
            in_predictor("is_categorical", 1),
            "TreePredictor",
            id="hist-number-as-category",
        ),
        pytest.param(
            HistGradientBoostingClassifier(max_iter=2, categorical_features=[2]),
            CATEGORICAL,
            categories,
            "0…255",
            id="hist-category-code",
        ),
        pytest.param(
            HistGradientBoostingClassifier(max_iter=2),
            X,
            change("n_features_in_", 2),
            "columns",
            id="hist-declares-less",
        ),
        pytest.param(SVC(), X, change("support_", lambda old: old[:-1]), "support vectors", id="svc-indices"),
        pytest.param(SVC(), X, change("_dual_coef_", lambda old: old[:, :-1]), "coefficients", id="svc-coefficients"),
        pytest.param(SVC(), X, change("_n_support", lambda old: old + 100), "support vectors", id="svc-counts"),
        pytest.param(SVC(), X, change("_intercept_", lambda old: old[:-1]), "intercepts", id="svc-intercepts"),
        pytest.param(SVC(), X, change("_impl", "one_class"), "_impl", id="svc-kind"),
        pytest.param(SVR(), X, change("support_vectors_", lambda old: old[:, :-1]), "shape", id="svr-vectors"),
        pytest.param(
            KMeans(2, n_init=1), X, change("cluster_centers_", lambda old: old[:, :-1]), "centers", id="kmeans"
        ),
        pytest.param(BisectingKMeans(3), X, change("n_features_in_", 2), "centers", id="bisecting"),
        pytest.param(CountVectorizer(), TEXTS, change("vocabulary_", {"good": 99}), "outside", id="vocabulary"),
        pytest.param(CountVectorizer(), TEXTS, change("input", "filename"), "files", id="vectorizer-reads-files"),
        pytest.param(
            SplineTransformer(),
            X,
            lambda model: setattr(model.bsplines_[0], "c", np.zeros((1, 1))),
            "BSpline",
            id="spline",
        ),
        pytest.param(KNeighborsClassifier(), X, change("_y", lambda old: old + 99), "class code", id="neighbour-codes"),
        pytest.param(KNeighborsClassifier(), X, change("n_samples_fit_", 1), "n_samples_fit_", id="neighbour-count"),
        pytest.param(KNeighborsClassifier(), X, change("n_features_in_", 2), "features", id="neighbour-width"),
        pytest.param(LogisticRegression(), X, change("predict", print), "hides its method", id="hidden-method"),
    ],
)
def test_tampered_content(model: Any, table: Any, tamper: Callable[[Any], None], words: str) -> None:
    fitted = model.fit(table, Y)
    check_content(fitted, "model")
    tamper(fitted)
    with pytest.raises(TamperedModelError, match=words):
        check_content(fitted, "model")


def test_sparse_indices_are_checked() -> None:
    model = LogisticRegression().fit(X, Y).sparsify()
    validate(model)
    model.coef_.indices[0] = 99
    with pytest.raises(TamperedModelError, match="csr"):
        validate(model)
