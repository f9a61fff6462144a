"""
Fitted boosters of all three libraries, small, over one table with gaps, categories, ties and zeros.

A name begins with its library; `fitted(name)` skips where that is not installed, and fails in CI.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from conftest import needs

_rng = np.random.default_rng(0)
N = 240
X = pd.DataFrame(
    {
        "size (cm)": _rng.normal(size=N).round(2),
        "rooms": _rng.integers(0, 5, N).astype(float),
        "kind": pd.Categorical(_rng.choice(["flat", "house", "ätic"], N)),
        "rise": _rng.normal(size=N) * (_rng.random(N) > 0.3),
    }
)
X.loc[_rng.random(N) < 0.1, "size (cm)"] = np.nan
NUMBERS = X.drop(columns="kind")
ASCII = X.assign(
    kind=X.kind.cat.rename_categories({"ätic": "attic"}).cat.reorder_categories(["house", "flat", "attic"])
)
ORDERED = ASCII.assign(kind=ASCII.kind.cat.as_ordered())
TEXT = X.assign(kind=X.kind.astype(str))
_score = X["size (cm)"].fillna(0) + (X.kind == "flat") * 1.5 + X.rise
TWO = np.where(_score > 0.4, "yes", "no")
CODES = (TWO == "yes").astype(int)
THREE = np.digitize(_score, [0, 1])
VALUE = (_score * 2 + X.rooms).to_numpy()
LABELS = np.column_stack([CODES, X.rise > 0]).astype(int)


def library(name: str) -> Any:
    """The library, or a skipped test."""
    needs(importlib.util.find_spec(name), f"needs {name}")
    return importlib.import_module(name)


def _lgb(kind: str, **options: Any) -> Any:
    given = {"n_estimators": 8, "num_leaves": 6, "min_child_samples": 4, "verbose": -1, "min_data_per_group": 4}
    return getattr(library("lightgbm"), f"LGBM{kind}")(**{**given, "max_cat_to_onehot": 1, **options})


def _xgb(kind: str, **options: Any) -> Any:
    return getattr(library("xgboost"), f"XGB{kind}")(**{"n_estimators": 6, "max_depth": 3, **options})


def _cat(kind: str, **options: Any) -> Any:
    given = {"iterations": 8, "depth": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
    return getattr(library("catboost"), f"CatBoost{kind}")(**{**given, **options})


def _lgb_train(objective: Any, target: Any, **options: Any) -> Any:
    lightgbm = library("lightgbm")
    given = {"objective": objective, "num_leaves": 6, "verbose": -1, **options}
    return lightgbm.train(given, lightgbm.Dataset(NUMBERS, target), 6)


def _xgb_train(objective: str, target: Any, table: Any = NUMBERS, **options: Any) -> Any:
    xgboost = library("xgboost")
    return xgboost.train({"objective": objective, "max_depth": 3, **options}, xgboost.DMatrix(table, target), 5)


def _lgb_stopped() -> Any:
    lightgbm = library("lightgbm")
    model = _lgb("Classifier", n_estimators=40)
    noise = np.random.default_rng(1).permutation(TWO)
    stop = lightgbm.early_stopping(2, verbose=False)
    return model.fit(X, TWO, eval_set=[(X, noise)], callbacks=[stop])


def _xgb_stopped() -> Any:
    noise = np.random.default_rng(1).permutation(CODES)
    model = _xgb("Classifier", n_estimators=40, early_stopping_rounds=3)
    return model.fit(NUMBERS, CODES, eval_set=[(NUMBERS, noise)], verbose=0)


def _cat_stopped() -> Any:
    noise = np.random.default_rng(1).permutation(TWO)
    model = _cat("Classifier", iterations=40)
    return model.fit(NUMBERS, TWO, eval_set=(NUMBERS, noise), early_stopping_rounds=2)


def columns(*boosters: Any) -> Any:
    """Numbers scaled, the category in indicators, then the one booster or a soft vote of several."""
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), list(NUMBERS.columns)), (OneHotEncoder(), ["kind"])
    )
    last = boosters[0]
    if len(boosters) > 1:
        last = VotingClassifier([(f"m{place}", one) for place, one in enumerate(boosters)], voting="soft")
    return make_pipeline(prepare, last)


def _ranked(model: Any) -> Any:
    return model.fit(NUMBERS, THREE, group=[N // 4] * 4)


#: Each with the table it was fitted on.
MAKE: dict[str, tuple[Callable[[], Any], Any]] = {
    "lightgbm-two": (lambda: _lgb("Classifier").fit(X, TWO), X),
    "lightgbm-ordered": (
        lambda: _lgb("Classifier").fit(ORDERED, TWO),
        ORDERED,
    ),
    "lightgbm-three": (lambda: _lgb("Classifier").fit(X, THREE), X),
    "lightgbm-ova": (lambda: _lgb("Classifier", objective="multiclassova").fit(NUMBERS, THREE), NUMBERS),
    "lightgbm-number": (lambda: _lgb("Regressor").fit(X, VALUE), X),
    "lightgbm-poisson": (lambda: _lgb("Regressor", objective="poisson").fit(NUMBERS, np.abs(VALUE)), NUMBERS),
    "lightgbm-array": (lambda: _lgb("Classifier").fit(NUMBERS.to_numpy(), TWO), NUMBERS.to_numpy()),
    "lightgbm-forest": (
        lambda: _lgb("Classifier", boosting_type="rf", bagging_freq=1, bagging_fraction=0.5).fit(X, THREE),
        X,
    ),
    "lightgbm-dart": (lambda: _lgb("Regressor", boosting_type="dart").fit(NUMBERS, VALUE), NUMBERS),
    "lightgbm-ranker": (lambda: _ranked(_lgb("Ranker")), NUMBERS),
    "lightgbm-stopped": (_lgb_stopped, X),
    "lightgbm-booster": (lambda: _lgb_train("binary", CODES), NUMBERS),
    "lightgbm-steep": (lambda: _lgb_train("binary", CODES, sigmoid=2.0), NUMBERS),
    "lightgbm-raw": (lambda: _lgb_train(_pull, VALUE), NUMBERS),
    "lightgbm-linear": (lambda: _lgb("Regressor", linear_tree=True).fit(NUMBERS, VALUE), NUMBERS),
    "xgboost-two": (lambda: _xgb("Classifier").fit(NUMBERS, CODES), NUMBERS),
    "xgboost-three": (lambda: _xgb("Classifier", enable_categorical=True).fit(X, THREE), X),
    "xgboost-ascii": (lambda: _xgb("Classifier", enable_categorical=True).fit(ASCII, THREE), ASCII),
    "xgboost-labels": (lambda: _xgb("Classifier").fit(NUMBERS, LABELS), NUMBERS),
    "xgboost-number": (lambda: _xgb("Regressor").fit(NUMBERS, VALUE), NUMBERS),
    "xgboost-numbers": (
        lambda: _xgb("Regressor", multi_strategy="multi_output_tree").fit(NUMBERS, np.column_stack([VALUE, CODES])),
        NUMBERS,
    ),
    "xgboost-array": (lambda: _xgb("Classifier").fit(NUMBERS.to_numpy(), CODES), NUMBERS.to_numpy()),
    "xgboost-forest": (lambda: _xgb("RFClassifier").fit(NUMBERS, THREE), NUMBERS),
    "xgboost-dart": (lambda: _xgb("Regressor", booster="dart").fit(NUMBERS, VALUE), NUMBERS),
    "xgboost-linear": (lambda: _xgb("Regressor", booster="gblinear").fit(NUMBERS.fillna(0), VALUE), NUMBERS.fillna(0)),
    "xgboost-missing": (lambda: _xgb("Regressor", missing=-1.0).fit(NUMBERS.fillna(-1), VALUE), NUMBERS.fillna(-1)),
    "xgboost-ranker": (lambda: _ranked(_xgb("Ranker")), NUMBERS),
    "xgboost-stopped": (_xgb_stopped, NUMBERS),
    "xgboost-booster": (lambda: _xgb_train("binary:logistic", CODES), NUMBERS),
    "xgboost-softmax": (lambda: _xgb_train("multi:softmax", THREE, num_class=3), NUMBERS),
    "catboost-two": (lambda: _cat("Classifier").fit(NUMBERS, TWO), NUMBERS),
    "catboost-three": (lambda: _cat("Classifier").fit(NUMBERS, THREE), NUMBERS),
    "catboost-categories": (lambda: _cat("Classifier", cat_features=["kind"]).fit(X, THREE), X),
    "catboost-text": (
        lambda: _cat("Classifier", cat_features=["kind"], one_hot_max_size=1, max_ctr_complexity=2).fit(TEXT, TWO),
        TEXT,
    ),
    "catboost-number": (lambda: _cat("Regressor").fit(NUMBERS, VALUE), NUMBERS),
    "catboost-numbers": (
        lambda: _cat("Regressor", loss_function="MultiRMSE").fit(NUMBERS, np.column_stack([VALUE, CODES])),
        NUMBERS,
    ),
    "catboost-poisson": (lambda: _cat("Regressor", loss_function="Poisson").fit(NUMBERS, np.abs(VALUE)), NUMBERS),
    "catboost-array": (lambda: _cat("Regressor").fit(NUMBERS.to_numpy(), VALUE), NUMBERS.to_numpy()),
    "catboost-lossguide": (lambda: _cat("Regressor", grow_policy="Lossguide").fit(NUMBERS, VALUE), NUMBERS),
    "catboost-stopped": (_cat_stopped, NUMBERS),
}
NAMES = sorted(MAKE)

#: Boosters inside scikit-learn models.
INSIDE: dict[str, tuple[Callable[[], Any], Any]] = {
    "lightgbm-pipeline": (lambda: columns(_lgb("Classifier")).fit(TEXT, TWO), TEXT),
    "xgboost-pipeline": (lambda: columns(_xgb("Classifier")).fit(TEXT, THREE), TEXT),
    "catboost-pipeline": (lambda: columns(_cat("Classifier")).fit(TEXT, TWO), TEXT),
    "catboost-vote": (lambda: columns(_lgb("Classifier"), _cat("Classifier")).fit(TEXT, TWO), TEXT),
    "xgboost-vote": (lambda: columns(_lgb("Classifier"), _xgb("Classifier")).fit(TEXT, TWO), TEXT),
    "lightgbm-stack": (
        lambda: columns(
            StackingClassifier([("l", _lgb("Classifier")), ("r", LogisticRegression())], _lgb("Classifier"), cv=2)
        ).fit(TEXT, TWO),
        TEXT,
    ),
    "lightgbm-calibrated": (lambda: columns(CalibratedClassifierCV(_lgb("Classifier"), cv=2)).fit(TEXT, TWO), TEXT),
    "lightgbm-search": (
        lambda: GridSearchCV(columns(_lgb("Regressor")), {"lgbmregressor__num_leaves": [3, 5]}, cv=2).fit(TEXT, VALUE),
        TEXT,
    ),
    "lightgbm-pandas": (
        lambda: make_pipeline(
            make_column_transformer(("passthrough", ["kind", "rise"])).set_output(transform="pandas"),
            _lgb("Classifier"),
        ).fit(X, TWO),
        X,
    ),
}


def _pull(scores: Any, data: Any) -> Any:
    """An objective of one's own: least squares."""
    return scores - data.get_label(), np.ones_like(scores)


@cache
def fitted(name: str) -> tuple[Any, Any]:
    """The model *name* and the table it was fitted on; do not change them."""
    make, table = MAKE.get(name) or INSIDE[name]
    return make(), table
