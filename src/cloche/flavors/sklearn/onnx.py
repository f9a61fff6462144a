"""
The home of skl2onnx: a fitted scikit-learn model as ONNX, where its owner asks for that.

The result computes in float32, and a class of scikit-learn that skl2onnx does not know has none. Whether it answers
alike is not judged here.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import skl2onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType

from cloche.contract.model import Contract, Field
from cloche.errors import NotLoweredError
from cloche.onnx import Interface, OnnxModel, Result, Tensor
from cloche.records import FrameSpec

#: What onnxruntime of the oldest supported release runs, and skl2onnx converts every estimator to.
_OPSETS = {"": 17, "ai.onnx.ml": 3}
_MATRIX = "X"
#: scikit-learn computes in float64: beyond this, squares and sums in float32 are no longer near.
_LIMIT = 1e15
_TEXTS = ("string", "category", "text")
#: Estimators whose predicted class is not that of the greatest probability.
_OWN_LABELS = frozenset({"SVC", "NuSVC"})


def convert(model: Any, frame: FrameSpec, contract: Contract) -> OnnxModel:
    """
    *model* and its interface.

    Raises:
        NotLoweredError: skl2onnx does not convert it, or a field is of a type that ONNX does not take.
    """
    said: list[str] = []
    for inputs in _inputs(frame, contract):
        for options in ({id(model): {"zipmap": False}}, None):
            try:
                proto = _converted(model, inputs, options)
            except Exception as exc:  # noqa: BLE001  converters raise whatever an estimator's surprises make them raise
                said.append(f"{type(exc).__name__}: {str(exc)[:200]}")
                continue
            results = tuple(_results(model, contract, [one.name for one in proto.graph.output]))
            return OnnxModel(proto.SerializeToString(), Interface(inputs=inputs, outputs=results))
    raise NotLoweredError(f"skl2onnx does not convert it: {said[0]}")


def _converted(model: Any, inputs: tuple[Tensor, ...], options: Any) -> Any:
    types = [(one.name, _type(one)) for one in inputs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return skl2onnx.convert_sklearn(model, initial_types=types, target_opset=_OPSETS, options=options)


def _inputs(frame: FrameSpec, contract: Contract) -> Iterator[tuple[Tensor, ...]]:
    """The ways to feed the model, the likelier first: most take one matrix, those that pick by name do not."""
    if frame.container not in ("numpy", "pandas", "polars"):
        raise NotLoweredError(f"a model that is shown a {frame.container} has no ONNX form here")
    fields = {column.name: _field(contract, column.name) for column in frame.columns}
    texts = [name for name, field in fields.items() if field.type in _TEXTS and not _whole(field)]
    if not texts:
        yield (Tensor(name=_MATRIX, fields=tuple(fields), **_missing(list(fields.values()))),)
    if frame.container == "numpy":
        if texts:
            raise NotLoweredError(f"'{texts[0]}' is a {fields[texts[0]].type} in an array")
        return
    yield tuple(
        Tensor(name=name, fields=(name,), dtype="string", missing=_no_text(field))
        if name in texts
        else Tensor(name=name, fields=(name,), **_missing([field]))
        for name, field in fields.items()
    )


def _field(contract: Contract, name: str) -> Field:
    field = contract.field(name)
    if field is None:
        raise NotLoweredError(f"the model's column '{name}' is no field of the contract")
    if field.type not in ("number", "integer", "boolean", *_TEXTS):
        raise NotLoweredError(f"'{name}' is a {field.type}, which has no ONNX form here")
    return field


def _whole(field: Field) -> bool:
    return field.levels is not None and not isinstance(field.levels[0], str)


def _missing(fields: list[Field]) -> dict[str, Any]:
    """NaN where the model takes a missing value; else what is not finite is refused, as scikit-learn does."""
    missing = {"missing": "nan"} if any(field.nullable for field in fields) else {"finite": True}
    return {**missing, "limit": _LIMIT}


def _no_text(field: Field) -> str | None:
    """skl2onnx has no missing text; the guard sees whether an empty one answers alike."""
    return "" if field.nullable else None


def _type(tensor: Tensor) -> Any:
    kind = StringTensorType if tensor.dtype == "string" else FloatTensorType
    return kind([None, len(tensor.fields)])


def _results(model: Any, contract: Contract, names: list[str]) -> Iterator[Result]:
    """skl2onnx gives a label and then what the estimator scores, or the numbers alone."""
    output = contract.output
    if output.task == "classification":
        labels = tuple(np.asarray(model.classes_).tolist())
        if output.probabilities:
            yield Result(name=names[1], role="probabilities")
        if not output.probabilities or type(_last(model)).__name__ in _OWN_LABELS:
            yield Result(name=names[0], role="label", labels=labels)
    elif output.task in ("regression", "multioutput_regression"):
        yield Result(name=names[0], role="value")
    elif output.task == "anomaly":
        yield Result(name=names[0], role="label")
        yield Result(name=names[1], role="score")
    elif output.task == "clustering":
        yield Result(name=names[0], role="label")
    elif output.task == "embedding":
        yield Result(name=names[0], role="embedding")
    else:
        raise NotLoweredError(f"{output.task} has no ONNX form here")


def _last(model: Any) -> Any:
    return _last(model.steps[-1][1]) if hasattr(model, "steps") else model
