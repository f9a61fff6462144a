"""ONNX: a `.onnx` file as it is, from whatever framework; what it takes and answers is read from it, and asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from cloche.contract.model import Contract, Output
from cloche.errors import ManifestError, MissingFileError, NotLoweredError, UsageError
from cloche.flavors.base import Flavor
from cloche.flavors.onnx import files as home
from cloche.flavors.onnx.outputs import meaning_of
from cloche.flavors.tensors.describe import describe
from cloche.flavors.tensors.heads import Given
from cloche.flavors.tensors.model import Description, TensorModel
from cloche.manifest import Tolerance
from cloche.onnx import MODEL, OnnxModel, reading
from cloche.onnx.runner import open_session
from cloche.records import FrameSpec, ModelFacts, Outputs
from cloche.trust import DEFAULT, TrustPolicy

_OPTIONS = ("task", "output")


class OnnxFlavor(Flavor):
    """`onnx.ModelProto` objects and `.onnx` files: tensors of columns in order, or columns by name."""

    name: ClassVar[str] = "onnx"
    packages: ClassVar[tuple[str, ...]] = ("onnxruntime",)
    fork_safe: ClassVar[bool] = False
    onnx_first: ClassVar[bool] = True
    formats: ClassVar[tuple[str, ...]] = ("`model.onnx`",)
    refuses: ClassVar[tuple[str, ...]] = (
        "operators outside ONNX' own",
        "tensors in files outside",
    )

    def framework(self, model: TensorModel) -> str:
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
    ) -> TensorModel:
        """The file with what was found about its tensors; *options* are `task` and `output`; see `describe`."""
        for name in options:
            if name not in _OPTIONS:
                raise UsageError(f"{name}: not an option of an ONNX model; it has {', '.join(_OPTIONS)}")
        raw = home.to_bytes(model)
        given = Given(targets, classes, options.get("task"), options.get("output"))
        session, graph = open_session(raw), reading.read(raw).graph
        meant = partial(meaning_of, graph, given)
        return TensorModel(session, describe(session, home.framework(model), inputs, aside, meant), raw)

    def tolerance(self, model: TensorModel) -> Tolerance:
        """That of float32, in which most files compute."""
        return Tolerance("float32", 1e-5, 1e-5)

    def facts(self, model: TensorModel) -> ModelFacts:
        """What was found when the file was read and asked."""
        return model.facts()

    def dump(self, model: TensorModel, directory: Path, *, trust: TrustPolicy = DEFAULT) -> dict[str, Any]:
        """Write the file as `onnx/model.onnx`: the engine's own."""
        (directory / MODEL).parent.mkdir(exist_ok=True)
        (directory / MODEL).write_bytes(model.source)
        found: dict[str, Any] = msgspec.to_builtins(model.said)
        return found

    def load(
        self,
        directory: Path,
        options: Mapping[str, Any],
        trust: TrustPolicy,
        *,
        files: Mapping[str, bytes] | None = None,
    ) -> TensorModel:
        """Check the file and open it."""
        if files is None:
            files = {MODEL: (directory / MODEL).read_bytes()}
        if MODEL not in files:
            raise MissingFileError(f"{MODEL}: expected the model, but the manifest lists no such file")
        return TensorModel(open_session(files[MODEL]), Description.of_options(options), files[MODEL])

    def open_file(self, path: Path, trust: TrustPolicy) -> Any:
        """The model in an `.onnx` file; see `files.open_file`."""
        return home.open_file(path)

    def to_onnx(self, native: TensorModel, frame: FrameSpec, contract: Contract) -> OnnxModel:
        """The file itself, with the names of the contract's fields."""
        try:
            return OnnxModel(native.source, native.said.interface(tuple(column.name for column in frame.columns)))
        except ManifestError as exc:
            raise NotLoweredError(str(exc)) from exc

    def predict(self, native: TensorModel, frame: Any, output: Output) -> Outputs:
        """What the file answers for *frame*."""
        return native.predict(frame, output)
