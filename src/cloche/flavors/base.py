"""What a flavor has to do for its library; the rest of cloche knows models by this class only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from cloche.contract.model import Contract, Output
from cloche.errors import NotLoweredError, UsageError
from cloche.graph import ValidGraph
from cloche.manifest import Tolerance
from cloche.onnx import OnnxModel
from cloche.records import Column, FrameSpec, ModelFacts, Outputs, Table
from cloche.trust import DEFAULT, TrustPolicy


@dataclass(frozen=True, slots=True)
class Carried:
    """The tables that came inside a model file; used where the owner names none."""

    inputs: Table | None = None
    targets: Column | None = None
    test: tuple[Table, Column] | None = None


class Flavor(ABC):
    """
    One model library: how its fitted models are recognised, frozen, opened and asked.

    `packages` are the distributions whose version decides whether a frozen model still means the same. A library
    that cannot be used after a fork (`fork_safe` is False) is opened by each engine process anew. Where `onnx_first`,
    saving tries the ONNX form without being asked.

    `no_twin` says why none of its models has a twin, where `lower` is this class's own.

    `formats` are the files it writes, in words; `refuses` what it does not open or store, and why: both stand in the
    generated table of the documentation. A private flavor (one that an operator's configuration names) also says the
    packages its models' classes come from (`roots`) and the suffixes of the files it opens.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    fork_safe: ClassVar[bool] = True
    onnx_first: ClassVar[bool] = False
    formats: ClassVar[tuple[str, ...]] = ()
    refuses: ClassVar[tuple[str, ...]] = ()
    no_twin: ClassVar[str] = ""
    roots: ClassVar[frozenset[str]] = frozenset()
    suffixes: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def framework(self, model: Any) -> str:
        """The library and its version: `scikit-learn 1.9.1`."""

    def bundle(
        self,
        model: Any,
        options: Mapping[str, Any],
        inputs: Any,
        *,
        targets: Any = None,
        classes: Sequence[Any] | Mapping[Any, Any] | None = None,
        aside: Sequence[str] = (),
    ) -> Any:
        """
        The model together with what it cannot answer without, from the owner's *options* (a tokenizer, a length);
        *inputs*, *targets* and *classes* are as they were given, *aside* names the columns of *inputs* that the model
        is not shown. The result takes the model's place in all that follows.

        Raises:
            UsageError: an option that this flavor does not know.
            SaveRefusedError: what was given does not fit the model.
        """
        if options:
            raise UsageError(f"{next(iter(options))}: not an option of a {self.name} model")
        return model

    def carried(self, model: Any) -> Carried:
        """The training and test tables that *model* brought with it; they are not in what `dump` writes."""
        return Carried()

    def environment(self, model: Any) -> dict[str, str]:
        """What besides Python distributions the answers depend on, by version: `{"R": "4.2.2"}`."""
        return {}

    def differs(self, native: Any) -> tuple[str, ...]:
        """What of `environment` is another minor version here than when the opened *native* was saved, in words."""
        return ()

    def tolerance(self, model: Any) -> Tolerance:
        """How far an answer may be from the model's own; it belongs to the number type the model computes in."""
        return Tolerance()

    def code(self, options: Mapping[str, Any]) -> str | None:
        """
        Why opening what `dump` wrote with *options* may run code that lies in its files; None where it cannot.

        Such an artifact is opened only where its digest or its signer is trusted.
        """
        return None

    def changes(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """What besides `packages` is not here as it was when `dump` gave *options*; golden rows decide then."""
        return ()

    @abstractmethod
    def facts(self, model: Any) -> ModelFacts:
        """
        What the fitted *model* says of itself.

        Raises:
            SaveRefusedError: it cannot answer new rows.
        """

    @abstractmethod
    def dump(self, model: Any, directory: Path, *, trust: TrustPolicy = DEFAULT) -> dict[str, Any]:
        """
        Write *model* into *directory*; the result are the manifest's `options` for `load`.

        Raises:
            SaveRefusedError: it could not be opened elsewhere; the message holds the recipe.
        """

    @abstractmethod
    def load(
        self,
        directory: Path,
        options: Mapping[str, Any],
        trust: TrustPolicy,
        *,
        files: Mapping[str, bytes] | None = None,
    ) -> Any:
        """
        Open what `dump` wrote, running no code from it. *files* are bytes already verified, by path.

        Raises:
            WrongFormatError, ArchiveLimitError, UntrustedTypeError, TamperedModelError
        """

    @abstractmethod
    def open_file(self, path: Path, trust: TrustPolicy) -> Any:
        """
        Open a model file that the library wrote by itself, running no code from it.

        Raises:
            WrongFormatError, ArchiveLimitError, UntrustedTypeError, TamperedModelError
        """

    def open_parts(
        self, path: Path, trust: TrustPolicy, *, module: str | None, config: Mapping[str, Any] | None
    ) -> tuple[Any, dict[str, Any]]:
        """
        `open_file` for a file that does not say how the model is built: *module* (`package.module:Class`) and *config*
        (the arguments of its constructor) do. Also the options to save it with.

        Raises:
            UsageError: files of this library hold everything.
        """
        if module is not None or config is not None:
            raise UsageError(f"{path}: a {self.name} file says how its model is built; leave out --module and --config")
        return self.open_file(path, trust), {}

    def place(self, native: Any, device: str) -> Any:
        """
        *native* on the device `cpu`, `cuda`, `mps` or `auto` (what there is); most libraries know the processor alone.

        Raises:
            DeviceMissingError: there is no such device here.
        """
        return native

    def training_state(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        """
        What was kept of the training run beside the model; *files* are those below `training/`, verified.

        Raises:
            UsageError: this flavor keeps none.
        """
        raise UsageError(f"a {self.name} model keeps no training state")

    def lower(self, native: Any, frame: FrameSpec, contract: Contract) -> ValidGraph:
        """
        The exact twin of *native*, which is shown *frame* and answers under *contract*.

        Raises:
            NotLoweredError: a step's arithmetic is not known here; the message names it.
        """
        raise NotLoweredError(self.no_twin or f"flavor '{self.name}' has no twin")

    def to_onnx(self, native: Any, frame: FrameSpec, contract: Contract) -> OnnxModel:
        """
        *native* as an ONNX model with its interface: what `dump` was given, shown *frame*, answering under *contract*.

        Whether it answers alike is the guard's to say.

        Raises:
            NotLoweredError: it cannot be converted; the message names what.
            MissingExtraError: the converter is not installed.
        """
        raise NotLoweredError(f"flavor '{self.name}' has no ONNX form")

    def frame(self, native: Any, spec: FrameSpec) -> FrameSpec:
        """The frame in which *native* is asked: *spec*, that of its training table, or one that is quicker to build."""
        return spec

    def mlflow(self, native: Any, directory: Path) -> dict[str, Any] | None:
        """
        Write *native* into *directory* as a flavor of MLflow's own reads it, from a data format.

        The result is `flavors` of its `MLmodel`, `python_function` among them; None where MLflow has no such flavor.
        """
        return None

    @abstractmethod
    def predict(self, native: Any, frame: Any, output: Output) -> Outputs:
        """What *native* answers for *frame*, as plain Python values."""
