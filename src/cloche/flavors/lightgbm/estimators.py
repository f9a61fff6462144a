"""LightGBM's estimators as a text and a record of plain data, and back; alone or inside a scikit-learn model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np
from lightgbm.basic import LightGBMError
from lightgbm.compat import _LGBMLabelEncoder

from cloche.errors import SaveRefusedError, TamperedModelError
from cloche.flavors.boosted import (
    checked_parameters,
    classes_of,
    classes_record,
    expect,
    field,
    plain_parameters,
    refuse_unfit,
)
from cloche.flavors.lightgbm import text

SUFFIX = ".txt"
_WRAPPERS: dict[str, Any] = {
    one.__name__: one
    for one in (lightgbm.LGBMClassifier, lightgbm.LGBMModel, lightgbm.LGBMRanker, lightgbm.LGBMRegressor)
}


def booster_of(estimator: Any) -> Any:
    """
    The `Booster` of a fitted *estimator*.

    Raises:
        SaveRefusedError: it is not fitted, or of a class that is not LightGBM's own.
    """
    if type(estimator) is lightgbm.Booster:
        return estimator
    refuse_unfit(estimator, _WRAPPERS, fitted, "LightGBM", "save its booster: cloche.save(model.booster_, …)")
    return estimator.booster_


def fitted(estimator: Any) -> bool:
    """Whether there are trees to store."""
    return type(estimator) is lightgbm.Booster or estimator.__sklearn_is_fitted__()


def dump(estimator: Any) -> tuple[bytes | None, dict[str, Any]]:
    """
    The text of the trees up to the best iteration, and what else is needed to make the estimator again.

    Raises:
        SaveRefusedError: it could not be opened elsewhere.
    """
    kind = type(estimator).__name__
    if kind == "Booster":
        return _text(estimator), {"kind": kind}
    record: dict[str, Any] = {"kind": kind, "parameters": plain_parameters(_parameters(estimator))}
    if not fitted(estimator):
        return None, record
    refuse_custom(estimator)
    record |= {
        "features": int(estimator.n_features_in_),
        "named": bool(estimator._fitted_with_feature_names),
        "objective": estimator._objective if isinstance(estimator._objective, str) else None,
        "best_iteration": int(estimator._best_iteration or 0),
    }
    if isinstance(estimator, lightgbm.LGBMClassifier):
        record["classes"] = classes_record(estimator.classes_)
    return _text(booster_of(estimator)), record


def _parameters(estimator: Any) -> dict[str, Any]:
    if _WRAPPERS.get(type(estimator).__name__) is not type(estimator):
        booster_of(estimator)
    found: dict[str, Any] = estimator.get_params(deep=False)
    return found


def refuse_custom(estimator: Any) -> None:
    """
    Refuse a classifier whose objective is a function: it knows neither classes nor probabilities.

    Raises:
        SaveRefusedError: with the recipe.
    """
    if isinstance(estimator, lightgbm.LGBMClassifier) and callable(estimator._objective):
        raise SaveRefusedError(
            "LGBMClassifier with an objective of your own answers raw scores, no classes; save its booster to serve "
            "these scores (cloche.save(model.booster_, …)), or fit with objective='binary' or 'multiclass'"
        )


def levels(estimator: Any, dtypes: Sequence[str] = ()) -> list[tuple[Any, ...] | None]:
    """Each column's pandas categories; None where it is a number, or where nobody says which it is; see `placed`."""
    if not fitted(estimator):
        return []
    model = text.parse(booster_of(estimator).model_to_string().encode(), "the model")
    found: list[tuple[Any, ...] | None] = [None] * len(model.names)
    for place, known in placed(model, dtypes).items():
        found[place] = known
    return found


def placed(model: text.Model, dtypes: Sequence[str]) -> dict[int, tuple[Any, ...]]:
    """
    The pandas categories by the place of their column.

    LightGBM keeps them in the order of the columns, and not of which: those that are categorical in the table of
    *dtypes*, else those that it declares (it takes ordered ones for numbers), else those that are text in the table.
    """
    seen = [place for place, one in enumerate(dtypes) if one.startswith("category")]
    words = [place for place, one in enumerate(dtypes) if one.startswith(("category", "str", "object", "String"))]
    for places in (seen, list(model.categorical), words):
        if len(places) == len(model.levels):
            return dict(zip(places, model.levels, strict=True))
    return {}


def _text(booster: Any) -> bytes:
    raw: bytes = booster.model_to_string().encode()
    text.parse(raw, "the model")  # what could not be opened is not written
    return raw


def load(raw: bytes | None, record: Any, name: str) -> Any:
    """
    The estimator of the text *raw* and *record*.

    Raises:
        WrongFormatError, TamperedModelError: one of them is not what `dump` wrote.
    """
    kind = field(record, "kind", str)
    booster = None if raw is None else opened(raw, name)
    if kind == "Booster" and booster is not None:
        return booster
    make = _WRAPPERS.get(kind)
    expect(make is not None, f"{name}: an estimator of kind {str(kind)[:40]!r}")
    assert make is not None
    estimator = make(**checked_parameters(make, record, name))
    if booster is not None:
        _fit(estimator, booster, record, name)
    return estimator


def opened(raw: bytes, name: str) -> Any:
    """
    The `Booster` of a checked text.

    Raises:
        WrongFormatError, TamperedModelError
    """
    model = text.parse(raw, name)
    try:
        booster = lightgbm.Booster(model_str=model.text)
    except (LightGBMError, ValueError, TypeError, KeyError) as exc:
        raise TamperedModelError(f"{name}: LightGBM does not open it: {exc}") from exc
    expect(booster.num_feature() == len(model.names), f"{name}: {booster.num_feature()} features were read")
    expect(booster.num_trees() == len(model.trees), f"{name}: {booster.num_trees()} trees were read")
    return booster


def _fit(estimator: Any, booster: Any, record: Any, name: str) -> None:
    """Give *estimator* what its `fit` would have left behind, as far as answering needs it."""
    features = field(record, "features", int)
    expect(features == booster.num_feature(), f"{name}: {booster.num_feature()} features, the record says {features}")
    estimator._Booster = booster
    estimator._n_features = features
    estimator._n_features_in = features
    estimator._fitted_with_feature_names = bool(field(record, "named", bool, False))
    estimator._objective = field(record, "objective", str)
    estimator._best_iteration = field(record, "best_iteration", int, 0)
    estimator.fitted_ = True
    if isinstance(estimator, lightgbm.LGBMClassifier):
        classes = classes_of(record.get("classes"))
        outputs = booster.num_model_per_iteration()
        expect(len(classes) == (2 if outputs == 1 else outputs), f"{name}: {len(classes)} classes, {outputs} outputs")
        estimator._le = _LGBMLabelEncoder()
        estimator._le.classes_ = classes
        estimator._classes, estimator._n_classes = classes, len(classes)
        estimator._class_map = dict(zip(classes.tolist(), np.arange(len(classes)).tolist(), strict=True))
