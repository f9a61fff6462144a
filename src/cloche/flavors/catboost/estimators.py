"""CatBoost's estimators as a file and a record of plain data, and back; alone or inside a scikit-learn model."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import catboost

from cloche.errors import SaveRefusedError, TamperedModelError
from cloche.flavors.boosted import checked_parameters, expect, field, plain_parameters, refuse_unfit
from cloche.flavors.catboost import cbm

SUFFIX = ".cbm"
_WRAPPERS: dict[str, Any] = {
    one.__name__: one
    for one in (catboost.CatBoost, catboost.CatBoostClassifier, catboost.CatBoostRanker, catboost.CatBoostRegressor)
}


def checked(estimator: Any) -> Any:
    """
    The fitted *estimator*.

    Raises:
        SaveRefusedError: it is not fitted, or of a class that is not CatBoost's own.
    """
    own = "save it as CatBoost's own: model.save_model('model.cbm'), then cloche save model.cbm --name NAME"
    refuse_unfit(estimator, _WRAPPERS, fitted, "CatBoost", own)
    return estimator


def fitted(estimator: Any) -> bool:
    """Whether there are trees to store."""
    return bool(estimator.is_fitted())


def dump(estimator: Any) -> tuple[bytes | None, dict[str, Any]]:
    """
    The file of the trees up to the best iteration, and what else is needed to make the estimator again.

    Raises:
        SaveRefusedError: it could not be opened elsewhere.
    """
    kind = type(estimator).__name__
    if _WRAPPERS.get(kind) is not type(estimator):
        checked(estimator)
    record = {"kind": kind, "parameters": plain_parameters(estimator.get_params())}
    return (file_of(estimator) if fitted(estimator) else None), record


def levels(estimator: Any) -> list[tuple[Any, ...] | None]:
    """None for each column: CatBoost keeps hashes of categories only."""
    return [None] * len(estimator.feature_names_) if fitted(estimator) else []


def file_of(estimator: Any) -> bytes:
    """
    What CatBoost writes of a fitted model.

    Raises:
        SaveRefusedError: it reads text or embeddings, whose content is not checked here.
    """
    with tempfile.TemporaryDirectory(prefix="cloche-catboost-") as folder:
        path = Path(folder) / "model.cbm"
        estimator.save_model(str(path), format="cbm")
        raw = path.read_bytes()
    try:
        cbm.parse(raw, "the model")  # what could not be opened is not written
    except TamperedModelError as exc:
        raise SaveRefusedError(f"{exc}: CatBoost with numbers and categories is stored, nothing else") from exc
    return raw


def load(raw: bytes | None, record: Any, name: str) -> Any:
    """
    The estimator of the file *raw* and *record*.

    Raises:
        WrongFormatError, TamperedModelError: one of them is not what `dump` wrote.
    """
    make = _WRAPPERS.get(field(record, "kind", str))
    expect(make is not None, f"{name}: an estimator of kind {str(record.get('kind'))[:40]!r}")
    assert make is not None
    parameters = checked_parameters(make, record, name)
    estimator = make(parameters) if make is catboost.CatBoost else make(**parameters)
    return estimator if raw is None else _opened(estimator, raw, name)


def opened(raw: bytes, name: str) -> Any:
    """
    The model of a file that CatBoost wrote: a classifier where it names classes, a regressor otherwise.

    Raises:
        WrongFormatError, TamperedModelError
    """
    told = cbm.parse(raw, name)
    if "class_params" in told.info:
        return _opened(catboost.CatBoostClassifier(), raw, name)
    loss = told.loss if re.fullmatch("[A-Za-z]+", told.loss) else None
    return _opened(catboost.CatBoostRegressor(loss_function=loss), raw, name)  # it decides what an answer is


def _opened(estimator: Any, raw: bytes, name: str) -> Any:
    model = cbm.parse(raw, name)
    try:
        estimator.load_model(blob=raw)
        names = tuple(estimator.feature_names_)
    except (catboost.CatBoostError, ValueError, TypeError, KeyError) as exc:
        raise TamperedModelError(f"{name}: CatBoost does not open it: {str(exc).splitlines()[0][:200]}") from exc
    expect(len(names) == model.features, f"{name}: {len(names)} features were read, it says {model.features}")
    return estimator
