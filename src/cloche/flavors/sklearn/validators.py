"""
Content checks by type: what skops builds is of an allowed type, and may still hold numbers that
compiled code follows unchecked. Each rule here is one such place.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from scipy.interpolate import BSpline
from sklearn.base import BaseEstimator
from sklearn.cluster import BisectingKMeans, KMeans, MiniBatchKMeans
from sklearn.ensemble import IsolationForest
from sklearn.ensemble._forest import BaseForest
from sklearn.ensemble._gb import BaseGradientBoosting
from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.svm._base import BaseLibSVM
from sklearn.tree import BaseDecisionTree
from sklearn.tree._tree import Tree

from cloche.errors import TamperedModelError
from cloche.flavors.sklearn import ecosystem
from cloche.flavors.sklearn.svm import check_svm
from cloche.flavors.sklearn.trees import check_predictor, check_tree
from cloche.flavors.sklearn.walk import walk


def validate(model: Any) -> None:
    """
    Check everything inside *model*; leaves before what is made of them.

    Raises:
        TamperedModelError: a rule of a type is broken.
    """
    parts = list(walk(model))
    predictors = {id(one) for part in parts if isinstance(part, BaseHistGradientBoosting) for one in _predictors(part)}
    for part in parts:
        if isinstance(part, Tree):
            check_tree(part)
        elif sparse.issparse(part):
            _check_sparse(part)
        elif isinstance(part, TreePredictor) and id(part) not in predictors:
            raise TamperedModelError("TreePredictor: lies outside a hist gradient boosting model")
    for kind, rule in RULES:
        for part in parts:
            if isinstance(part, kind):
                rule(part)


def _check_sparse(matrix: Any) -> None:
    try:
        matrix.check_format(full_check=True)
    except (ValueError, IndexError, AttributeError) as exc:
        raise TamperedModelError(f"{type(matrix).__name__}: {exc}") from exc


def _same(part: Any, what: str, expected: Any, got: Any) -> None:
    if expected != got:
        raise TamperedModelError(f"{type(part).__name__}: expected {expected} {what}, got {got}")


def _check_decision_tree(part: Any) -> None:
    if hasattr(part, "tree_"):
        _same(part, "features in its tree", part.n_features_in_, part.tree_.n_features)


def _check_forest(part: Any) -> None:
    for one in getattr(part, "estimators_", ()):
        _same(part, "features in a tree", part.n_features_in_, one.tree_.n_features)


def _check_isolation_forest(part: Any) -> None:
    if not hasattr(part, "estimators_"):
        return
    whole = part._max_features == part.n_features_in_
    for one, features in zip(part.estimators_, part.estimators_features_, strict=True):
        expected = part.n_features_in_ if whole else len(features)
        _same(part, "features in a tree", expected, one.tree_.n_features)


def _check_boosting(part: Any) -> None:
    if not hasattr(part, "estimators_"):
        return
    for one in part.estimators_.ravel():
        _same(part, "features in a tree", part.n_features_in_, one.tree_.n_features)
        _same(part, "numbers in a leaf", (1, 1), (one.tree_.n_outputs, one.tree_.max_n_classes))
    columns = part._raw_predict_init(np.zeros((1, part.n_features_in_), np.float32)).shape[1]
    _same(part, "trees an iteration", columns, part.estimators_.shape[1])


def _predictors(part: Any) -> list[Any]:
    return [one for iteration in getattr(part, "_predictors", ()) for one in iteration]


def _check_hist_boosting(part: Any) -> None:
    if not hasattr(part, "_predictors"):
        return
    mapper = part._bin_mapper
    categorical = np.asarray(mapper.is_categorical_)
    _same(part, "columns", (part.n_features_in_,), categorical.shape)
    _same(part, "binned columns", len(categorical), len(mapper.bin_thresholds_))
    for column in np.flatnonzero(categorical):
        known = np.asarray(mapper.bin_thresholds_[column])
        if known.size and not (known.min() >= 0 and known.max() < 256):
            raise TamperedModelError(f"{type(part).__name__}: a category code lies outside 0…255")
    for iteration in part._predictors:
        _same(part, "trees an iteration", part.n_trees_per_iteration_, len(iteration))
    for one in _predictors(part):
        check_predictor(one, len(categorical), categorical)
    _check_preprocessor(part)


def _check_preprocessor(part: Any) -> None:
    """The columns it makes are the columns its trees read."""
    preprocessor = part._preprocessor
    if preprocessor is None:
        return
    names = [type(step).__name__ for _, step, _ in preprocessor.transformers_[:2]]
    if names != ["OrdinalEncoder", "FunctionTransformer"]:
        raise TamperedModelError(f"{type(part).__name__}: its preprocessor holds {names}")
    taken = sum(int(np.count_nonzero(columns)) for _, _, columns in preprocessor.transformers_[:2])
    _same(part, "preprocessed columns", part.n_features_in_, taken)


def _check_centers(part: Any) -> None:
    if hasattr(part, "cluster_centers_"):
        _same(part, "columns of centers", (part.n_features_in_,), part.cluster_centers_.shape[1:])


def _check_bisecting(part: Any) -> None:
    for node in walk(getattr(part, "_bisecting_tree", None)):
        if hasattr(node, "center"):
            _same(part, "columns of centers", (part.n_features_in_,), np.shape(node.center))


def _check_vocabulary(part: Any) -> None:
    check_text_input(part, TamperedModelError)
    vocabulary = getattr(part, "vocabulary_", None)
    if vocabulary is None:
        return
    columns = np.fromiter(vocabulary.values(), dtype=np.int64, count=len(vocabulary))
    if len(columns) and (columns.min() < 0 or columns.max() >= len(columns)):
        raise TamperedModelError(f"{type(part).__name__}: a word points outside the {len(columns)} columns")


def check_text_input(part: Any, error: type[Exception]) -> None:
    """A vectorizer with `input="filename"` would open any file that a request names."""
    if part.input != "content":
        raise error(f"{type(part).__name__}: input={part.input!r} reads files named by the rows; use input='content'")


def _check_spline(part: Any) -> None:
    try:
        BSpline(part.t, part.c, part.k, part.extrapolate, getattr(part, "axis", 0))
    except (ValueError, TypeError) as exc:
        raise TamperedModelError(f"BSpline: {exc}") from exc


def _check_own_methods(part: Any) -> None:
    """An attribute called like a method would be called in its place."""
    for name in vars(part):
        if inspect.isfunction(getattr(type(part), name, None)):
            raise TamperedModelError(f"{type(part).__name__}: an attribute hides its method '{name}'")


RULES: list[tuple[Any, Callable[[Any], None]]] = [
    (BaseEstimator, _check_own_methods),
    (BaseEstimator, ecosystem.check),
    (BaseDecisionTree, _check_decision_tree),
    (BaseForest, _check_forest),
    (IsolationForest, _check_isolation_forest),
    (BaseHistGradientBoosting, _check_hist_boosting),
    (BaseLibSVM, check_svm),
    ((KMeans, MiniBatchKMeans, BisectingKMeans), _check_centers),
    (BisectingKMeans, _check_bisecting),
    ((CountVectorizer, HashingVectorizer), _check_vocabulary),
    (BSpline, _check_spline),
    (BaseGradientBoosting, _check_boosting),
]
