"""
PyTorch: tensors as safetensors, structure as data, a class only where the operator allows it.

A net of PyTorch's own layers needs no class at all; any other is built from `package.module:Class` and the arguments of
its constructor. Text nets bring their tokenizer along. Everything is asked in eval mode and without gradients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from cloche.contract.model import Contract, Output
from cloche.errors import MissingFileError, SaveRefusedError, TamperedModelError, UsageError
from cloche.flavors.base import Flavor
from cloche.flavors.tokens import open_tokenizer
from cloche.flavors.torch import answers, building, devices, foreign, onnx, storing, tasks, training, weights
from cloche.flavors.torch.net import Draft, Net, draft, rows_of_embedding
from cloche.flavors.torch.options import WEIGHTS, parsed
from cloche.manifest import Tolerance
from cloche.onnx import OnnxModel
from cloche.records import FrameSpec, InputFacts, ModelFacts, Outputs
from cloche.trust import DEFAULT, TrustPolicy

_TOLERANCES = {
    "float64": Tolerance(),
    "float32": Tolerance("float32", 1e-5, 1e-5),
    "float16": Tolerance("float16", 2e-3, 2e-3),
    "bfloat16": Tolerance("bfloat16", 2e-2, 2e-2),
}
#: Characters of a text that are taken for each token that is read, and at least and at most.
_CHARACTERS = 100
_LEAST, _MOST = 10_000, 500_000
#: Words that golden texts are made of.
_WORDS = 2_000


class TorchFlavor(Flavor):
    """Nets (`torch.nn.Module`) for tables of numbers and for texts."""

    name: ClassVar[str] = "torch"
    packages: ClassVar[tuple[str, ...]] = ("torch",)
    fork_safe: ClassVar[bool] = False
    onnx_first: ClassVar[bool] = True
    formats: ClassVar[tuple[str, ...]] = ("`model.safetensors`", "a tokenizer's file", "structure in the manifest")
    refuses: ClassVar[tuple[str, ...]] = (
        "classes outside PyTorch's own layers and `trust.allowed_types`",
        "exported programs (`.pt2`), TorchScript, whole modules and other pickles",
    )

    def framework(self, model: Any) -> str:
        """The library and its version."""
        return f"PyTorch {torch.__version__}"

    def bundle(
        self,
        model: Any,
        options: Mapping[str, Any],
        inputs: Any,
        *,
        targets: Any = None,
        classes: Sequence[Any] | Mapping[Any, Any] | None = None,
        aside: Sequence[str] = (),
    ) -> Draft:
        """The net with its tokenizer, and what was found by asking it; see `net.draft`."""
        if not isinstance(model, nn.Module):
            hint = "the net itself (an nn.Module), not its tensors or an exported program"
            raise SaveRefusedError(f"expected {hint}; got {type(model).__name__}")
        return draft(model, options, inputs, targets=targets, classes=classes, aside=aside)

    def tolerance(self, model: Draft) -> Tolerance:
        """That of the number type in which the net computes."""
        return _TOLERANCES[model.dtype]

    def facts(self, model: Draft) -> ModelFacts:
        """What was found when the net was asked."""
        if model.text is None:
            width = model.columns or 0
            inputs = {f"x{place}": InputFacts() for place in range(width)}
            return tasks.facts(
                model.task, names=None, n_inputs=width, inputs=inputs, notes=model.notes, hyperparameters=_config(model)
            )
        length = min(max(_LEAST, _CHARACTERS * model.text.max_length), _MOST)
        words = () if model.tokenizer is None else tuple(model.tokenizer.words(_WORDS))
        facts = InputFacts(text=True, source="the tokenizer", max_length=length, words=words)
        return tasks.facts(
            model.task,
            names=None,
            n_inputs=None,
            inputs={"x0": facts},
            notes=model.notes,
            hyperparameters=_config(model) | {"max_length": model.text.max_length},
        )

    def dump(self, model: Draft, directory: Path, *, trust: TrustPolicy = DEFAULT) -> dict[str, Any]:
        """Write `model.safetensors`, the tokenizer's file and the training state; see `storing.dump`."""
        return storing.dump(model, directory, trust)

    def load(
        self,
        directory: Path,
        options: Mapping[str, Any],
        trust: TrustPolicy,
        *,
        files: Mapping[str, bytes] | None = None,
    ) -> Net:
        """Build the net and put its tensors in place."""
        said = parsed(options)
        files = storing.files_in(directory) if files is None else files
        if WEIGHTS not in files:
            raise MissingFileError(f"{WEIGHTS}: expected the tensors, but the manifest lists no such file")
        state = weights.untied(weights.from_bytes(files[WEIGHTS], WEIGHTS), said.tied)
        module = building.build(said.module, state, trust, meta=said.meta, name=WEIGHTS)
        tokenizer = None
        if said.text is not None:
            tokenizer = open_tokenizer(said.text.tokenizer, files)
            rows = rows_of_embedding(module)
            if rows is not None and tokenizer.size > rows:
                raise TamperedModelError(
                    f"{tokenizer.file}: gives numbers up to {tokenizer.size - 1}, and the net knows {rows} tokens"
                )
        return Net(module, said, tokenizer)

    def place(self, native: Net, device: str) -> Net:
        """Move the net to *device*; see `devices.device`."""
        native.device = devices.device(device)
        native.module.to(native.device)
        return native

    def open_file(self, path: Path, trust: TrustPolicy) -> Any:
        """A file alone holds no structure: refused, with what has to be said besides."""
        return foreign.open_module(path, None, None, trust)

    def open_parts(
        self, path: Path, trust: TrustPolicy, *, module: str | None, config: Mapping[str, Any] | None
    ) -> tuple[Any, dict[str, Any]]:
        """The net of *module* and *config* with the tensors in *path*, and the options to save it with."""
        net, rest = foreign.open_module(path, module, config, trust)
        kept: dict[str, Any] = {"config": dict(config or {})}
        return net, kept | ({"training_state": rest} if rest else {})

    def to_onnx(self, native: Draft, frame: FrameSpec, contract: Contract) -> OnnxModel:
        """The net as PyTorch exports it; see `onnx.convert`."""
        return onnx.convert(native, contract)

    def training_state(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        """What was kept beside the net; see `training.read`."""
        return training.read(files)

    def predict(self, native: Net, frame: Any, output: Output) -> Outputs:
        """What the net answers for *frame*."""
        return answers.outputs(native.numbers(frame), native.options.answers, output)


def _config(model: Draft) -> dict[str, Any]:
    if model.config is not None and not isinstance(model.config, Mapping):
        raise UsageError(f"config: expected a dict of keyword arguments, got {type(model.config).__name__}")
    return dict(model.config or {})
