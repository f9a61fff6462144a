"""
Every scikit-learn estimator that can be fitted, fitted on a small table: for tests of many models at once.

`fitted(name)` gives `(model, X, y)`; `NAMES` are all of them, `CLASSIFIERS` and `REGRESSORS` those that predict.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import all_estimators

ROWS = 40
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    CLASSES = dict(all_estimators())
_SEARCH = {"param_grid": {"C": [0.1, 1.0]}}
_STACK = [("a", LogisticRegression()), ("b", LogisticRegression(C=0.1))]
_STACKED = [("a", Ridge()), ("b", LinearRegression())]


def _positive() -> np.ndarray[Any, Any]:
    return np.abs(np.random.default_rng(0).normal(size=(ROWS, 4)))


def _labels(X: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.where(X[:, 0] + 0.2 * X[:, 1] > np.median(X[:, 0]), "yes", "no")


def _numbers(X: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return 1.0 + X[:, 0] + 2 * X[:, 1] - 0.1 * X[:, 2] * X[:, 3]


def _two_numbers(X: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.column_stack([_numbers(X), X[:, 2]])


def _two_labels(X: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.column_stack([X[:, 0] > 0.6, X[:, 1] > 0.6]).astype(int)


_TEXTS = [f"{a} word {b}" for a in ("cold", "warm", "mild", "dry") for b in range(10)]
_DICTS = [{"city": f"c{i % 3}", "n": float(i)} for i in range(ROWS)]

#: How to make the ones that need more than `Class()`.
MAKE: dict[str, Callable[[Any], Any]] = {
    "CCA": lambda c: c(n_components=1),
    "ClassifierChain": lambda c: c(LogisticRegression()),
    "ColumnTransformer": lambda c: c([("scale", StandardScaler(), [0, 1]), ("keep", "passthrough", [2])]),
    "FeatureHasher": lambda c: c(n_features=64),  # by default a million columns
    "FeatureUnion": lambda c: c([("pca", PCA(2)), ("scale", MinMaxScaler())]),
    "FixedThresholdClassifier": lambda c: c(LogisticRegression()),
    "FrozenEstimator": lambda c: c(Ridge().fit(_positive(), _numbers(_positive()))),
    "GaussianRandomProjection": lambda c: c(n_components=2, random_state=0),
    "GridSearchCV": lambda c: c(LogisticRegression(), **_SEARCH),
    "HalvingGridSearchCV": lambda c: c(LogisticRegression(), **_SEARCH),
    "LocalOutlierFactor": lambda c: c(novelty=True),
    "MultiOutputClassifier": lambda c: c(LogisticRegression()),
    "MultiOutputRegressor": lambda c: c(Ridge()),
    "NuSVC": lambda c: c(nu=0.2, probability=False),
    "OrthogonalMatchingPursuitCV": lambda c: c(max_iter=2),
    "OneVsOneClassifier": lambda c: c(LogisticRegression()),
    "OneVsRestClassifier": lambda c: c(LogisticRegression()),
    "OutputCodeClassifier": lambda c: c(LogisticRegression(), random_state=0),
    "PatchExtractor": lambda c: c(patch_size=(2, 2)),
    "Pipeline": lambda c: c([("scale", StandardScaler()), ("model", LogisticRegression())]),
    "PLSCanonical": lambda c: c(n_components=1),
    "PLSSVD": lambda c: c(n_components=1),
    "RandomizedSearchCV": lambda c: c(LogisticRegression(), {"C": [0.1, 1.0]}, n_iter=2),
    "RegressorChain": lambda c: c(Ridge()),
    "RFE": lambda c: c(LogisticRegression()),
    "RFECV": lambda c: c(LogisticRegression()),
    "SelectFromModel": lambda c: c(LogisticRegression()),
    "SelfTrainingClassifier": lambda c: c(LogisticRegression()),
    "SequentialFeatureSelector": lambda c: c(LogisticRegression(), n_features_to_select=2),
    "SparseCoder": lambda c: c(np.eye(4)),
    "SparseRandomProjection": lambda c: c(n_components=2, random_state=0),
    "StackingClassifier": lambda c: c(_STACK),
    "StackingRegressor": lambda c: c(_STACKED),
    "TunedThresholdClassifierCV": lambda c: c(LogisticRegression()),
    "VotingClassifier": lambda c: c(_STACK, voting="soft"),
    "VotingRegressor": lambda c: c(_STACKED),
}

#: What the ones that take no table of four positive columns and labels are fitted on.
DATA: dict[str, Callable[[], tuple[Any, Any]]] = {
    "ClassifierChain": lambda: (_positive(), _two_labels(_positive())),
    "CountVectorizer": lambda: (_TEXTS, None),
    "DictVectorizer": lambda: (_DICTS, None),
    "FeatureHasher": lambda: (_DICTS, None),
    "HashingVectorizer": lambda: (_TEXTS, None),
    "IsotonicRegression": lambda: (_positive()[:, 0], _numbers(_positive())),
    "KernelCenterer": lambda: (_positive() @ _positive().T, None),
    "LabelBinarizer": lambda: (_labels(_positive()), None),
    "LabelEncoder": lambda: (_labels(_positive()), None),
    "MultiLabelBinarizer": lambda: ([("a", "b"), ("a",), ("c",)], None),
    "MultiOutputClassifier": lambda: (_positive(), _two_labels(_positive())),
    "PatchExtractor": lambda: (np.random.default_rng(0).random((3, 8, 8)), None),
    "TfidfTransformer": lambda: (_positive().round(), None),
    "TfidfVectorizer": lambda: (_TEXTS, None),
}
_NOT_SMALL = {("TSNE", "max_iter"), ("OrthogonalMatchingPursuitCV", "max_iter"), ("RANSACRegressor", "min_samples")}
_NEEDS_TWO_NUMBERS = ("MultiOutputRegressor", "RegressorChain", "PLSCanonical", "CCA", "PLSSVD")


def make(name: str) -> Any:
    """The estimator *name*, not fitted, small enough to be quick."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some classes are deprecated, and still saved by people
        model = MAKE.get(name, lambda c: c())(CLASSES[name])
    small = {"n_estimators": 5, "max_iter": 50, "random_state": 0, "perplexity": 5.0, "min_samples": 3}
    known = model.get_params(deep=False)
    if name.startswith("HistGradient"):
        small["max_iter"] = 5
    chosen = {key: value for key, value in small.items() if key in known and (name, key) not in _NOT_SMALL}
    if chosen:
        model.set_params(**chosen)
    return model


def data(name: str, model: Any) -> tuple[Any, Any]:
    """The table and targets for the estimator *name*."""
    if name in DATA:
        return DATA[name]()
    X = _positive()
    if name.startswith("MultiTask") or name in _NEEDS_TWO_NUMBERS:
        return X, _two_numbers(X)
    if is_regressor(model):
        return X, _numbers(X)
    labels = _labels(X)
    return X, labels.astype(object) if name == "SelfTrainingClassifier" else labels


@cache
def fitted(name: str) -> tuple[Any, Any, Any]:
    """The estimator *name* fitted, with what it was fitted on; do not change it."""
    model = make(name)
    X, y = data(name, model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if y is None or name in ("GaussianMixture", "BayesianGaussianMixture") or isinstance(model, KMeans):
            model.fit(X)
        else:
            model.fit(X, y)
    return model, X, y


NAMES = sorted(CLASSES)
CLASSIFIERS = [name for name in NAMES if is_classifier(make(name))]
REGRESSORS = [name for name in NAMES if is_regressor(make(name))]
