"""
The ONNX form of a net: the net as data, for a server that has neither PyTorch nor the net's class.

Exported by tracing: a branch that depends on the numbers comes out as the one that was taken. The guard compares the
form with the net, on texts of other lengths too, before it may answer.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import msgspec
import torch
from torch import nn

from cloche.contract.model import Contract
from cloche.errors import MissingExtraError, NotLoweredError
from cloche.flavors.tokens.batches import batches
from cloche.flavors.torch import asking
from cloche.flavors.torch.bags import without_bags
from cloche.flavors.torch.net import Draft
from cloche.onnx import Interface, OnnxModel, Prepared, Result, Tensor
from cloche.onnx.runner import open_session

#: What onnxruntime of the oldest supported release runs.
_OPSET = 17
_X, _IDS, _MASK, _ANSWER = "x", "ids", "mask", "answer"
_DTYPES: dict[str, Any] = {"float32": "float32", "float64": "float64"}
_ROLES: dict[str, Any] = {"regression": "value", "multioutput_regression": "value", "embedding": "embedding"}


def convert(model: Draft, contract: Contract) -> OnnxModel:
    """
    *model* and its interface.

    Raises:
        NotLoweredError: PyTorch cannot export it.
        MissingExtraError: the library onnx, with which PyTorch exports, is not installed.
    """
    if model.dtype not in _DTYPES:
        raise NotLoweredError(f"a net that computes in {model.dtype} has no ONNX form here")
    raw, names, one_row = _form(model)
    result = _result(model)
    fields = tuple(field.name for field in contract.inputs)
    if model.text is None:
        tensor = Tensor(name=_X, fields=fields, dtype=_DTYPES[model.dtype], finite=True)
        return OnnxModel(raw, Interface(inputs=(tensor,), outputs=(result,), one_row=one_row))
    return OnnxModel(raw, Interface(prepared=_prepared(model, fields[0], names), outputs=(result,), one_row=one_row))


def _form(model: Draft) -> tuple[bytes, list[str], bool]:
    """
    The model, the names of its inputs, and whether it takes one row only.

    What is traced may have the number of its rows written into it (attention has); with one row that is no loss.
    """
    said = "it takes no other number of rows"
    for one_row in (False, True):
        arguments, names, axes = _arguments(model, one_row=one_row)
        raw = _exported(_Alone(without_bags(model.module), _keywords(model)), arguments, names, axes)
        trial, _, _ = _arguments(model, one_row=one_row, shorter=True)
        try:
            open_session(raw).run([_ANSWER], dict(zip(names, (one.cpu().numpy() for one in trial), strict=True)))
        except ValueError as exc:
            said = str(exc)
            continue
        return raw, names, one_row
    raise NotLoweredError(f"what PyTorch exports does not run on other rows: {said}")


class _Alone(nn.Module):
    """The net as a function of tensors to the one tensor that counts."""

    def __init__(self, net: nn.Module, keywords: tuple[str, ...]) -> None:
        super().__init__()
        self.net = net
        self.keywords = keywords

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        named = dict(zip(self.keywords, tensors, strict=True)) if self.keywords else {}
        return asking.tensor_of(self.net(**named) if named else self.net(*tensors))


def _keywords(model: Draft) -> tuple[str, ...]:
    return () if model.text is None else model.text.names


def _arguments(
    model: Draft, *, one_row: bool, shorter: bool = False
) -> tuple[tuple[torch.Tensor, ...], list[str], dict[str, dict[int, str]]]:
    """
    Some rows to trace with, the names of the tensors, and which of their dimensions may be of any length.

    *shorter*: other rows, more of them and of shorter texts, to try what was traced.
    """
    device, count = asking.device_of(model.module), 1 if one_row else 3 if shorter else 2
    free = {} if one_row else {0: "rows"}
    if model.text is None or model.tokenizer is None:
        matrix = torch.from_numpy(model.sample[-count:]).to(getattr(torch, model.dtype)).to(device)
        return (matrix,), [_X], {_X: free}
    ordered = sorted(model.sample, key=len)
    some = ordered[:count] if shorter else ordered[-count:]
    _, arrays = next(batches(some, model.text, model.tokenizer.pad))
    names = [_IDS, _MASK][: len(arrays)]
    if model.text.padding != "fixed":
        free = free | {1: "tokens"}
    axes = {
        name: {place: called for place, called in free.items() if place < array.ndim}
        for name, array in zip(names, arrays, strict=True)
    }
    return tuple(torch.from_numpy(one).to(device) for one in arrays), names, axes


def _exported(
    module: nn.Module, arguments: tuple[torch.Tensor, ...], names: list[str], axes: dict[str, dict[int, str]]
) -> bytes:
    written: Any = io.BytesIO()  # the legacy exporter takes a file too
    try:
        with asking.at_rest(module), _quietly(), torch.no_grad():
            torch.onnx.export(
                module,
                arguments,
                written,
                dynamo=False,  # the other way needs onnxscript, and gives the same arithmetic
                opset_version=_OPSET,
                input_names=names,
                output_names=[_ANSWER],
                dynamic_axes=axes | {_ANSWER: {0: "rows"}},
            )
    except ModuleNotFoundError as exc:
        raise MissingExtraError("the ONNX form of a PyTorch net", exc.name or "onnx", "onnx") from exc
    except Exception as exc:  # the exporter raises whatever an operator that it does not know makes it raise
        told = " ".join(str(exc).split())[:200]
        raise NotLoweredError(f"PyTorch does not export it: {type(exc).__name__}: {told}") from exc
    raw: bytes = written.getvalue()
    return raw


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """The exporter tells of its age and of constants; attention is exported as its arithmetic, not as one kernel."""
    fast = torch.backends.mha.get_fastpath_enabled()
    level = logging.getLogger("torch.onnx").level
    printing = torch._C._jit_is_onnx_log_enabled()  # the whole graph, on standard output, where it fails
    torch._C._jit_set_onnx_log_enabled(False)
    torch.backends.mha.set_fastpath_enabled(False)
    logging.getLogger("torch.onnx").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch._C._jit_set_onnx_log_enabled(printing)
        torch.backends.mha.set_fastpath_enabled(fast)
        logging.getLogger("torch.onnx").setLevel(level)


def _result(model: Draft) -> Result:
    task = model.task
    if task.classes is None:
        return Result(name=_ANSWER, role=_ROLES[task.name])
    if task.answers == "probabilities":
        return Result(name=_ANSWER, role="probabilities")
    single = task.width == 1 or task.name == "multilabel"
    return Result(name=_ANSWER, role="probabilities", apply="sigmoid" if single else "softmax")


def _prepared(model: Draft, field: str, names: list[str]) -> Prepared:
    assert model.text is not None
    assert model.tokenizer is not None
    text = msgspec.to_builtins(msgspec.structs.replace(model.text, names=()))
    return Prepared(
        by="tokens", settings={"field": field, "text": text, "tensors": names}, files=(model.tokenizer.file,)
    )
