"""ONNX: a `.onnx` file as it is, from whatever framework; what it takes and answers is read from it, and asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from cloche.contract.model import Contract
from cloche.errors import MissingFileError
from cloche.flavors.onnx import files as home
from cloche.flavors.onnx.outputs import meaning_of
from cloche.flavors.tensors.describe import describe
from cloche.flavors.tensors.flavor import TensorFlavor, interface_of
from cloche.flavors.tensors.heads import Given
from cloche.flavors.tensors.model import Description, TensorModel
from cloche.onnx import MODEL, OnnxModel, reading
from cloche.onnx.runner import open_session
from cloche.records import FrameSpec
from cloche.trust import DEFAULT, TrustPolicy


class OnnxFlavor(TensorFlavor):
    """`onnx.ModelProto` objects and `.onnx` files: tensors of columns in order, or columns by name."""

    name: ClassVar[str] = "onnx"
    called: ClassVar[str] = "an ONNX model"
    packages: ClassVar[tuple[str, ...]] = ("onnxruntime",)
    formats: ClassVar[tuple[str, ...]] = ("`model.onnx`",)
    refuses: ClassVar[tuple[str, ...]] = (
        "operators outside ONNX' own",
        "tensors in files outside",
    )

    def described(self, model: Any, given: Given, inputs: Any, aside: Sequence[str]) -> TensorModel:
        """Read and ask the file; see `describe`."""
        raw = home.to_bytes(model)
        session, graph = open_session(raw), reading.read(raw).graph
        meant = partial(meaning_of, graph, given)
        return TensorModel(session, describe(session, home.framework(model), inputs, aside, meant), raw)

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
        return OnnxModel(native.source, interface_of(native, frame))
