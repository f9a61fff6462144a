"""
The truth about answers, as callers send it: what a label of a model looks like, checked as rows are.

`{"request_id": …, "row": 0, "label": …, "event_time": …}` or `{"key": {…}, "label": …}`, one or an array. What
lies inside (`key.customer`, `label.price`) is a field of a contract of its own, so that problems read as ever.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cloche.contract.compiled import CompiledContract, compile_contract
from cloche.contract.messages import quoted
from cloche.contract.model import Contract, Field, FieldType, Output, Policy
from cloche.contract.problems import MAX_PROBLEMS, Problem
from cloche.contract.strict_json import RepeatedKeys, parse
from cloche.errors import InvalidInputError, MalformedBodyError, TooLargeError

_LABEL, _KEY = "label", "key."
_ID_LENGTH = 128
_NO_OUTPUT = Output(task="regression", type="number")


@dataclass(frozen=True, slots=True)
class ValidLabel:
    """
    One label: by `id` (of the answer, or the caller's own) and `row`, or by `key`, the entity's key fields by name.

    `label` is a value of the model's output: a scalar, a list (several labels at once) or a dict (several outputs).
    """

    label: Any
    id: str | None
    row: int | None
    key: dict[str, Any] | None
    event_time: dt.datetime | None


class CompiledLabels:
    """What the labels of one contract have to keep."""

    def __init__(self, contract: Contract) -> None:
        """*contract* is the model's."""
        self._output = contract.output
        self._many = contract.output.task == "multilabel"
        self._parts = tuple(_label_fields(contract.output))
        self._names = [f"{_KEY}{one.name}" for one in contract.fields if one.role == "key"]
        keys = [_key_field(one) for one in contract.fields if one.role == "key"]
        fields = (*_REFERENCE, *self._parts, *keys)
        self._compiled: CompiledContract = compile_contract(Contract(fields=fields, output=_NO_OUTPUT))

    def decode(self, body: bytes, *, max_rows: int | None = None) -> tuple[list[ValidLabel], bool]:
        """
        Read one object or an array of them; whether it was one.

        Raises:
            MalformedBodyError: it is no JSON, or neither.
            TooLargeError: more than *max_rows* labels.
            InvalidInputError: every problem is listed.
        """
        parsed = parse(body)
        if parsed.not_json is not None:
            raise MalformedBodyError(f"{parsed.not_json} is not JSON; send null for a missing value")
        single = isinstance(parsed.value, dict)
        if not single and not isinstance(parsed.value, list):
            raise MalformedBodyError("expected a label as a JSON object, or an array of them")
        rows = [parsed.value] if single else parsed.value
        if max_rows is not None and len(rows) > max_rows:
            raise TooLargeError(f"labels: at most {max_rows} a request, got {len(rows)}; send them in parts")
        return self.validate(rows, single=single), single

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12 of one label."""
        flat = self._compiled.json_schema_row()["properties"]
        if self._many:
            label: dict[str, Any] = {"type": "array", "items": {"enum": list(self._output.classes or ())}}
        else:
            label = flat[_LABEL] if _LABEL in flat else _object_of(flat, f"{_LABEL}.")
        common = {"label": label, "event_time": flat["event_time"]}
        answer = _object({"request_id": flat["request_id"], "row": flat["row"]} | common, ("request_id", "label"))
        if not self._names:
            return answer
        return {"anyOf": [answer, _object({"key": _object_of(flat, _KEY)} | common, ("key", "label"))]}

    def validate(self, rows: Sequence[Any], *, single: bool = False) -> list[ValidLabel]:
        """
        The labels that parsed objects hold.

        Raises:
            InvalidInputError: every problem is listed.
        """
        flat, sets = zip(*map(self._flat, rows), strict=True) if rows else ((), ())
        valid = self._compiled.validate(flat, single=single)
        names = [field.name for field in valid.contract.fields]
        found = [
            dict(zip(names, row, strict=True)) | ({_LABEL: given} if self._many else {})
            for row, given in zip(valid.rows, sets, strict=True)
        ]
        problems = [
            _problem(None if single else number, *wrong)
            for number, values in enumerate(found)
            for wrong in self._wrong(values)
        ]
        if problems:
            raise InvalidInputError(problems[:MAX_PROBLEMS], len(problems))
        return [self._label(values) for values in found]

    def _flat(self, row: Any) -> tuple[Any, Any]:
        """`{"key": {"a": 1}}` as `{"key.a": 1}`, and a list of labels beside it; no object stays what it is."""
        if not isinstance(row, dict):
            return row, None
        flat: list[tuple[str, Any]] = []
        for name, value in _pairs(row):
            if name == _LABEL and self._many:
                continue
            inside = value if name in ("key", _LABEL) and isinstance(value, dict) else None
            flat += [(name, value)] if inside is None else [(f"{name}.{inner}", one) for inner, one in _pairs(inside)]
        return RepeatedKeys(flat), row.get(_LABEL)

    def _wrong(self, values: Mapping[str, Any]) -> Iterator[tuple[str | None, str, str]]:
        """What no rule of one field says, as field, code and message."""
        named = [name for name in self._names if values[name] is not None]
        if (values["request_id"] is None) == (not named):
            both = "not both" if named else "and neither came"
            yield None, "missing_field", f"a label names an answer by 'request_id' or an entity by 'key', {both}"
        elif named and len(named) < len(self._names):
            absent = next(name for name in self._names if values[name] is None)
            yield absent, "missing_field", "a key is named whole"
        if values["row"] is not None and values["request_id"] is None:
            yield "row", "unknown_field", "only a label with a 'request_id' has a row"
        if self._many:
            yield from self._wrong_set(values[_LABEL])
        elif _LABEL in values and self._output.classes and values[_LABEL] not in self._output.classes:
            yield _LABEL, "unknown_level", f"{quoted(values[_LABEL])} is no class of the model"

    def _wrong_set(self, given: Any) -> Iterator[tuple[str, str, str]]:
        """Several labels at once: a list of classes."""
        if not isinstance(given, list):
            yield _LABEL, "wrong_type", "expected a list of the model's labels"
            return
        unknown = [one for one in given if one not in (self._output.classes or ())]
        if unknown:
            yield _LABEL, "unknown_level", f"{quoted(unknown[0])} is no label of the model"

    def _label(self, values: Mapping[str, Any]) -> ValidLabel:
        key = {name.removeprefix(_KEY): values[name] for name in self._names}
        return ValidLabel(
            label=self._truth(values),
            id=values["request_id"],
            row=values["row"],
            key=key if any(value is not None for value in key.values()) else None,
            event_time=values["event_time"],
        )

    def _truth(self, values: Mapping[str, Any]) -> Any:
        if self._output.names and not self._many:
            return {name: values[f"{_LABEL}.{name}"] for name in self._output.names}
        return values[_LABEL]


_REFERENCE = (
    Field(name="request_id", type="string", required=False, max_length=_ID_LENGTH),
    Field(name="row", type="integer", required=False, minimum=0),
    Field(name="event_time", type="datetime", timezone="UTC", required=False),
)


def _label_fields(output: Output) -> Iterator[Field]:
    if output.task == "anomaly":
        yield Field(name=_LABEL, type="category", levels=("inlier", "outlier"))
    elif output.task == "embedding":
        yield Field(name=_LABEL, type="vector", length=output.length)
    elif output.task == "multilabel":
        return  # a list, which no field is
    elif output.names:
        classes = output.output_classes or [None] * len(output.names)
        for name, own in zip(output.names, classes, strict=True):
            yield _scalar(f"{_LABEL}.{name}", output, own)
    else:
        yield _scalar(_LABEL, output, output.classes)


def _scalar(name: str, output: Output, classes: Sequence[Any] | None) -> Field:
    """A class is checked as a level; classes that are fractions or booleans as values of their type."""
    if classes and all(isinstance(one, str) for one in classes):
        return Field(name=name, type="category", levels=tuple(classes), policy=Policy(unknown_level="reject"))
    kind: FieldType = "integer" if output.type == "integer" else "boolean" if output.type == "boolean" else "number"
    return Field(name=name, type=kind)


def _key_field(field: Field) -> Field:
    """A key as a label names it: the same type, and absent where the label names an answer."""
    return msgspec.structs.replace(field, name=f"{_KEY}{field.name}", role="input", nullable=False, required=False)


def _object(properties: dict[str, Any], required: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _object_of(flat: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """What was made flat, as the object it came in: every part is needed."""
    parts = {name.removeprefix(prefix): part for name, part in flat.items() if name.startswith(prefix)}
    return _object(parts, tuple(parts))


def _pairs(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        yield name, value
        if isinstance(row, RepeatedKeys) and name in row.repeated:
            yield name, value


def _problem(row: int | None, field: str | None, code: str, message: str) -> Problem:
    return Problem(row=row, field=field, code=code, message=message)
