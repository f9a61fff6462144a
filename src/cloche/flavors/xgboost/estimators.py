"""XGBoost's estimators as a file and a record of plain data, and back; alone or inside a scikit-learn model."""

from __future__ import annotations

from typing import Any

import xgboost

from cloche.errors import SaveRefusedError, TamperedModelError
from cloche.flavors.boosted import checked_parameters, expect, field, plain_parameters, refuse_unfit
from cloche.flavors.xgboost import content

SUFFIX = ".ubj"
_WRAPPERS: dict[str, Any] = {
    one.__name__: one
    for one in (
        xgboost.XGBClassifier,
        xgboost.XGBModel,
        xgboost.XGBRanker,
        xgboost.XGBRegressor,
        xgboost.XGBRFClassifier,
        xgboost.XGBRFRegressor,
    )
}


def booster_of(estimator: Any) -> Any:
    """
    The `Booster` of a fitted *estimator*.

    Raises:
        SaveRefusedError: it is not fitted, or of a class that is not XGBoost's own.
    """
    if type(estimator) is xgboost.Booster:
        return estimator
    refuse_unfit(estimator, _WRAPPERS, fitted, "XGBoost", "save its booster: cloche.save(model.get_booster(), …)")
    return estimator.get_booster()


def fitted(estimator: Any) -> bool:
    """Whether there are trees to store."""
    return type(estimator) is xgboost.Booster or estimator.__sklearn_is_fitted__()


def dump(estimator: Any) -> tuple[bytes | None, dict[str, Any]]:
    """
    The booster's file, and what else is needed to make the estimator again.

    Raises:
        SaveRefusedError: it could not be opened elsewhere.
    """
    kind = type(estimator).__name__
    if kind == "Booster":
        return _file(estimator), {"kind": kind}
    if _WRAPPERS.get(kind) is not type(estimator):
        booster_of(estimator)
    record: dict[str, Any] = {"kind": kind, "parameters": plain_parameters(estimator.get_params(deep=False))}
    if not fitted(estimator):
        return None, record
    refuse_custom(estimator)
    if hasattr(estimator, "n_classes_"):
        record["classes"] = int(estimator.n_classes_)
    return _file(booster_of(estimator)), record


def refuse_custom(estimator: Any) -> None:
    """
    Refuse a classifier whose objective is a function: its answers are no probabilities.

    Raises:
        SaveRefusedError: with the recipe.
    """
    if isinstance(estimator, xgboost.XGBClassifier) and callable(estimator.objective):
        raise SaveRefusedError(
            "XGBClassifier with an objective of your own answers raw scores, no probabilities; save its booster to "
            "serve these scores (cloche.save(model.get_booster(), …)), or fit with objective='binary:logistic' or "
            "'multi:softprob'"
        )


def levels(estimator: Any) -> list[tuple[Any, ...] | None]:
    """Each column's categories; None where it is a number, or the model is not fitted."""
    if not fitted(estimator):
        return []
    return list(content.parse(bytes(booster_of(estimator).save_raw(raw_format="ubj")), "the model").levels)


def _file(booster: Any) -> bytes:
    raw = bytes(booster.save_raw(raw_format="ubj"))
    content.parse(raw, "the model")  # what could not be opened is not written
    return raw


def load(raw: bytes | None, record: Any, name: str) -> Any:
    """
    The estimator of the file *raw* and *record*.

    Raises:
        WrongFormatError, TamperedModelError: one of them is not what `dump` wrote.
    """
    kind = field(record, "kind", str)
    if kind == "Booster" and raw is not None:
        return opened(raw, name)
    make = _WRAPPERS.get(kind)
    expect(make is not None, f"{name}: an estimator of kind {str(kind)[:40]!r}")
    assert make is not None
    estimator = make(**checked_parameters(make, record, name))
    if raw is None:
        return estimator
    estimator._Booster = opened(raw, name)
    if isinstance(estimator, xgboost.XGBClassifier):
        estimator.n_classes_ = _classes(raw, record, name)
    return estimator


def _classes(raw: bytes, record: Any, name: str) -> int:
    model = content.parse(raw, name)
    classes: int = field(record, "classes", int, 0)
    expect(classes == (model.classes if model.classes > 1 else 2), f"{name}: {classes} classes in the record")
    return classes


def opened(raw: bytes, name: str) -> Any:
    """
    The `Booster` of a checked file.

    Raises:
        WrongFormatError, TamperedModelError
    """
    model = content.parse(raw, name)
    try:
        booster = xgboost.Booster()
        booster.load_model(bytearray(raw))
        features = int(booster.num_features())
    except (xgboost.core.XGBoostError, ValueError, TypeError) as exc:
        raise TamperedModelError(f"{name}: XGBoost does not open it: {str(exc).splitlines()[0][:200]}") from exc
    expect(features == model.features, f"{name}: {features} features were read, it says {model.features}")
    return booster
