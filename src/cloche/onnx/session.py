"""
The home of onnxruntime: bytes that were checked become a session of one thread, on the processor alone.

onnxruntime is not fork-safe: a session is opened in the process that asks it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import onnxruntime

from cloche.errors import TamperedModelError
from cloche.onnx.checks import check_model
from cloche.onnx.interface import Interface

_TYPES = {
    "float32": "tensor(float)",
    "float64": "tensor(double)",
    "int64": "tensor(int64)",
    "int32": "tensor(int32)",
    "bool": "tensor(bool)",
    "string": "tensor(string)",
}
_QUIET = 4
#: What onnxruntime raises: classes of its own for each status, all but these derived from Exception alone.
_ERRORS: tuple[type[Exception], ...] = (Exception,)


class Session:
    """Runs one model; safe to share between threads."""

    def __init__(self, raw: bytes) -> None:
        """
        Check *raw* and open it.

        Raises:
            ArtifactError: it is refused, or onnxruntime cannot run it.
        """
        check_model(raw)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = _QUIET
        options.use_deterministic_compute = True
        options.add_session_config_entry("session.load_model_format", "ONNX")
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
        except _ERRORS as exc:
            raise TamperedModelError(f"model.onnx: onnxruntime does not run it: {_told(exc)}") from exc
        self.inputs = {one.name: (one.type, tuple(one.shape)) for one in self._session.get_inputs()}
        self.outputs = {one.name: (one.type, tuple(one.shape)) for one in self._session.get_outputs()}

    def check(self, interface: Interface) -> None:
        """
        Raises:
            TamperedModelError: *interface* is not that of this model.
        """
        if interface.inputs:
            _check_names("input", (one.name for one in interface.inputs), self.inputs)
            for one in interface.inputs:
                if self.inputs[one.name][0] != _TYPES[one.dtype]:
                    raise TamperedModelError(
                        f"onnx/interface.json: inputs: {one.name}: expected {self.inputs[one.name][0]}, got {one.dtype}"
                    )
            missing = sorted(set(self.inputs) - {one.name for one in interface.inputs})
            if missing:
                raise TamperedModelError(f"onnx/interface.json: the model has an input {missing[0]!r} besides")
        _check_names("output", (one.name for one in interface.outputs), self.outputs)

    def run(self, names: list[str], feeds: dict[str, Any]) -> dict[str, Any]:
        """
        The output tensors called *names*.

        Raises:
            ValueError: the model takes no such tensors; the message is onnxruntime's.
        """
        try:
            return dict(zip(names, self._session.run(names, feeds), strict=True))
        except _ERRORS as exc:
            raise ValueError(_told(exc)) from exc


def _check_names(what: str, wanted: Iterable[str], there: dict[str, Any]) -> None:
    for name in wanted:
        if name not in there:
            raise TamperedModelError(
                f"onnx/interface.json: the model has no {what} {name!r}; it has {', '.join(sorted(there))}"
            )


def _told(exc: Exception) -> str:
    return " ".join(str(exc).split())[:300]
