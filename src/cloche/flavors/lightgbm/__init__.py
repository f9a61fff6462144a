"""LightGBM: boosters and their scikit-learn wrappers, stored as LightGBM's own text behind our own parser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import lightgbm
import numpy as np

from cloche.contract.model import Contract, Output
from cloche.errors import SaveRefusedError
from cloche.flavors import boosted
from cloche.flavors.boosted import Boosted, BoosterFlavor, estimator_of
from cloche.flavors.lightgbm import estimators, lowering, text
from cloche.graph import ValidGraph
from cloche.records import FrameSpec, InputFacts, ModelFacts, Outputs
from cloche.trust import DEFAULT, TrustPolicy

FILE = "model.txt"
#: Dtypes whose columns LightGBM reads as the same float64 from a frame and from an array.
_NUMBERS = frozenset("float64 bool int8 int16 int32 int64 uint8 uint16 uint32 Float64 Int64 Int32 boolean".split())
_CLASSES = ("binary", "multiclass", "multiclassova")


class LightgbmFlavor(BoosterFlavor):
    """Fitted LightGBM models; inside scikit-learn pipelines they are scikit-learn's, which stores them likewise."""

    name: ClassVar[str] = "lightgbm"
    packages: ClassVar[tuple[str, ...]] = ("lightgbm",)
    formats: ClassVar[tuple[str, ...]] = ("`model.txt`",)
    refuses: ClassVar[tuple[str, ...]] = (
        "subclasses of its estimators, at save",
        "files whose trees or categories do not fit",
    )
    file: ClassVar[str] = FILE

    def framework(self, model: Any) -> str:
        """The library and its version."""
        return f"LightGBM {lightgbm.__version__}"

    def facts(self, model: Any) -> ModelFacts:
        """
        What the model says of itself. A bare booster knows its classes by number only; without an objective of
        LightGBM's own it answers raw scores.
        """
        estimator = estimator_of(model)
        booster = estimators.booster_of(estimator)
        estimators.refuse_custom(estimator)
        parsed = text.parse(booster.model_to_string().encode(), FILE)
        names = boosted.own_names(parsed.names, model, lambda name: name.replace(" ", "_"))
        unnamed = parsed.names == tuple(f"Column_{place}" for place in range(len(parsed.names)))
        keys = tuple(f"x{place}" for place in range(len(names))) if unnamed else names
        classes = _classes(estimator, parsed)
        several = classes is None and parsed.outputs > 1
        task = "multioutput_regression" if several else "regression" if classes is None else "classification"
        return ModelFacts(
            task=task,
            names=None if unnamed else names,
            n_inputs=len(names),
            inputs=dict(zip(keys, _inputs(parsed, names, model), strict=True)),
            classes=classes,
            output_names=tuple(f"y{place}" for place in range(parsed.outputs)) if several else None,
            probabilities=classes is not None,
            hyperparameters=_hyperparameters(estimator, parsed),
        )

    def dump(self, model: Any, directory: Path, *, trust: TrustPolicy = DEFAULT) -> dict[str, Any]:
        """Write `model.txt`: the trees up to the best iteration."""
        raw, record = estimators.dump(estimator_of(model))
        if raw is None:
            estimators.booster_of(estimator_of(model))
            raise SaveRefusedError("the model holds no trees")
        (directory / FILE).write_bytes(raw)
        return {"file": FILE, **record}

    def loaded(self, raw: bytes, record: Mapping[str, Any]) -> Boosted:
        """The estimator of a text and its record."""
        return Boosted(estimators.load(raw, record, FILE))

    def check(self, raw: bytes, name: str) -> None:
        """Read the text by our own parser; see `text.parse`."""
        text.parse(raw, name)

    def opened(self, raw: bytes, name: str) -> Any:
        """The `Booster` of a text that `Booster.save_model` wrote."""
        return estimators.opened(raw, name)

    def ask(self, model: Any) -> None:
        """A row of zeros, and one of missing numbers."""
        model.predict(np.vstack([np.zeros(model.num_feature()), np.full(model.num_feature(), np.nan)]))

    def frame(self, native: Any, spec: FrameSpec) -> FrameSpec:
        """One array: of numbers, and of the codes that the model has for the categories of pandas."""
        levels = estimators.levels(estimator_of(native), [one.dtype for one in spec.columns])
        return boosted.as_array(spec, _NUMBERS, levels)

    def lower(self, native: Any, frame: FrameSpec, contract: Contract) -> ValidGraph:
        """The exact twin; see `lowering.lower`."""
        return lowering.lower(estimator_of(native), frame, contract)

    def predict(self, native: Any, frame: Any, output: Output) -> Outputs:
        """What the booster answers for *frame*."""
        estimator = estimator_of(native)
        values = estimators.booster_of(estimator).predict(frame)
        if output.task != "classification":
            return boosted.numbers(values, output)
        count = 2 if values.ndim == 1 else values.shape[1]
        classes = estimator.classes_.tolist() if hasattr(estimator, "classes_") else list(range(count))
        return boosted.classified(values, classes, output)


def _classes(estimator: Any, parsed: text.Model) -> tuple[Any, ...] | None:
    if isinstance(estimator, lightgbm.LGBMClassifier):
        classes = tuple(estimator.classes_.tolist())
        if len(classes) < 2:
            raise SaveRefusedError("LGBMClassifier was fitted on one class only; there is nothing to answer")
        return classes
    if type(estimator) is lightgbm.Booster and parsed.objective and parsed.objective[0] in _CLASSES:
        return tuple(range(2 if parsed.outputs == 1 else parsed.outputs))
    return None


def _hyperparameters(estimator: Any, parsed: text.Model) -> dict[str, Any]:
    given = estimator.params if type(estimator) is lightgbm.Booster else estimator.get_params()
    objective = " ".join(parsed.objective) or "none of LightGBM's own: raw scores"
    return boosted.plain_parameters(given) | {"objective": objective, "iterations": parsed.rounds}


def _inputs(parsed: text.Model, names: tuple[str, ...], model: Any) -> list[InputFacts]:
    """The levels of pandas categories are all that were there; of whole numbers LightGBM forgets rare ones."""
    found = [InputFacts() for _ in names]
    for place in parsed.categorical:
        levels = tuple(int(one) for one in parsed.infos[place].split(":") if one.isdigit())
        if levels:
            found[place] = InputFacts(levels=tuple(sorted(levels)), unknown_level="warn", source="LightGBM")
    given = boosted.table_columns(model)
    dtypes = [given[name].dtype if name in given else "" for name in names]
    for place, known in estimators.placed(parsed, dtypes).items():
        found[place] = InputFacts(levels=known, unknown_level="reject", source="LightGBM")
    return found
