"""
statsmodels: linear, generalised linear and discrete models, with formulas or arrays, stored as data.

Saving needs statsmodels; opening and answering need numpy and scipy only, and run nothing but the closed tables of
`functions`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from cloche.contract.model import Contract, Output
from cloche.errors import MissingFileError, SaveRefusedError, UsageError, WrongFormatError
from cloche.flavors.base import Flavor
from cloche.flavors.statsmodels import lowering
from cloche.flavors.statsmodels.design import FILE, Column, Fit, parse
from cloche.flavors.statsmodels.evaluate import mean
from cloche.flavors.statsmodels.rows import shown
from cloche.graph import ValidGraph
from cloche.integrity import read_plain
from cloche.records import FrameSpec, InputFacts, ModelFacts, Outputs
from cloche.trust import DEFAULT, TrustPolicy

_READING = "cloche.flavors.statsmodels.reading"
_OPTIONS = ("offset", "exposure")
_HALF = 0.5
_MAX_BYTES = 256 << 20


class StatsmodelsFlavor(Flavor):
    """Fitted results: OLS, WLS, GLS, RLM, QuantReg, GLM, Logit, Probit, MNLogit, Poisson, NegativeBinomial."""

    name: ClassVar[str] = "statsmodels"
    #: None decides what a stored model means: it is data, and its arithmetic is here.
    packages: ClassVar[tuple[str, ...]] = ()
    formats: ClassVar[tuple[str, ...]] = ("`model.json`: design, contrasts, parameters",)
    refuses: ClassVar[tuple[str, ...]] = (
        "formulas that call anything but the listed functions and transforms, at save",
        "models whose data would not answer as `results.predict`, at save",
        "pickles of results",
    )

    def framework(self, model: Any) -> str:
        """The library and its version."""
        return f"statsmodels {_fit(model).version}"

    def bundle(self, model: Any, options: Mapping[str, Any], inputs: Any, **given: Any) -> Fit:
        """
        The results as data; *options* name the columns `offset` and `exposure` of a model that was fitted with them.

        Raises:
            UsageError: another option.
            SaveRefusedError: the model has no form as data, or would answer differently from `results.predict`.
        """
        for name in options:
            if name not in _OPTIONS:
                raise UsageError(f"{name}: expected an option of a statsmodels model: {', '.join(_OPTIONS)}")
        if isinstance(model, Fit):
            return model
        fit: Fit = importlib.import_module(_READING).read(model, options, inputs)
        return fit

    def facts(self, model: Any) -> ModelFacts:
        """Task, columns, levels and classes."""
        fit = _fit(model)
        known = {"model": fit.model, "formula": fit.formula, "link": fit.link, "parameters": len(fit.params)}
        return ModelFacts(
            task="regression" if fit.classes is None else "classification",
            names=fit.names,
            n_inputs=fit.n_inputs,
            inputs=_inputs(fit),
            classes=fit.classes,
            probabilities=fit.classes is not None,
            hyperparameters={name: value for name, value in known.items() if value is not None},
        )

    def dump(self, model: Any, directory: Path, *, trust: TrustPolicy = DEFAULT) -> dict[str, Any]:
        """Write `model.json`."""
        (directory / FILE).write_bytes(_fit(model).to_json())
        return {"file": FILE}

    def load(
        self,
        directory: Path,
        options: Mapping[str, Any],
        trust: TrustPolicy,
        *,
        files: Mapping[str, bytes] | None = None,
    ) -> Fit:
        """Read and check `model.json`; see `design.parse`."""
        if files is None:
            return parse((directory / FILE).read_bytes())
        if FILE not in files:
            raise MissingFileError(f"{FILE}: expected the model, but the manifest lists no such file")
        return parse(files[FILE])

    def open_file(self, path: Path, trust: TrustPolicy) -> Fit:
        """Open a `model.json` of another artifact; statsmodels itself writes pickles only, which are code."""
        if path.suffix.lower() != ".json":
            raise WrongFormatError(f"{path}: expected a {FILE}; a pickle of statsmodels runs code when it is opened")
        return parse(read_plain(path, limit=_MAX_BYTES))

    def lower(self, native: Any, frame: FrameSpec, contract: Contract) -> ValidGraph:
        """The exact twin; see `lowering.lower`."""
        return lowering.lower(_fit(native), frame, contract)

    def predict(self, native: Any, frame: Any, output: Output) -> Outputs:
        """What `results.predict` gives; of two classes the second is predicted above one half."""
        fit = _fit(native)
        answer = mean(fit, shown(frame, fit))
        if fit.classes is None:
            return Outputs(answer.tolist())
        shares = answer if answer.ndim == 2 else np.column_stack([1.0 - answer, answer])
        if shares.shape[1] == 2 and output.threshold is not None:
            places = (shares[:, 1] >= output.threshold).astype(int)
        elif fit.link == "softmax":
            places = shares.argmax(axis=1)
        else:
            places = (answer > _HALF).astype(int)
        labels = output.classes or fit.classes
        probabilities = shares.tolist() if output.probabilities else None
        return Outputs([labels[place] for place in places.tolist()], probabilities)


def _fit(model: Any) -> Fit:
    if not isinstance(model, Fit):
        raise SaveRefusedError(f"expected what `bundle` gives, got {type(model).__name__}")
    return model


def _inputs(fit: Fit) -> dict[str, InputFacts]:
    """Columns that are categories as they stand: their levels are those of the fit, and no other is answered."""
    found: dict[str, InputFacts] = {}
    for one in fit.factors:
        if isinstance(one.expression, Column) and one.levels is not None and not isinstance(one.levels[0], bool):
            found[one.expression.name] = InputFacts(levels=one.levels, unknown_level="reject", source=one.name)
    names = fit.names or tuple(f"x{place}" for place in range(fit.n_inputs))
    return {name: found.get(name, InputFacts()) for name in names}
