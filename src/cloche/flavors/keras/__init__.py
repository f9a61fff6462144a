"""
Keras: Sequential and Functional models of Keras' own layers, as `.keras` behind an allow-list; served as ONNX.

Layers of one's own are opened where their types are allowed. A SavedModel is a program: kept as it is, and opened only
where it is trusted.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import keras
import msgspec

from cloche.contract.model import Contract
from cloche.errors import ManifestError, MissingExtraError, MissingFileError, NotLoweredError
from cloche.flavors.keras import saved_model, storing
from cloche.flavors.keras.session import KerasSession, refuse_unbuilt
from cloche.flavors.tensors.describe import describe
from cloche.flavors.tensors.flavor import TensorFlavor, interface_of
from cloche.flavors.tensors.heads import Given, Meaning, head_of, rows_of, the_one
from cloche.flavors.tensors.model import Description, TensorModel
from cloche.onnx import OnnxModel
from cloche.records import FrameSpec, ModelFacts
from cloche.trust import DEFAULT, TrustPolicy

MODEL = "model.keras"
_ONNX = "cloche.flavors.keras.lowering"
_CODE = "it holds a TensorFlow SavedModel, a program that may read and write files when it is opened or asked"


class KerasFlavor(TensorFlavor):
    """Fitted `keras.Model`s, and SavedModels."""

    name: ClassVar[str] = "keras"
    called: ClassVar[str] = "a Keras model"
    packages: ClassVar[tuple[str, ...]] = ("keras",)
    formats: ClassVar[tuple[str, ...]] = ("`model.keras`", "SavedModel")
    refuses: ClassVar[tuple[str, ...]] = (
        "layers outside Keras' own and `trust.allowed_types`",
        "a SavedModel whose digest or signer the operator does not trust",
    )

    def described(self, model: Any, given: Given, inputs: Any, aside: Sequence[str]) -> TensorModel:
        """Read and ask the model, or the SavedModel; see `describe`."""
        session: KerasSession | saved_model.SavedModelSession
        if saved_model.is_saved_model(model):
            session = saved_model.SavedModelSession(model)
        else:
            refuse_unbuilt(model)
            session = KerasSession(model)
        framework = f"Keras {keras.__version__} ({keras.config.backend()})"
        return TensorModel(
            session, describe(session, framework, inputs, aside, partial(_meaning, session, given)), model
        )

    def code(self, options: Mapping[str, Any]) -> str | None:
        """A SavedModel is a program; a `.keras` file of layers that are allowed is not."""
        return _CODE if options.get("format") == saved_model.FOLDER else None

    def facts(self, model: TensorModel) -> ModelFacts:
        """What was found when the model was read and asked."""
        count = getattr(model.source, "count_params", None)
        return model.facts(hyperparameters={} if count is None else {"parameters": int(count())})

    def dump(self, model: TensorModel, directory: Path, *, trust: TrustPolicy = DEFAULT) -> dict[str, Any]:
        """Write `model.keras`, or `saved_model/`; see `storing.dump`."""
        said = msgspec.to_builtins(model.said)
        if saved_model.is_saved_model(model.source):
            saved_model.write(model.source, directory)
            return {"format": saved_model.FOLDER, "said": said}
        (directory / MODEL).write_bytes(storing.to_bytes(model.source, trust))
        return {"format": "keras", "said": said}

    def load(
        self,
        directory: Path,
        options: Mapping[str, Any],
        trust: TrustPolicy,
        *,
        files: Mapping[str, bytes] | None = None,
    ) -> TensorModel:
        """Walk the config, then have Keras open the file; a SavedModel is opened by TensorFlow as it is."""
        said = Description.of_options(options.get("said") or {})
        if options.get("format") == saved_model.FOLDER:
            model = saved_model.read(directory, files)
            return TensorModel(saved_model.SavedModelSession(model), said, model)
        if options.get("format") != "keras":
            raise ManifestError(f"manifest.json: options: format: expected 'keras', got {options.get('format')!r}")
        raw = (directory / MODEL).read_bytes() if files is None else files.get(MODEL)
        if raw is None:
            raise MissingFileError(f"{MODEL}: expected the model, but the manifest lists no such file")
        model = storing.open_bytes(raw, trust, MODEL)
        return TensorModel(KerasSession(model), said, model)

    def open_file(self, path: Path, trust: TrustPolicy) -> Any:
        """The model in a `.keras` or `.h5` file; see `storing.open_file`."""
        return storing.open_file(path, trust)

    def to_onnx(self, native: TensorModel, frame: FrameSpec, contract: Contract) -> OnnxModel:
        """The model layer by layer; see `lowering.convert`."""
        try:
            home = importlib.import_module(_ONNX)
        except ModuleNotFoundError as exc:
            if (exc.name or "").startswith("cloche"):
                raise
            raise MissingExtraError("the ONNX form of a Keras model", exc.name or "onnx", "onnx") from exc
        if not isinstance(native.session, KerasSession):
            raise NotLoweredError("a SavedModel has no ONNX form here")
        interface = interface_of(native, frame)
        return OnnxModel(home.convert(native.session, [one.name for one in native.said.outputs]), interface)


def _meaning(session: Any, given: Given, answered: dict[str, Any], far: dict[str, Any], n: int) -> Meaning:
    answered = given.chosen(answered)
    name = the_one(answered, answered)
    ending = session.ending(name) if isinstance(session, KerasSession) else "other"
    return head_of(rows_of(name, answered, far, n), ending, given).meaning(name)
