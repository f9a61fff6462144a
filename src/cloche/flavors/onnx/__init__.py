"""ONNX: a `.onnx` file as it is, from whatever framework; what it takes and answers is read from it, and asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from cloche.contract.model import Contract, Output
from cloche.errors import ManifestError, MissingFileError, NotLoweredError, UsageError
from cloche.flavors.base import Flavor
from cloche.flavors.onnx import files as home
from cloche.flavors.onnx.describe import describe
from cloche.flavors.onnx.model import Description, OnnxFile
from cloche.flavors.onnx.outputs import Given
from cloche.manifest import Tolerance
from cloche.onnx import MODEL, OnnxModel
from cloche.onnx.runner import open_session
from cloche.records import FrameSpec, InputFacts, ModelFacts, Outputs
from cloche.trust import DEFAULT, TrustPolicy

_OPTIONS = ("task", "output")


class OnnxFlavor(Flavor):
    """`onnx.ModelProto` objects and `.onnx` files: tensors of columns in order, or columns by name."""

    name: ClassVar[str] = "onnx"
    packages: ClassVar[tuple[str, ...]] = ("onnxruntime",)
    fork_safe: ClassVar[bool] = False
    onnx_first: ClassVar[bool] = True

    def framework(self, model: OnnxFile) -> str:
        """The opset, and what made the file."""
        return model.said.framework

    def bundle(
        self,
        model: Any,
        options: Mapping[str, Any],
        inputs: Any,
        *,
        targets: Any = None,
        classes: Sequence[Any] | Mapping[Any, Any] | None = None,
        aside: Sequence[str] = (),
    ) -> OnnxFile:
        """The file with what was found about its tensors; *options* are `task` and `output`; see `describe`."""
        for name in options:
            if name not in _OPTIONS:
                raise UsageError(f"{name}: not an option of an ONNX model; it has {', '.join(_OPTIONS)}")
        raw = home.to_bytes(model)
        given = Given(targets, classes, options.get("task"), options.get("output"))
        return OnnxFile(raw, describe(raw, home.framework(model), inputs, aside, given))

    def tolerance(self, model: OnnxFile) -> Tolerance:
        """That of float32, in which most files compute."""
        return Tolerance("float32", 1e-5, 1e-5)

    def facts(self, model: OnnxFile) -> ModelFacts:
        """What was found when the file was read and asked."""
        said = model.said
        names = tuple(slot.name for slot in said.slots) if said.named else None
        return ModelFacts(
            task=said.task,
            names=names,
            n_inputs=None if names is not None else said.width,
            inputs=_inputs(said),
            classes=said.classes,
            output_names=said.names,
            probabilities=said.probabilities,
            embedding=said.embedding,
            notes=said.notes,
        )

    def dump(self, model: OnnxFile, directory: Path, *, trust: TrustPolicy = DEFAULT) -> dict[str, Any]:
        """Write the file as `onnx/model.onnx`: the engine's own."""
        (directory / MODEL).parent.mkdir(exist_ok=True)
        (directory / MODEL).write_bytes(model.raw)
        found: dict[str, Any] = msgspec.to_builtins(model.said)
        return found

    def load(
        self,
        directory: Path,
        options: Mapping[str, Any],
        trust: TrustPolicy,
        *,
        files: Mapping[str, bytes] | None = None,
    ) -> OnnxFile:
        """Check the file and open it."""
        if files is None:
            files = {MODEL: (directory / MODEL).read_bytes()}
        if MODEL not in files:
            raise MissingFileError(f"{MODEL}: expected the model, but the manifest lists no such file")
        open_session(files[MODEL])
        return OnnxFile(files[MODEL], Description.of_options(options))

    def open_file(self, path: Path, trust: TrustPolicy) -> Any:
        """The model in an `.onnx` file; see `files.open_file`."""
        return home.open_file(path)

    def to_onnx(self, native: OnnxFile, frame: FrameSpec, contract: Contract) -> OnnxModel:
        """The file itself, with the names of the contract's fields."""
        try:
            return OnnxModel(native.raw, native.said.interface(tuple(column.name for column in frame.columns)))
        except ManifestError as exc:
            raise NotLoweredError(str(exc)) from exc

    def predict(self, native: OnnxFile, frame: Any, output: Output) -> Outputs:
        """What the file answers for *frame*."""
        return native.predict(frame, output)


def _inputs(said: Description) -> dict[str, InputFacts]:
    """Of each column, what its tensor's type says: whole numbers, or true and false."""
    found: dict[str, InputFacts] = {}
    for slot in said.slots:
        for _ in range(slot.width or 0):
            facts = InputFacts(whole=slot.dtype in ("int64", "int32"), source=f"the input '{slot.name}'")
            found[slot.name if said.named else f"x{len(found)}"] = facts
    return found
