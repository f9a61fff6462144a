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
from cloche.contract.messages import clean, named_type, quoted
from cloche.contract.model import Contract, Field, Output, Policy
from cloche.contract.problems import MAX_PROBLEMS, Problem
from cloche.contract.strict_json import RepeatedKeys, parse
from cloche.errors import InvalidInputError, MalformedBodyError, TooLargeError

_LABEL, _KEY = "label", "key."
_ID_LENGTH = 128
#: Rows of a request are counted in 32 bits where labels find them.
_LAST_ROW = 2**31 - 1
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
        self._classes = {name: _Classes(own) for name, own in _listed_classes(contract.output)}
        self._names = [f"{_KEY}{one.name}" for one in contract.fields if one.role == "key"]
        self._objects = {"key": "the values of the model's key fields"} if self._names else {}
        if contract.output.names and not self._many:
            self._objects[_LABEL] = "a value for each output"
        keys = [_key_field(one) for one in contract.fields if one.role == "key"]
        fields = (*_REFERENCE, *self._parts, *keys)
        self._compiled: CompiledContract = compile_contract(Contract(fields=fields, output=_NO_OUTPUT))

    def decode(self, body: bytes, *, max_rows: int | None = None) -> list[ValidLabel]:
        """
        Read one object or an array of them.

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
        return self.validate(rows, single=single)

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
        problems = _Problems(single)
        flat = [self._flat(row, number, problems) for number, row in enumerate(rows)]
        valid = self._valid(flat, problems)
        names = [field.name for field in self._compiled.contract.fields]
        found = [dict(zip(names, row, strict=True)) for row in valid]
        if self._many:
            known = self._classes[_LABEL]
            found = [
                values | {_LABEL: [known.of(one) for one in row[_LABEL]]}
                for values, row in zip(found, rows, strict=True)
            ]
        for number, values in enumerate(found):
            for wrong in self._wrong(values):
                problems.add(number, *wrong)
        problems.check()
        return [self._label(values) for values in found]

    def _valid(self, flat: Sequence[Any], problems: _Problems) -> Sequence[tuple[Any, ...]]:
        """The values of flat rows; none where anything is wrong."""
        try:
            valid = self._compiled.validate(flat, single=problems.single)
        except InvalidInputError as exc:
            problems.take(exc)
            problems.check()
            raise
        problems.check()
        return valid.rows

    def _flat(self, row: Any, number: int, problems: _Problems) -> Any:
        """`{"key": {"a": 1}}` as `{"key.a": 1}`; what has another shape is a problem, and left out."""
        if not isinstance(row, dict):
            return row
        flat: list[tuple[str, Any]] = []
        for name, value in _pairs(row):
            if name in self._objects:
                if isinstance(value, dict):
                    flat += [(f"{name}.{inner}", one) for inner, one in _pairs(value)]
                if not isinstance(value, dict) or not value:
                    problems.add(number, name, "wrong_type", f"expected an object with {self._objects[name]}")
            elif name.startswith((_KEY, f"{_LABEL}.")):
                problems.add(number, clean(name), "unknown_field", f"expected an object '{name.partition('.')[0]}'")
            elif name != _LABEL or not self._many:
                flat.append((name, value))
        if self._many:
            for wrong in self._wrong_set(row):
                problems.add(number, *wrong)
        return RepeatedKeys(flat)

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
        for name, classes in self._classes.items():
            if not self._many and values[name] not in classes:
                yield name, "unknown_level", f"{quoted(values[name])} is no class of the model"

    def _wrong_set(self, row: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
        """Several labels at once: a list of classes."""
        if isinstance(row, RepeatedKeys) and _LABEL in row.repeated:
            yield _LABEL, "duplicate_field", "the same key stands twice"
        elif _LABEL not in row:
            yield _LABEL, "missing_field", "required and absent; expected a list of the model's labels"
        elif not isinstance(row[_LABEL], list):
            yield _LABEL, "wrong_type", f"expected a list of the model's labels, got {named_type(row[_LABEL])}"
        else:
            unknown = [one for one in row[_LABEL] if one not in self._classes[_LABEL]]
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
    Field(name="row", type="integer", required=False, minimum=0, maximum=_LAST_ROW),
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
    """A class that is text is checked as a level, any other as a value of its type."""
    if classes and all(isinstance(one, str) for one in classes):
        return Field(name=name, type="category", levels=tuple(classes), policy=Policy(unknown_level="reject"))
    return Field(name=name, type=output.type)


def _listed_classes(output: Output) -> Iterator[tuple[str, Sequence[Any]]]:
    """What a label may be, by the name of its value; nothing where that is open."""
    if output.task in ("classification", "multilabel"):
        if output.classes or output.task == "multilabel":
            yield _LABEL, output.classes or ()
    elif output.names and output.output_classes:
        yield from ((f"{_LABEL}.{name}", own) for name, own in zip(output.names, output.output_classes, strict=True))


class _Classes:
    """The classes of a model, found by what JSON says of one: Python says that True is 1."""

    def __init__(self, classes: Sequence[Any]) -> None:
        self._known = {(isinstance(one, bool), one): one for one in classes}

    def __contains__(self, value: Any) -> bool:
        return isinstance(value, (str, int, float)) and (isinstance(value, bool), value) in self._known

    def of(self, value: Any) -> Any:
        """The class itself: `1.0` is 1."""
        return self._known[isinstance(value, bool), value]


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


class _Problems:
    """What is wrong with a body: what its shape shows, then what the fields' rules say."""

    def __init__(self, single: bool) -> None:
        self.single = single
        self._found: list[Problem] = []
        self._more = 0

    def add(self, number: int, field: str | None, code: str, message: str) -> None:
        self._found.append(Problem(row=None if self.single else number, field=field, code=code, message=message))

    def take(self, exc: InvalidInputError) -> None:
        """Those of *exc* too, but not that a part is missing which was left out because of its shape."""
        misshapen = {(one.row, one.field) for one in self._found}
        fresh = [
            one
            for one in exc.problems
            if one.code != "missing_field" or (one.row, (one.field or "").partition(".")[0]) not in misshapen
        ]
        self._more += exc.total - len(exc.problems)
        self._found = sorted([*self._found, *fresh], key=lambda one: -1 if one.row is None else one.row)

    def check(self) -> None:
        """
        Raises:
            InvalidInputError: there are some.
        """
        if self._found:
            raise InvalidInputError(self._found[:MAX_PROBLEMS], len(self._found) + self._more)
