"""Step by step: the twin of a fitted step answers as scikit-learn does, on ordinary rows and at the boundaries."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import linear_model as lm
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector, make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import RFE, SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.naive_bayes import ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, LinearSVC
from tests import pipelines

N = 90
RNG = np.random.default_rng(11)


def numbers(n=N):
    rng = np.random.default_rng(n)
    return pd.DataFrame(
        {
            "a": rng.normal(size=n),
            "b": rng.lognormal(size=n),
            "c": rng.integers(0, 9, n),
            "d": rng.normal(size=n).round(1),
        }
    )


def gaps(n=N):
    table = numbers(n).astype(float)
    table[np.random.default_rng(n + 1).random(table.shape) < 0.15] = np.nan
    return table


def categories(n=N):
    rng = np.random.default_rng(n)
    return pd.DataFrame(
        {
            "u": rng.choice(["x", "y", "z", "rare"], n, p=[0.5, 0.3, 0.15, 0.05]),
            "v": rng.choice(["p", "q"], n),
            "w": rng.choice(np.array(["k", "l", None], dtype=object), n),
            "i": rng.integers(0, 4, n),
        }
    )


def mixed(n=N):
    return pd.concat([gaps(n), categories(n)], axis=1)


def polars(table):
    objects = table.astype(object).where(table.notna(), None)
    return pl.DataFrame({name: objects[name].tolist() for name in objects})


def with_late_gaps(n=N):
    """No gap in the table that the model is fitted on; the boundary rows have them where the model takes them."""
    return mixed(n).drop(columns=["a", "c", "d"]).fillna({"b": 1.0})


def words(n=N):
    rng = np.random.default_rng(n)
    pool = ["cold", "warm", "Dry", "été", "wet-wet", "a", "snow_1", "Fog"]
    return pd.DataFrame(
        {"text": [" ".join(rng.choice(pool, rng.integers(1, 8))) for _ in range(n)], "a": rng.normal(size=n)}
    )


def target(table, kind):
    """*kind*: number, numbers, labels (0 and 1), codes, two or three classes."""
    table = table if isinstance(table, pd.DataFrame) else pd.DataFrame(np.asarray(table))
    rank = table.iloc[:, 0].rank(pct=True).fillna(0.5).to_numpy().astype(float)
    noisy = rank + 0.3 * np.random.default_rng(1).random(len(table))
    if kind == "number":
        return noisy
    if kind == "numbers":
        return np.column_stack([noisy, rank**2])
    if kind == "labels":
        return np.column_stack([noisy > 0.6, rank > 0.4]).astype(int)
    if kind == "codes":
        return (noisy > 0.6).astype(int)
    return np.array(["no", "yes", "perhaps"])[np.clip((noisy * (2 if kind == "two" else 3) / 1.3).astype(int), 0, 2)]


def text(step, *, model=None):
    return make_pipeline(ColumnTransformer([("t", step, "text")], remainder="drop"), model or LogisticRegression())


def encoded(step, columns=("u", "v", "w", "i")):
    return make_pipeline(make_column_transformer((step, list(columns)), remainder="drop"), Ridge())


def step(*steps):
    return make_pipeline(*steps, Ridge())


def hundred_levels(n=400):
    rng = np.random.default_rng(n)
    return pd.DataFrame({"u": [f"level {i}" for i in rng.integers(0, 120, n)], "a": rng.normal(size=n)})


_TWO_LINEAR = [("a", LogisticRegression()), ("b", GaussianNB())]
_SCALED_AND_PROJECTED = FeatureUnion([("s", StandardScaler()), ("p", PCA(1))])
STEPS = {
    # imputers
    "impute-mean": (step(SimpleImputer()), gaps, "number"),
    "impute-median-indicator": (step(SimpleImputer(strategy="median", add_indicator=True)), gaps, "number"),
    "impute-most-frequent": (step(SimpleImputer(strategy="most_frequent")), gaps, "number"),
    "impute-constant": (step(SimpleImputer(strategy="constant", fill_value=-7)), gaps, "number"),
    "impute-text": (
        encoded(
            make_pipeline(
                SimpleImputer(strategy="constant", fill_value="gap"),
                OneHotEncoder(handle_unknown="ignore"),
            ),
            "w",
        ),
        categories, "number",
    ),
    "impute-objects": (
        encoded(
            make_pipeline(SimpleImputer(strategy="most_frequent", missing_values=None), OrdinalEncoder()), "w",
        ),
        lambda n=N: categories(n).astype({"w": object}).where(lambda t: t.notna(), None), "number",
    ),
    "pandas-categories": (
        encoded(OneHotEncoder(handle_unknown="ignore")),
        lambda n=N: categories(n).astype({"u": "category", "v": "category"}), "number",
    ),
    "objects-with-none": (
        encoded(OneHotEncoder(handle_unknown="ignore")),
        lambda n=N: categories(n).astype({"w": object}).where(lambda t: t.notna(), None), "number",
    ),
    "nullable-numbers": (step(SimpleImputer()), lambda n=N: gaps(n).astype("Float64"), "number"),
    "array": (step(SimpleImputer(add_indicator=True)), lambda n=N: gaps(n).to_numpy(), "number"),
    "polars": (
        make_pipeline(
            make_column_transformer(
                (SimpleImputer(), ["a", "b"]), (OneHotEncoder(handle_unknown="ignore"), ["u", "w"]), remainder="drop"
            ),
            Ridge(),
        ),
        lambda n=N: polars(mixed(n)), "number",
    ),
    # scalers
    "standard": (step(StandardScaler()), numbers, "number"),
    "standard-no-mean": (step(StandardScaler(with_mean=False)), numbers, "number"),
    "standard-nothing": (step(StandardScaler(with_mean=False, with_std=False)), numbers, "number"),
    "min-max": (step(MinMaxScaler((-1, 2))), numbers, "number"),
    "min-max-clip": (step(MinMaxScaler(clip=True)), numbers, "number"),
    "max-abs": (step(MaxAbsScaler()), numbers, "number"),
    "robust": (step(RobustScaler()), numbers, "number"),
    "robust-no-centering": (step(RobustScaler(with_centering=False)), numbers, "number"),
    "power": (step(PowerTransformer()), numbers, "number"),
    "power-plain": (step(PowerTransformer(standardize=False)), numbers, "number"),
    "box-cox": (
        make_pipeline(make_column_transformer((PowerTransformer("box-cox"), ["b"])), Ridge()), numbers, "number",
    ),
    "quantile": (step(QuantileTransformer(n_quantiles=30)), numbers, "number"),
    "quantile-normal": (step(QuantileTransformer(n_quantiles=30, output_distribution="normal")), numbers, "number"),
    "normalizer-l1": (step(Normalizer("l1")), numbers, "number"),
    "normalizer-max": (step(Normalizer("max")), numbers, "number"),
    "binarizer": (step(Binarizer(threshold=0.2)), numbers, "number"),
    "bins-ordinal": (
        step(KBinsDiscretizer(4, encode="ordinal", strategy="uniform")), numbers, "number",
    ),
    "bins-onehot": (step(KBinsDiscretizer(3, strategy="kmeans", random_state=0)), numbers, "number"),
    "polynomial": (step(PolynomialFeatures(2)), numbers, "number"),
    "polynomial-3": (step(StandardScaler(), PolynomialFeatures(3, include_bias=False)), numbers, "number"),
    "polynomial-interactions": (step(PolynomialFeatures((2, 3), interaction_only=True)), numbers, "number"),
    "function-log1p": (
        make_pipeline(make_column_transformer((FunctionTransformer(np.log1p), ["b"])), Ridge()), numbers, "number",
    ),
    "function-identity": (step(FunctionTransformer()), numbers, "number"),
    "pca": (step(PCA(2)), numbers, "number"),
    "pca-whiten": (step(StandardScaler(), PCA(2, whiten=True)), numbers, "number"),
    "svd": (step(TruncatedSVD(2, random_state=0)), numbers, "number"),
    "select": (step(SelectKBest(k=2)), numbers, "number"),
    "union": (step(FeatureUnion([("a", StandardScaler()), ("b", PCA(1)), ("c", "passthrough")])), numbers, "number"),
    # encoders
    "onehot": (encoded(OneHotEncoder(handle_unknown="ignore")), categories, "number"),
    "onehot-error": (encoded(OneHotEncoder()), categories, "number"),
    "onehot-drop-first": (encoded(OneHotEncoder(drop="first", handle_unknown="ignore")), categories, "number"),
    "onehot-drop-if-binary": (encoded(OneHotEncoder(drop="if_binary")), categories, "number"),
    "onehot-infrequent": (
        encoded(OneHotEncoder(min_frequency=0.2, handle_unknown="infrequent_if_exist")), categories, "number",
    ),
    "onehot-infrequent-ignore": (
        encoded(OneHotEncoder(max_categories=2, handle_unknown="ignore")), categories, "number",
    ),
    "onehot-infrequent-drop": (
        encoded(OneHotEncoder(max_categories=3, drop="first", handle_unknown="infrequent_if_exist")),
        categories, "number",
    ),
    "onehot-wide": (encoded(OneHotEncoder(handle_unknown="ignore"), "u"), hundred_levels, "number"),
    "ordinal": (
        encoded(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-3, encoded_missing_value=-9)),
        categories, "number",
    ),
    "ordinal-error": (encoded(OrdinalEncoder(encoded_missing_value=-1)), categories, "number"),
    "ordinal-infrequent": (
        encoded(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, max_categories=2), ("u", "v")),
        categories, "number",
    ),
    "target": (encoded(TargetEncoder(random_state=0)), categories, "number"),
    "target-multiclass": (
        make_pipeline(make_column_transformer((TargetEncoder(random_state=0), ["u", "v"])), LogisticRegression()),
        categories, "three",
    ),
    # columns
    "by-position": (
        make_pipeline(ColumnTransformer([("s", StandardScaler(), [2, 0])], remainder="passthrough"), Ridge()),
        numbers, "number",
    ),
    "by-selector": (
        make_pipeline(
            make_column_transformer(
                (make_pipeline(SimpleImputer(), StandardScaler()), make_column_selector(dtype_include=np.number)),
                (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude=np.number)),
            ),
            LogisticRegression(),
        ),
        mixed, "two",
    ),
    "by-mask-and-slice": (
        make_pipeline(
            ColumnTransformer([("s", MinMaxScaler(), [True, False, False, True]), ("k", "passthrough", slice(1, 2))]),
            Ridge(),
        ),
        numbers, "number",
    ),
    # text
    "count": (text(CountVectorizer(ngram_range=(1, 2))), words, "two"),
    "count-characters": (text(CountVectorizer(analyzer="char", ngram_range=(1, 3), lowercase=False)), words, "two"),
    "tfidf": (text(TfidfVectorizer(sublinear_tf=True, strip_accents="unicode")), words, "three"),
    "tfidf-within-words": (text(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))), words, "two"),
    "tfidf-two-steps": (
        text(make_pipeline(CountVectorizer(stop_words="english"), TfidfTransformer(norm="l1"))), words, "two",
    ),
    "tfidf-svd": (text(make_pipeline(TfidfVectorizer(), TruncatedSVD(3, random_state=0))), words, "two"),
    "hashing": (text(HashingVectorizer(n_features=2**18)), words, "two"),
    "hashing-unsigned": (
        text(HashingVectorizer(n_features=10, alternate_sign=False, norm=None), model=MultinomialNB()), words, "two",
    ),
    "text-complement": (text(CountVectorizer(), model=ComplementNB()), words, "three"),
    "text-scaled": (text(make_pipeline(CountVectorizer(binary=True), MaxAbsScaler(), Normalizer())), words, "two"),
    # estimators
    "logistic-two": (LogisticRegression(), numbers, "two"),
    "logistic-three": (make_pipeline(StandardScaler(), LogisticRegression()), numbers, "three"),
    "logistic-codes": (LogisticRegression(), numbers, "codes"),
    "sgd-log": (make_pipeline(StandardScaler(), lm.SGDClassifier(loss="log_loss", random_state=0)), numbers, "three"),
    "sgd-huber": (
        make_pipeline(StandardScaler(), lm.SGDClassifier(loss="modified_huber", random_state=0)), numbers, "three",
    ),
    "linear-svc": (make_pipeline(StandardScaler(), LinearSVC()), numbers, "three"),
    "ridge-classifier": (lm.RidgeClassifier(), numbers, "two"),
    "poisson": (make_pipeline(StandardScaler(), lm.PoissonRegressor()), numbers, "number"),
    "gaussian-nb": (GaussianNB(), numbers, "three"),
    "mlp-tanh": (
        make_pipeline(StandardScaler(), MLPClassifier((9,), activation="tanh", max_iter=30, random_state=0)),
        numbers, "three",
    ),
    "mlp-logistic-labels": (
        make_pipeline(StandardScaler(), MLPClassifier((9,), activation="logistic", max_iter=30, random_state=0)),
        numbers, "labels",
    ),
    "two-numbers": (LinearRegression(), numbers, "numbers"),
    "k-means": (make_pipeline(StandardScaler(), KMeans(3, n_init=1, random_state=0)), numbers, None),
    "embedding": (make_pipeline(StandardScaler(), KMeans(3, n_init=1, random_state=0), PCA(2)), numbers, None),
    # estimators around others
    "voting-hard": (VotingClassifier(_TWO_LINEAR, weights=[1, 2]), numbers, "three"),
    "voting-soft": (VotingClassifier(_TWO_LINEAR, voting="soft", weights=[1, 2]), numbers, "three"),
    "stacking": (StackingClassifier(_TWO_LINEAR, cv=2, passthrough=True), numbers, "three"),
    "stacking-two": (StackingClassifier(_TWO_LINEAR, cv=2), numbers, "two"),
    "stacking-numbers": (StackingRegressor([("a", Ridge()), ("b", LinearRegression())], cv=2), numbers, "number"),
    "calibrated-sigmoid": (CalibratedClassifierCV(LogisticRegression(), cv=2), numbers, "three"),
    "calibrated-isotonic": (CalibratedClassifierCV(GaussianNB(), cv=2, method="isotonic"), numbers, "two"),
    "one-vs-rest": (OneVsRestClassifier(LogisticRegression()), numbers, "three"),
    "one-vs-rest-labels": (OneVsRestClassifier(LogisticRegression()), numbers, "labels"),
    "several-classes": (MultiOutputClassifier(LogisticRegression()), numbers, "labels"),
    "several-numbers": (MultiOutputRegressor(Ridge()), numbers, "numbers"),
    "chain": (RegressorChain(Ridge(), order=[1, 0]), numbers, "numbers"),
    "search": (
        GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [0.1, 1]}, cv=2), numbers, "number",
    ),
    "threshold": (FixedThresholdClassifier(LogisticRegression(), threshold=0.3), numbers, "two"),
    "eliminated": (RFE(Ridge(), n_features_to_select=2), numbers, "number"),
    "target-log": (TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1), numbers, "number"),
    "target-scaled": (TransformedTargetRegressor(Ridge(), transformer=StandardScaler()), numbers, "number"),
    "lasso-of-sparse-gaps": (
        make_pipeline(
            ColumnTransformer(
                [("n", "passthrough", ["b"]), ("c", OneHotEncoder(handle_unknown="ignore"), ["u", "w"])],
                sparse_threshold=1.0,
            ),
            lm.Lasso(alpha=0.01),
        ),
        with_late_gaps, "number",
    ),
    "nested": (
        make_pipeline(
            ColumnTransformer(
                [
                    ("n", make_pipeline(SimpleImputer(add_indicator=True), _SCALED_AND_PROJECTED), list("abcd")),
                    ("c", OneHotEncoder(handle_unknown="ignore"), ["u", "w"]),
                ]
            ),
            SelectKBest(k=5),
            OneVsRestClassifier(CalibratedClassifierCV(LogisticRegression(), cv=2)),
        ),
        mixed, "three",
    ),
}  # fmt: skip


def fit(model, table, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(table, None if kind is None else target(table, kind))


@pytest.mark.parametrize("name", sorted(STEPS))
def test_the_twin_answers_as_the_model(name):
    model, table, kind = STEPS[name]
    case = pipelines.Case(fit(model, table(), kind), table(), table(N + 7), name)
    result = pipelines.compare(case)
    assert result.verdict == "twin", result.reason
    assert result.found == []
    assert result.guarded > 90
    assert result.fresh > 80


@pytest.mark.parametrize("seed", range(1, 13))
def test_random_pipelines(seed):
    """A few of those that `bench/parity.py` runs by the thousand."""
    case = pipelines.case(seed)
    if case is not None:
        assert pipelines.compare(case).found == []


class Own(StandardScaler):
    """A subclass may compute anything."""


@pytest.mark.parametrize(
    ("model", "table", "said"),
    [
        pytest.param(KNeighborsClassifier(), numbers, "KNeighborsClassifier has no twin", id="neighbours"),
        pytest.param(make_pipeline(StandardScaler(), SVC()), numbers, "SVC has no twin", id="last-step"),
        pytest.param(make_pipeline(Own(), LogisticRegression()), numbers, "Own has no twin", id="subclass"),
        pytest.param(
            make_pipeline(FunctionTransformer(np.nan_to_num), LogisticRegression()), numbers, "nan_to_num", id="func"
        ),
        pytest.param(
            make_pipeline(FunctionTransformer(np.square), LogisticRegression()), numbers, "not float64", id="wraps"
        ),
        pytest.param(LogisticRegression(), lambda n=N: numbers(n).astype("float32"), "float32", id="float32"),
        pytest.param(
            text(CountVectorizer(token_pattern=r"\w\w")), words, "token_pattern", id="token-pattern"
        ),
        pytest.param(
            make_pipeline(PCA(2), KBinsDiscretizer(3, strategy="uniform"), LogisticRegression()), numbers,
            "has edges, and stands behind 'linear'", id="edges-behind-sums",
        ),
        pytest.param(
            make_pipeline(SimpleImputer(missing_values=0), LogisticRegression()), numbers, "missing_values=0", id="zero"
        ),
        pytest.param(
            make_pipeline(FeatureUnion([("a", StandardScaler())], transformer_weights={"a": 2.0}), Ridge()),
            numbers, "weights", id="union-weights",
        ),
    ],
)  # fmt: skip
def test_what_has_no_twin_says_why(model, table, said):
    result = pipelines.compare(pipelines.Case(fit(model, table(), "codes"), table(), table(N + 7), "refused"))
    assert result.verdict == "native"
    assert said in result.reason
