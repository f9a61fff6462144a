"""scikit-learn: estimators and pipelines, stored with skops behind our own allow-list and content checks."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import sklearn

from cloche.contract.model import Contract, Output
from cloche.errors import MissingExtraError
from cloche.flavors.base import Flavor
from cloche.flavors.sklearn import boosters, ecosystem, foreign, lowering, predict, storage
from cloche.flavors.sklearn.facts import facts_of
from cloche.flavors.sklearn.recipes import refuse_unfit
from cloche.flavors.sklearn.resampling import without_samplers
from cloche.flavors.sklearn.walk import walk
from cloche.graph import ValidGraph
from cloche.manifest import Tolerance
from cloche.onnx import OnnxModel
from cloche.records import FrameSpec, ModelFacts, Outputs
from cloche.trust import DEFAULT, TrustPolicy

_ONNX = "cloche.flavors.sklearn.onnx"


class SklearnFlavor(Flavor):
    """Fitted scikit-learn estimators; those of other packages if the operator allows their types."""

    name: ClassVar[str] = "sklearn"
    packages: ClassVar[tuple[str, ...]] = ("scikit-learn",)
    formats: ClassVar[tuple[str, ...]] = ("`model.skops`",)
    refuses: ClassVar[tuple[str, ...]] = (
        "types outside cloche's list and `trust.allowed_types`",
        "trees, sparse matrices and splines whose numbers point outside",
        "pickles and joblib files",
    )

    def framework(self, model: Any) -> str:
        """The library and its version."""
        return f"scikit-learn {sklearn.__version__}"

    def tolerance(self, model: Any) -> Tolerance:
        """That of float64; of float32 where XGBoost answers inside."""
        single = any(boosters.library_of(part) == "xgboost" for part in walk(model))
        return Tolerance("float32", 1e-5, 1e-5) if single else Tolerance()

    def bundle(self, model: Any, options: Mapping[str, Any], inputs: Any, **given: Any) -> Any:
        """The model, without the samplers of imbalanced-learn's pipelines; see `resampling`."""
        return without_samplers(super().bundle(model, options, inputs, **given))

    def changes(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Steps of other packages in another version than when the model was saved."""
        packages = options.get("packages")
        return ecosystem.changes(packages) if isinstance(packages, dict) else ()

    def facts(self, model: Any) -> ModelFacts:
        """What the fitted *model* says of itself; see `facts_of`."""
        refuse_unfit(model)
        return facts_of(model)

    def dump(self, model: Any, directory: Path, *, trust: TrustPolicy = DEFAULT) -> dict[str, Any]:
        """Write `model.skops`; see `storage.dump`."""
        refuse_unfit(model)
        found = boosters.slots(model)
        options = storage.dump(model, directory, trust, replaced={place: slot for place, (_, slot) in found.items()})
        return options | {"boosters": boosters.write(found, directory)} if found else options

    def load(
        self,
        directory: Path,
        options: Mapping[str, Any],
        trust: TrustPolicy,
        *,
        files: Mapping[str, bytes] | None = None,
    ) -> Any:
        """Open `model.skops`; see `storage.loads`."""
        model = storage.load(directory, trust, files)
        boosters.put_back(model, options.get("boosters", []), directory, files)
        return model

    def open_file(self, path: Path, trust: TrustPolicy) -> Any:
        """Open a `.skops` file that skops wrote; see `foreign.open_file`."""
        return foreign.open_file(path, trust)

    def lower(self, native: Any, frame: FrameSpec, contract: Contract) -> ValidGraph:
        """The exact twin of *native*; see `lowering.lower`."""
        return lowering.lower(native, frame, contract)

    def to_onnx(self, native: Any, frame: FrameSpec, contract: Contract) -> OnnxModel:
        """*native* by skl2onnx; see `onnx.convert`."""
        try:
            home = importlib.import_module(_ONNX)
        except ModuleNotFoundError as exc:
            if (exc.name or "").startswith("cloche"):
                raise
            raise MissingExtraError("the ONNX form of a scikit-learn model", "skl2onnx", "sklearn-onnx") from exc
        model: OnnxModel = home.convert(native, frame, contract)
        return model

    def mlflow(self, native: Any, directory: Path) -> dict[str, Any]:
        """MLflow's `sklearn`, which reads skops files since 3.17; see `foreign.write_file`."""
        file = "model.skops"
        trusted = foreign.write_file(native, directory / file)
        loader = {"loader_module": "mlflow.sklearn", "model_path": file, "predict_fn": "predict"}
        facts = {
            "pickled_model": file,
            "serialization_format": "skops",
            "sklearn_version": sklearn.__version__,
            "skops_trusted_types": trusted,
            "code": None,
        }
        return {"python_function": loader, "sklearn": facts}

    def predict(self, native: Any, frame: Any, output: Output) -> Outputs:
        """What *native* answers for *frame*."""
        return predict.predict(native, frame, output)
