"""The engine `onnx`: opened from an artifact's own files, without the library that the model was fitted with."""

from __future__ import annotations

from collections.abc import Mapping

from cloche.contract.model import Contract
from cloche.engines.onnx.preparers import preparer
from cloche.errors import ManifestError, MissingFileError
from cloche.onnx import INTERFACE, MODEL, Interface, OnnxModel
from cloche.onnx.runner import Prepare, Runner, open_session
from cloche.records import Columns, Outputs


class OnnxEngine:
    """Answers with onnxruntime; opened in the process that asks, since it does not survive a fork."""

    name = "onnx"

    def __init__(self, model: OnnxModel, contract: Contract, prepare: Prepare | None = None) -> None:
        """
        Raises:
            ManifestError: the interface names fields that the contract has not.
            ArtifactError: the model is refused.
        """
        known = {field.name for field in contract.inputs}
        for tensor in model.interface.inputs:
            strange = [name for name in tensor.fields if name not in known]
            if strange:
                raise ManifestError(f"{INTERFACE}: inputs: {tensor.name}: the contract has no field '{strange[0]}'")
        self._runner = Runner(open_session(model.raw), model.interface, contract.output, prepare)

    def predict(self, columns: Columns, n: int) -> Outputs:
        """
        What the model answers for *n* rows.

        Raises:
            ValueError: it takes no such value: missing, infinite, an unknown level.
        """
        return self._runner.predict(columns, n)


def open_onnx(files: Mapping[str, bytes], contract: Contract) -> OnnxEngine:
    """
    The engine of an artifact whose *files* were verified.

    Raises:
        MissingFileError: it has no such files.
        ArtifactError: the model is refused.
    """
    for name in (MODEL, INTERFACE):
        if name not in files:
            raise MissingFileError(f"{name}: the manifest lists the engine 'onnx', and no such file")
    interface = Interface.from_json(files[INTERFACE])
    prepare = None if interface.prepared is None else preparer(interface.prepared, files)
    return OnnxEngine(OnnxModel(files[MODEL], interface), contract, prepare)
