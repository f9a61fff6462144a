"""
JSON Schema of what a predict route answers: by task, for one row and for many.

The shapes are those of `serving.answers.shape`; the tests hold its answers against these schemas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cloche.contract.model import Output
from cloche.serving.answers import class_key

Schema = dict[str, Any]
#: One row's schema to what stands under the key: itself, or a list of it.
Shape = Callable[[Schema], Schema]

_NUMBER: Schema = {"type": ["number", "null"]}
_SHARE: Schema = {"type": ["number", "null"], "minimum": 0, "maximum": 1.0000001}


def one(schema: Schema) -> Schema:
    """One row: the value itself."""
    return schema


def many(schema: Schema) -> Schema:
    """Many rows: a list of values, in the order of the rows."""
    return {"type": "array", "items": schema}


def answer_schema(output: Output, shape: Shape, problem: Schema) -> Schema:
    """The body of a 200 from a predict route; *problem* is the schema of a warning."""
    properties: dict[str, Schema] = {"prediction": shape(prediction_schema(output))}
    if output.probabilities:
        properties["probabilities"] = _by_output(output, lambda classes: _shares(classes, shape))
        if output.task in ("classification", "multioutput_classification"):
            properties["confidence"] = _by_output(output, lambda _: shape(_SHARE))
    if output.task == "anomaly":
        properties["score"] = shape(_NUMBER)
    properties |= {
        "model": {"type": "string"},
        "model_version": {"type": "string", "pattern": "^[0-9]+$"},
        "request_id": {"type": "string"},
        "warnings": {"type": "array", "items": problem, "minItems": 1},
    }
    required = ["prediction", "model", "model_version", "request_id"]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def prediction_schema(output: Output) -> Schema:
    """One row's prediction."""
    if output.task == "anomaly":
        return {"enum": ["inlier", "outlier"]}
    if output.task == "multilabel":
        return {"type": "array", "items": _classes(output.classes, output)}
    if output.task == "embedding":
        return {"type": "array", "items": _NUMBER}
    if output.names is None:
        return _classes(output.classes, output)
    if output.output_classes is None:
        parts = dict.fromkeys(output.names, _NUMBER)
    else:
        pairs = zip(output.names, output.output_classes, strict=True)
        parts = {name: _classes(classes, output) for name, classes in pairs}
    return {"type": "object", "properties": parts, "required": list(parts), "additionalProperties": False}


def _classes(classes: Sequence[Any] | None, output: Output) -> Schema:
    if classes:
        return {"enum": list(classes)}
    if output.task in ("regression", "multioutput_regression"):
        return _NUMBER
    return {"type": [output.type, "null"]}


def _by_output(output: Output, make: Callable[[Sequence[Any] | None], Schema]) -> Schema:
    """The schema *make* gives; by output name where there are several outputs."""
    if output.names is None:
        return make(output.classes)
    classes: Sequence[Sequence[Any] | None] = output.output_classes or [None] * len(output.names)
    parts = {name: make(known) for name, known in zip(output.names, classes, strict=True)}
    return {"type": "object", "properties": parts, "additionalProperties": False}


def _shares(classes: Sequence[Any] | None, shape: Shape) -> Schema:
    shares = shape(_SHARE)
    if not classes:
        return {"type": "object", "additionalProperties": shares}
    known = {class_key(name): shares for name in classes}
    return {"type": "object", "properties": known, "additionalProperties": False}
