"""XGBoost: boosters and their scikit-learn wrappers, stored in XGBoost's own UBJSON behind our own checks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xgboost

from cloche.contract.model import Output
from cloche.errors import SaveRefusedError
from cloche.flavors import boosted
from cloche.flavors.boosted import Boosted, BoosterFlavor, estimator_of
from cloche.flavors.lowered import FLOAT32
from cloche.flavors.xgboost import content, estimators
from cloche.manifest import Tolerance
from cloche.records import FrameSpec, InputFacts, ModelFacts, Outputs
from cloche.trust import DEFAULT, TrustPolicy

FILE = "model.ubj"
#: Trees are added up in float32.
TOLERANCE = Tolerance("float32", 1e-5, 1e-5)
#: Dtypes whose columns XGBoost rounds to the same float32 from a frame and from an array of float64.
_NUMBERS = frozenset("float64 float32 bool int8 int16 int32 int64 uint8 uint16 uint32 Float64 Int64 Int32".split())
_BINARY = ("binary:logistic", "binary:hinge")
_SOFTMAX = ("multi:softprob", "multi:softmax")
_PROBABLE = ("binary:logistic", *_SOFTMAX)


class XgboostFlavor(BoosterFlavor):
    """Fitted XGBoost models; inside scikit-learn pipelines they are scikit-learn's, which stores them likewise."""

    name: ClassVar[str] = "xgboost"
    packages: ClassVar[tuple[str, ...]] = ("xgboost",)
    formats: ClassVar[tuple[str, ...]] = ("`model.ubj`",)
    refuses: ClassVar[tuple[str, ...]] = (
        "subclasses of its estimators, at save",
        "files whose trees or categories do not fit",
    )
    no_twin: ClassVar[str] = FLOAT32
    file: ClassVar[str] = FILE

    def framework(self, model: Any) -> str:
        """The library and its version."""
        return f"XGBoost {xgboost.__version__}"

    def tolerance(self, model: Any) -> Tolerance:
        """That of float32."""
        return TOLERANCE

    def facts(self, model: Any) -> ModelFacts:
        """What the model says of itself; a bare booster knows its classes by number only."""
        estimator = estimator_of(model)
        booster = estimators.booster_of(estimator)
        estimators.refuse_custom(estimator)
        parsed = _told(booster)
        keys = parsed.names or tuple(f"x{place}" for place in range(parsed.features))
        task, classes = _task(estimator, parsed)
        several, columns = task == "multioutput_regression", boosted.table_columns(model)
        return ModelFacts(
            task=task,
            names=parsed.names or None,
            n_inputs=parsed.features,
            inputs={
                key: _input(known, columns[key].levels if key in columns else None)
                for key, known in zip(keys, parsed.levels, strict=True)
            },
            classes=classes,
            output_names=tuple(f"y{place}" for place in range(parsed.outputs)) if several else None,
            probabilities=classes is not None and parsed.objective in _PROBABLE,
            hyperparameters=_hyperparameters(estimator, parsed),
        )

    def dump(self, model: Any, directory: Path, *, trust: TrustPolicy = DEFAULT) -> dict[str, Any]:
        """Write `model.ubj`."""
        raw, record = estimators.dump(estimator_of(model))
        if raw is None:
            estimators.booster_of(estimator_of(model))
            raise SaveRefusedError("the model holds no trees")
        (directory / FILE).write_bytes(raw)
        return {"file": FILE, **record}

    def loaded(self, raw: bytes, record: Mapping[str, Any]) -> Boosted:
        """The estimator of a file and its record."""
        return Boosted(estimators.load(raw, record, FILE), told=content.parse(raw, FILE))

    def check(self, raw: bytes, name: str) -> None:
        """Read the file by our own parser; see `content.parse`."""
        content.parse(raw, name)

    def opened(self, raw: bytes, name: str) -> Any:
        """The `Booster` of a file that `Booster.save_model` wrote."""
        return estimators.opened(raw, name)

    def ask(self, model: Any) -> None:
        """A row of zeros, and one of missing numbers."""
        features = int(model.num_features())
        rows = np.vstack([np.zeros(features), np.full(features, np.nan)])
        model.predict(xgboost.DMatrix(rows), validate_features=False)

    def frame(self, native: Any, spec: FrameSpec) -> FrameSpec:
        """One array: of numbers, and of the codes that the model has for its categories."""
        told = native.told if isinstance(native, Boosted) else None
        return boosted.as_array(spec, _NUMBERS, None if told is None else told.levels)

    def predict(self, native: Any, frame: Any, output: Output) -> Outputs:
        """What the booster answers for *frame*, from the trees up to the best iteration."""
        estimator = estimator_of(native)
        booster = estimators.booster_of(estimator)
        told = native.told if isinstance(native, Boosted) and native.told is not None else _told(booster)
        margin = output.task == "classification" and told.objective == "multi:softmax"
        values = _asked(estimator, booster, told, frame, margin=margin)
        if output.task == "multilabel":
            return _multilabel(values, output)
        if output.task != "classification":
            return boosted.numbers(values, output)
        return boosted.classified(_softmax(values) if margin else values, range(max(2, told.classes)), output)


def _told(booster: Any) -> content.Model:
    return content.parse(bytes(booster.save_raw(raw_format="ubj")), FILE)


def _asked(estimator: Any, booster: Any, told: content.Model, frame: Any, *, margin: bool) -> Any:
    missing = getattr(estimator, "missing", np.nan)
    if told.booster == "gblinear":
        matrix = xgboost.DMatrix(frame, missing=missing)
        return booster.predict(matrix, output_margin=margin, validate_features=False)
    return booster.inplace_predict(
        frame,
        iteration_range=(0, told.answering),
        predict_type="margin" if margin else "value",
        missing=missing,
        validate_features=False,
    )


def _softmax(values: Any) -> Any:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _multilabel(values: Any, output: Output) -> Outputs:
    labels = output.classes or tuple(range(values.shape[1]))
    found = [[label for label, on in zip(labels, row, strict=True) if on] for row in (values > 0.5).tolist()]
    return Outputs(found, values.tolist() if output.probabilities else None)


def _task(estimator: Any, told: content.Model) -> tuple[str, tuple[Any, ...] | None]:
    bare = type(estimator) is xgboost.Booster
    if isinstance(estimator, xgboost.XGBClassifier) or (bare and told.objective in (*_BINARY, *_SOFTMAX)):
        if told.classes > 1:
            return "classification", tuple(range(told.classes))
        several = told.outputs > 1
        return ("multilabel", tuple(range(told.outputs))) if several else ("classification", (0, 1))
    return "multioutput_regression" if told.outputs > 1 else "regression", None


def _input(levels: tuple[Any, ...] | None, declared: tuple[Any, ...] | None) -> InputFacts:
    """
    The categories of the training table: XGBoost refuses others, or takes them for missing.

    It counts characters where it stores bytes, so that text beyond ASCII loses its end: then the table's are taken.
    """
    if levels is None:
        return InputFacts()
    if declared is not None and len(declared) == len(levels):
        levels = declared
    elif not all(one.isascii() for one in levels if isinstance(one, str)):
        raise SaveRefusedError(
            "XGBoost cuts the end off categories beyond ASCII, so they are taken from the training table: pass it as "
            "a pandas frame whose columns have the categories that the model was fitted with"
        )
    return InputFacts(levels=levels, unknown_level="reject", source="XGBoost")


def _hyperparameters(estimator: Any, told: content.Model) -> dict[str, Any]:
    given = {} if type(estimator) is xgboost.Booster else boosted.plain_parameters(estimator.get_params())
    set_ = {name: value for name, value in given.items() if value is not None}
    own = callable(getattr(estimator, "objective", None))
    objective = "a function of its own: raw scores" if own else told.objective
    return set_ | {"booster": told.booster, "objective": objective, "iterations": told.answering or told.rounds}
