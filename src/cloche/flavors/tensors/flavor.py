"""What the libraries share whose models take and give float32 tensors: Keras and ONNX."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from cloche.contract.model import Output
from cloche.errors import ManifestError, NotLoweredError, UsageError
from cloche.flavors.base import Flavor
from cloche.flavors.tensors.heads import Given
from cloche.flavors.tensors.model import TensorModel
from cloche.manifest import Tolerance
from cloche.onnx import Interface
from cloche.records import FrameSpec, ModelFacts, Outputs

_OPTIONS = ("task", "output")


class TensorFlavor(Flavor):
    """A flavor of `TensorModel`s: what they take and answer was found once, when they were saved."""

    called: ClassVar[str]  #: what a message calls such a model
    fork_safe: ClassVar[bool] = False
    onnx_first: ClassVar[bool] = True

    @abstractmethod
    def described(self, model: Any, given: Given, inputs: Any, aside: Sequence[str]) -> TensorModel:
        """
        *model* with what was found about its tensors.

        Raises:
            SaveRefusedError: it is none that can be asked.
        """

    def framework(self, model: TensorModel) -> str:
        """The library and its version, or what made the file."""
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
        """The model with what was found about its tensors; *options* are `task` and `output`; see `describe`."""
        for name in options:
            if name not in _OPTIONS:
                raise UsageError(f"{name}: not an option of {self.called}; it has {', '.join(_OPTIONS)}")
        return self.described(model, Given(targets, classes, options.get("task"), options.get("output")), inputs, aside)

    def tolerance(self, model: TensorModel) -> Tolerance:
        """That of float32, in which most of them compute."""
        return Tolerance("float32", 1e-5, 1e-5)

    def facts(self, model: TensorModel) -> ModelFacts:
        """What was found when the model was read and asked."""
        return model.facts()

    def predict(self, native: TensorModel, frame: Any, output: Output) -> Outputs:
        """What the model answers for *frame*."""
        return native.predict(frame, output)


def interface_of(native: TensorModel, frame: FrameSpec) -> Interface:
    """
    How the fields of *frame* become tensors.

    Raises:
        NotLoweredError: what is said of the model fits no interface.
    """
    try:
        return native.said.interface(tuple(column.name for column in frame.columns))
    except ManifestError as exc:
        raise NotLoweredError(str(exc)) from exc
