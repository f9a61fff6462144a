"""
Every transformer and estimator of imbalanced-learn, skrub, category_encoders and feature-engine, fitted in a pipeline.

`names()` are their qualified names; `fitted(name)` gives `(pipeline, table)`, or raises where no arrangement here fits.
Nothing of these packages is imported before it is asked for.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

PACKAGES = ("category_encoders", "feature_engine", "imblearn", "skrub")
ROWS = 150
#: No transformers of a fitted model: bases, mixins, and what skrub builds models with.
_NOT = frozenset(
    "BaseEncoder BaseContrastEncoder BaseImputer BaseDiscretiser BaseSelector BaseNumericalTransformer BaseOutlier "
    "BaseCreation BaseRecursiveSelector BaseForecastTransformer BaseTargetMeanEstimator CategoricalMethodsMixin "
    "WinsorizerBase SkrubBaseEstimator SingleColumnTransformer Matching OtherNeighbor RandomPairs SelfJoinNeighbor "
    "OptunaParamSearch ParamSearch SkrubLearner ValueDifferenceMetric PassThrough".split()
)
_BINS = {"binning_dict": {"a": [-100.0, 4.0, 5.0, 100.0]}}
_NUMBERS = ["a", "b"]
_GEO = {"lat1": "a", "lon1": "b", "lat2": "b", "lon2": "a"}

#: Arguments of those that need some.
ARGUMENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "ArbitraryDiscretiser": lambda: _BINS,
    "ArbitraryOutlierCapper": lambda: {"max_capping_dict": {"a": 6.0}},
    "DatetimeSubtraction": lambda: {"variables": ["t"], "reference": ["u"]},
    "DecisionTreeDiscretiser": lambda: {"regression": False},
    "DecisionTreeEncoder": lambda: {"regression": False},
    "DecisionTreeFeatures": lambda: {"regression": False},
    "DropCols": lambda: {"cols": ["c", "d"]},
    "DropFeatures": lambda: {"features_to_drop": ["c", "d"]},
    "ExpandingWindowFeatures": lambda: {"variables": _NUMBERS},
    "GeoDistanceFeatures": lambda: _GEO,
    "GLMMEncoder": lambda: {"random_state": 0, "binomial_target": True},
    "LagFeatures": lambda: {"variables": _NUMBERS},
    "MathFeatures": lambda: {"variables": _NUMBERS, "func": ["sum", "mean"]},
    "NestedCVWrapper": lambda: {"feature_encoder": _named("category_encoders.target_encoder.TargetEncoder")()},
    "PolynomialWrapper": lambda: {"feature_encoder": _named("category_encoders.target_encoder.TargetEncoder")()},
    "ProbeFeatureSelection": lambda: {"estimator": LogisticRegression()},
    "RecursiveFeatureAddition": lambda: {"estimator": LogisticRegression()},
    "RecursiveFeatureElimination": lambda: {"estimator": LogisticRegression()},
    "RelativeFeatures": lambda: {"variables": ["a"], "reference": ["b"], "func": ["sub", "div"]},
    "SelectByShuffling": lambda: {"estimator": LogisticRegression()},
    "SelectBySingleFeaturePerformance": lambda: {"estimator": LogisticRegression()},
    "SelectCols": lambda: {"cols": _NUMBERS},
    "SessionEncoder": lambda: {"timestamp_col": "t"},
    "SMOTENC": lambda: {"categorical_features": [1]},
    "SklearnTransformerWrapper": lambda: {"transformer": StandardScaler()},
    "TextFeatures": lambda: {"variables": ["s"]},
    "WindowFeatures": lambda: {"variables": _NUMBERS},
    **dict.fromkeys(("ApplyToCols", "ApplyToEachCol", "ApplyToSubFrame"), lambda: {"transformer": StandardScaler()}),
}


def _named(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def names() -> list[str]:
    """All of them, qualified as skops spells them, sorted."""
    return sorted({f"{one.__module__}.{one.__qualname__}" for package in PACKAGES for one in _estimators(package)})


def _estimators(package: str) -> Iterator[type]:
    root = importlib.import_module(package)
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        if ".tests" in found.name or "dataset" in found.name or found.name.endswith("conftest"):
            continue
        try:
            module = importlib.import_module(found.name)
        except Exception:  # needs what is not installed here
            continue
        for name, one in vars(module).items():
            ours = (
                inspect.isclass(one)
                and not inspect.isabstract(one)
                and issubclass(one, BaseEstimator)
                and one.__module__.startswith(package)
            )
            if ours and not name.startswith("_") and name not in _NOT and "sklearn" not in one.__module__:
                yield one


def tables() -> dict[str, pd.DataFrame]:
    """What they are fitted on: numbers; numbers and categories; and dates and text beside."""
    rng = np.random.default_rng(0)
    numbers = pd.DataFrame({"a": rng.normal(5.0, 1.0, ROWS), "b": rng.gamma(2.0, 1.0, ROWS) + 1.0})
    cities = rng.choice(["x", "y", "z"], ROWS)
    mixed = numbers.assign(c=cities, d=rng.choice(["p", "q"], ROWS))
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 500, ROWS), unit="D")
    dated = numbers.assign(t=days, u=pd.Timestamp("2023-01-01"))
    text = numbers.assign(s=[f"{one} street {number % 7}" for number, one in enumerate(cities)])
    categories = mixed[["c", "d"]]
    return {
        "mixed": mixed,
        "numbers": numbers,
        "unit": numbers / 20.0,
        "categories": categories,
        "dated": dated,
        "text": text,
    }


def targets(table: pd.DataFrame) -> list[Any]:
    """Two classes of unequal size as 0 and 1, and a number."""
    first = table.iloc[:, 0]
    score = first.rank() if first.dtype.kind == "f" else first.map({"x": 1.0, "y": 2.0, "z": 3.0}).rank()
    noise = np.random.default_rng(1).normal(0.0, 30.0, len(table))
    return [(score + noise > len(table) * 0.6).astype(int), score + noise]


def _finishing() -> Any:
    """What makes numbers of whatever a step gives."""
    words = make_column_selector(dtype_exclude="number")
    return make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), words), remainder="passthrough"
    )


def _arrangements(name: str, kind: type, step: Any, last: Any) -> Iterator[Any]:
    if hasattr(kind, "predict"):
        yield step
    elif hasattr(kind, "fit_resample"):
        yield _named("imblearn.pipeline.Pipeline")([("sample", step), ("model", last)])
    else:
        yield Pipeline([("step", step), ("model", last)])
        yield Pipeline([("step", step), ("finish", _finishing()), ("model", last)])
        if name.startswith("skrub."):
            apply = _named("skrub.ApplyToCols")
            for column in ("c", "s", "t", "a"):
                yield Pipeline([("step", apply(step, cols=[column])), ("finish", _finishing()), ("model", last)])


def fitted(name: str) -> tuple[Any, Any]:
    """
    The type *name* fitted in a pipeline that predicts, and the table.

    Raises:
        ValueError: no arrangement here fits.
    """
    kind, complaint = _named(name), "nothing fits"
    if name in ("imblearn.pipeline.Pipeline", "feature_engine.pipeline.pipeline.Pipeline"):
        table = tables()["numbers"]
        return kind([("scale", StandardScaler()), ("model", LogisticRegression())]).fit(table, targets(table)[0]), table
    for table in tables().values():
        for target, last in zip(targets(table), (LogisticRegression(), LinearRegression()), strict=True):
            try:
                step = kind(**ARGUMENTS.get(kind.__name__, dict)())
                arrangements = list(_arrangements(name, kind, step, last))
            except Exception as exc:
                raise ValueError(f"{type(exc).__name__}: {exc}") from exc
            for model in arrangements:
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        if len(model.fit(table, target).predict(table)) == len(table):
                            return model, table
                except Exception as exc:
                    complaint = f"{type(exc).__name__}: {exc}"
    raise ValueError(complaint)


def imblearn_pipeline() -> tuple[Any, pd.DataFrame]:
    """A pipeline as people write it: scale, oversample, fit."""
    table = tables()["numbers"]
    smote = _named("imblearn.over_sampling.SMOTE")(random_state=0, k_neighbors=2)
    steps = [("scale", StandardScaler()), ("sample", smote), ("model", LogisticRegression())]
    return _named("imblearn.pipeline.Pipeline")(steps).fit(table, targets(table)[0]), table
