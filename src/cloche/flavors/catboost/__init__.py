"""CatBoost: models and their scikit-learn wrappers, stored as `.cbm` behind our own checks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import catboost
import numpy as np

from cloche.contract.model import Contract, Output
from cloche.errors import SaveRefusedError
from cloche.flavors import boosted
from cloche.flavors.boosted import Boosted, BoosterFlavor, estimator_of
from cloche.flavors.catboost import cbm, estimators
from cloche.flavors.lowered import lowering_of
from cloche.graph import ValidGraph
from cloche.records import FrameSpec, InputFacts, ModelFacts, Outputs
from cloche.trust import DEFAULT, TrustPolicy

FILE = "model.cbm"
#: Dtypes whose columns CatBoost rounds to the same float32 from a frame and from an array of float64.
_NUMBERS = frozenset("float64 float32 bool int8 int16 int32 int64 uint8 uint16 uint32".split())
_CLASSES = ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll")


class CatboostFlavor(BoosterFlavor):
    """Fitted CatBoost models; inside scikit-learn pipelines they are scikit-learn's, which stores them likewise."""

    name: ClassVar[str] = "catboost"
    packages: ClassVar[tuple[str, ...]] = ("catboost",)
    formats: ClassVar[tuple[str, ...]] = ("`model.cbm`",)
    refuses: ClassVar[tuple[str, ...]] = (
        "features of text or embeddings, at save",
        "files whose trees, splits or tables do not fit",
    )
    file: ClassVar[str] = FILE

    def framework(self, model: Any) -> str:
        """The library and its version."""
        return f"CatBoost {catboost.__version__}"

    def facts(self, model: Any) -> ModelFacts:
        """
        What the model says of itself. Of categories it keeps hashes, so their levels come from the training table.

        Raises:
            SaveRefusedError: it answers several labels or distributions.
        """
        estimator = estimators.checked(estimator_of(model))
        told = cbm.parse(estimators.file_of(estimator), FILE)
        unnamed = told.names == tuple(str(place) for place in range(told.features))
        keys = tuple(f"x{place}" for place in range(told.features)) if unnamed else told.names
        classes = _classes(estimator, told)
        several = classes is None and told.outputs > 1
        if several and told.loss != "MultiRMSE":
            raise SaveRefusedError(f"CatBoost with the loss '{told.loss}' answers no class and no number")
        task = "multioutput_regression" if several else "regression" if classes is None else "classification"
        return ModelFacts(
            task=task,
            names=None if unnamed else told.names,
            n_inputs=told.features,
            inputs={key: InputFacts(source="CatBoost") for key in keys},
            classes=classes,
            output_names=tuple(f"y{place}" for place in range(told.outputs)) if several else None,
            probabilities=classes is not None,
            hyperparameters=boosted.plain_parameters(estimator.get_params())
            | {"loss_function": told.loss, "iterations": len(told.sizes)},
        )

    def dump(self, model: Any, directory: Path, *, trust: TrustPolicy = DEFAULT) -> dict[str, Any]:
        """Write `model.cbm`."""
        raw, record = estimators.dump(estimators.checked(estimator_of(model)))
        assert raw is not None
        (directory / FILE).write_bytes(raw)
        return {"file": FILE, **record}

    def loaded(self, raw: bytes, record: Mapping[str, Any]) -> Boosted:
        """The estimator of a file and its record."""
        return Boosted(estimators.load(raw, record, FILE))

    def check(self, raw: bytes, name: str) -> None:
        """Read the file by our own parser; see `cbm.parse`."""
        cbm.parse(raw, name)

    def opened(self, raw: bytes, name: str) -> Any:
        """The model of a file that `save_model` wrote."""
        return estimators.opened(raw, name)

    def ask(self, model: Any) -> None:
        """Two rows: zeros, and ones."""
        features, categories = len(model.feature_names_), model.get_cat_feature_indices()
        rows = [[str(value) if place in categories else value for place in range(features)] for value in (0, 1)]
        model.predict(catboost.Pool(rows, cat_features=categories or None), thread_count=1)

    def frame(self, native: Any, spec: FrameSpec) -> FrameSpec:
        """One array where every column holds numbers and none is a category."""
        if estimator_of(native).get_cat_feature_indices():
            return spec
        return boosted.as_array(spec, _NUMBERS)

    def lower(self, native: Any, frame: FrameSpec, contract: Contract) -> ValidGraph:
        """
        The exact twin of a model of numbers; see `catboost.lowering`.

        Raises:
            NotLoweredError: it has none, or scikit-learn is not installed, whose steps are lowered with it.
        """
        return lowering_of(self.name).lower(estimator_of(native), frame, contract)  # type: ignore[no-any-return]

    def predict(self, native: Any, frame: Any, output: Output) -> Outputs:
        """What the model answers for *frame*, which CatBoost reads once."""
        estimator = estimator_of(native)
        pool = catboost.Pool(frame, cat_features=estimator.get_cat_feature_indices() or None)
        if output.task != "classification":
            return boosted.numbers(np.asarray(estimator.predict(pool, thread_count=1)), output)
        shares = np.asarray(estimator.predict(pool, prediction_type="Probability", thread_count=1))
        if output.threshold is not None and shares.shape[1] == 2:
            return boosted.classified(shares, estimator.classes_.tolist(), output)
        labels = np.asarray(estimator.predict(pool, prediction_type="Class", thread_count=1)).ravel().tolist()
        places = {label: place for place, label in enumerate(np.asarray(estimator.classes_).tolist())}
        index = np.array([places[label] for label in labels], dtype=np.intp)
        return boosted.labelled(index, shares, list(places), output)


def _classes(estimator: Any, told: cbm.Model) -> tuple[Any, ...] | None:
    if isinstance(estimator, catboost.CatBoostClassifier) and told.loss not in _CLASSES:
        raise SaveRefusedError(f"CatBoostClassifier with the loss '{told.loss}': its answers are no classes")
    if told.loss not in _CLASSES or isinstance(estimator, (catboost.CatBoostRegressor, catboost.CatBoostRanker)):
        return None
    classes = tuple(np.asarray(estimator.classes_).tolist())
    return classes if len(classes) > 1 else None
