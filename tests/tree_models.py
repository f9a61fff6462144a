"""
Fitted trees and ensembles of trees, small, and the rows that tell a wrong twin from a right one.

The table has ties, whole numbers, unix seconds (which a float32 rounds by minutes), and for some models missing values.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from sklearn import ensemble, tree
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC

import ensembles
from cloche.flavors.sklearn.walk import walk

Array = np.ndarray[Any, Any]
N = 5

_rng = np.random.default_rng(0)
X = _rng.normal(size=(240, N)).round(2)
X[:, 1] = _rng.integers(0, 4, len(X))
X[:, 2] = X[:, 2] * 1e3 + 1.6e9
X[:, 3] = np.sign(X[:, 3])  # splits at zero
SMALL = (X - [0, 0, 1.6e9, 0, 0]) / [1, 1, 1e3, 1, 1]
GAPS = np.where(_rng.random(X.shape) < 0.2, np.nan, X)
TWO = (X[:, 0] + X[:, 1] > 1).astype(int)
THREE = np.array(["low", "mid", "top"])[np.digitize(X[:, 0] + X[:, 1], [0, 2])]
NUMBER = X[:, 0] * 2 + X[:, 1] ** 2 + _rng.normal(size=len(X))
NUMBERS = np.column_stack([NUMBER, X[:, 3]])
LABELS = np.column_stack([TWO, X[:, 3] > 0]).astype(int)
KINDS = np.column_stack([THREE, np.where(TWO, "p", "q")])

_T = tree
_E = ensemble
_few = {"n_estimators": 12, "random_state": 0}
_hist = {"max_iter": 12, "random_state": 0, "min_samples_leaf": 5}

MAKE: dict[str, Callable[[], Any]] = {
    "tree-classifier": lambda: _T.DecisionTreeClassifier(random_state=0).fit(X, THREE),
    "tree-regressor": lambda: _T.DecisionTreeRegressor(max_leaf_nodes=9, random_state=0).fit(X, NUMBER),
    "tree-of-one-leaf": lambda: _T.DecisionTreeRegressor().fit(X, np.ones(len(X))),
    "tree-monotonic": lambda: _T.DecisionTreeRegressor(monotonic_cst=[1, 0, 0, 0, 0]).fit(X, NUMBER),
    "tree-of-two-numbers": lambda: _T.DecisionTreeRegressor(random_state=0).fit(X, NUMBERS),
    "tree-of-labels": lambda: _T.DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, LABELS),
    "tree-of-two-classes": lambda: _T.DecisionTreeClassifier(random_state=0).fit(X, KINDS),
    "tree-with-gaps": lambda: _T.DecisionTreeRegressor(random_state=0).fit(GAPS, NUMBER),
    "extra-tree-classifier": lambda: _T.ExtraTreeClassifier(random_state=0).fit(X, TWO),
    "extra-tree-regressor": lambda: _T.ExtraTreeRegressor(random_state=0).fit(X, NUMBER),
    "forest-classifier": lambda: _E.RandomForestClassifier(**_few).fit(X, THREE),
    "forest-with-ties": lambda: _E.RandomForestClassifier(**_few).fit(X, TWO),
    "forest-balanced": lambda: _E.RandomForestClassifier(class_weight="balanced", **_few).fit(X, TWO),
    "forest-regressor": lambda: _E.RandomForestRegressor(**_few).fit(X, NUMBER),
    "forest-of-absolute-errors": lambda: _E.RandomForestRegressor(criterion="absolute_error", **_few).fit(X, NUMBER),
    "forest-of-two-numbers": lambda: _E.RandomForestRegressor(**_few).fit(X, NUMBERS),
    "forest-of-labels": lambda: _E.RandomForestClassifier(**_few).fit(X, LABELS),
    "forest-of-two-classes": lambda: _E.RandomForestClassifier(**_few).fit(X, KINDS),
    "forest-with-gaps": lambda: _E.RandomForestClassifier(**_few).fit(GAPS, THREE),
    "extra-trees-classifier": lambda: _E.ExtraTreesClassifier(**_few).fit(X, THREE),
    "extra-trees-regressor": lambda: _E.ExtraTreesRegressor(**_few).fit(X, NUMBER),
    "boosting-two": lambda: _E.GradientBoostingClassifier(**_few).fit(X, TWO),
    "boosting-three": lambda: _E.GradientBoostingClassifier(**_few).fit(X, THREE),
    "boosting-exponential": lambda: _E.GradientBoostingClassifier(loss="exponential", **_few).fit(X, TWO),
    "boosting-from-zero": lambda: _E.GradientBoostingClassifier(init="zero", **_few).fit(X, THREE),
    "boosting-squared": lambda: _E.GradientBoostingRegressor(**_few).fit(X, NUMBER),
    "boosting-absolute": lambda: _E.GradientBoostingRegressor(loss="absolute_error", **_few).fit(X, NUMBER),
    "boosting-huber": lambda: _E.GradientBoostingRegressor(loss="huber", **_few).fit(X, NUMBER),
    "boosting-quantile": lambda: _E.GradientBoostingRegressor(loss="quantile", **_few).fit(X, NUMBER),
    "hist-two": lambda: _E.HistGradientBoostingClassifier(**_hist).fit(X, TWO),
    "hist-three": lambda: _E.HistGradientBoostingClassifier(**_hist).fit(X, THREE),
    "hist-squared": lambda: _E.HistGradientBoostingRegressor(**_hist).fit(X, NUMBER),
    "hist-gamma": lambda: _E.HistGradientBoostingRegressor(loss="gamma", **_hist).fit(X, np.abs(NUMBER) + 0.1),
    "hist-poisson": lambda: _E.HistGradientBoostingRegressor(loss="poisson", **_hist).fit(X, np.abs(NUMBER)),
    "hist-quantile": lambda: _E.HistGradientBoostingRegressor(loss="quantile", quantile=0.7, **_hist).fit(X, NUMBER),
    "hist-with-gaps": lambda: _E.HistGradientBoostingClassifier(**_hist).fit(GAPS, THREE),
    "hist-categories": lambda: _E.HistGradientBoostingClassifier(categorical_features=[1], **_hist).fit(X, THREE),
    "hist-categories-with-gaps": lambda: _E.HistGradientBoostingRegressor(categorical_features=[1, 3], **_hist).fit(
        GAPS, NUMBER
    ),
    "isolation": lambda: _E.IsolationForest(**_few).fit(X),
    "isolation-of-some-columns": lambda: _E.IsolationForest(max_features=3, contamination=0.1, **_few).fit(X),
    "adaboost-two": lambda: _E.AdaBoostClassifier(**_few).fit(X, TWO),
    "adaboost-three": lambda: _E.AdaBoostClassifier(_T.DecisionTreeClassifier(max_depth=2), **_few).fit(X, THREE),
    "adaboost-regressor": lambda: _E.AdaBoostRegressor(**_few).fit(X, NUMBER),
    "adaboost-of-logistic": lambda: _E.AdaBoostClassifier(LogisticRegression(), **_few).fit(SMALL, THREE),
    "adaboost-of-ridge": lambda: _E.AdaBoostRegressor(Ridge(), **_few).fit(SMALL, NUMBER),
    "bagging-trees": lambda: _E.BaggingClassifier(**_few).fit(X, THREE),
    "bagging-some-columns": lambda: _E.BaggingClassifier(max_features=2, **{**_few, "n_estimators": 3}).fit(X, TWO),
    "bagging-some-classes": lambda: _E.BaggingClassifier(max_samples=6, **_few).fit(X, THREE),
    "bagging-regressor": lambda: _E.BaggingRegressor(bootstrap_features=True, **_few).fit(X, NUMBER),
    "bagging-in-three-jobs": lambda: _E.BaggingClassifier(**_few).fit(X, THREE).set_params(n_jobs=3),
    "bagging-logistic": lambda: _E.BaggingClassifier(LogisticRegression(), max_features=3, **_few).fit(SMALL, THREE),
    "bagging-logistic-some-classes": lambda: _E.BaggingClassifier(LogisticRegression(), max_samples=8, **_few).fit(
        SMALL, THREE
    ),
    "bagging-votes": lambda: _E.BaggingClassifier(LinearSVC(), **_few).fit(SMALL, THREE),
    "bagging-ridge": lambda: _E.BaggingRegressor(Ridge(), **_few).fit(SMALL, NUMBER),
    "bagging-forests": lambda: _E.BaggingClassifier(
        _E.RandomForestClassifier(n_estimators=3, random_state=0), n_estimators=3, random_state=0
    ).fit(X, TWO),
}
NAMES = sorted(MAKE)

_FINITE = tuple(x for x in ensembles.ODD if abs(x) < 1e30)
_MISSING = (*_FINITE, np.nan)
_TAKES = {"hist": ensembles.ODD, "isolation": ensembles.ODD, "forest": _MISSING, "extra": _MISSING, "tree": _MISSING}
#: Criteria and constraints under which trees take no missing values; and encoders, which take no infinite ones.
_EXCEPT = {
    "tree-monotonic": _FINITE,
    "forest-of-absolute-errors": _FINITE,
    "hist-categories": _MISSING,
    "hist-categories-with-gaps": _MISSING,
    "bagging-trees": _MISSING,
}


@cache
def fitted(name: str) -> Any:
    """The model *name*; do not change it."""
    return MAKE[name]()


def boundary_rows(name: str, n: int = 240) -> Array:
    """
    Rows that the model takes: thresholds in the column they split and in others, their neighbours, odd numbers, and
    rows it was fitted on.
    """
    odd = _EXCEPT.get(name, _TAKES.get(name.partition("-")[0], _FINITE))
    splits = thresholds(fitted(name))
    found = ensembles.rows(2, n, N, [value for _, value in splits][:40], odd)
    rng = np.random.default_rng(3)
    for column in range(N):
        near = ensembles.neighbours([value for feature, value in splits if feature == column])
        if near:
            put = rng.random(n) < 0.4
            found[put, column] = rng.choice(near, int(put.sum()))
    return np.vstack([found, X[:20]])


def thresholds(model: Any) -> list[tuple[int, float]]:
    """Column and threshold of the splits of a fitted model, at most 400 of them, as its trees were shown them."""
    found: set[tuple[int, float]] = set()
    for part in walk(model):
        if type(part).__name__ == "Tree":
            inner = part.children_left != -1
            found.update(zip(part.feature[inner].tolist(), part.threshold[inner].tolist(), strict=True))
        elif type(part).__name__ == "TreePredictor":
            nodes = part.nodes[(part.nodes["is_leaf"] == 0) & (part.nodes["is_categorical"] == 0)]
            found.update(zip(nodes["feature_idx"].tolist(), nodes["num_threshold"].tolist(), strict=True))
    finite = sorted(pair for pair in found if np.isfinite(pair[1]))
    picked = np.random.default_rng(1).permutation(len(finite))[:400]
    return [finite[place] for place in picked]
