"""
What a step of a pipeline is shown while it is lowered: fields of the row that nobody has read yet, or a node.

Fields stay apart until a step takes them as numbers or as they are, so that each is converted once, and as
scikit-learn would convert it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from cloche.contract.model import Contract
from cloche.errors import NotLoweredError
from cloche.graph import Builder, Input, Value
from cloche.graph.operator import Operator
from cloche.graph.operators.columns import MAX_DENSE, Concat, Dense, Select
from cloche.graph.operators.inputs import Numbers, Objects
from cloche.records import FrameColumn, FrameSpec, Marker

#: What numpy or pandas computes in float64; narrower floats would be summed and rounded otherwise.
_NUMBERS = frozenset({
    "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "bool",
    "Float64", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "boolean", "Boolean",
})  # fmt: skip
_NAN: Marker = "nan"
_NUMERIC = ("number", "integer", "boolean")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the row: its place among the graph's inputs, and what the model's frame makes of it."""

    place: int
    name: str
    kind: Literal["number", "object", "other"]
    dtype: str
    marker: Marker


@dataclass(frozen=True, slots=True)
class Flow:
    """
    The columns a step is shown: *fields*, or the node *value*.

    `markers` say for each column of objects what stands where a value is missing. `sparse` is whether
    scikit-learn's own table is a sparse matrix here, where the step before says so; the twin's may be another.
    """

    builder: Builder
    fields: tuple[Field, ...] = ()
    value: Value | None = None
    markers: tuple[Marker, ...] = ()
    sparse: bool | None = None

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.fields) if self.value is None else self.value.width

    @property
    def has_numbers(self) -> bool:
        """Whether every column holds numbers."""
        if self.value is None:
            return all(field.kind == "number" for field in self.fields)
        return self.value.kind != "objects"

    def any_numbers(self) -> Value:
        """
        The columns as numbers, dense or sparse.

        Raises:
            NotLoweredError: a column is no number.
        """
        if self.value is None:
            for field in self.fields:
                if field.kind != "number":
                    raise NotLoweredError(f"field '{field.name}' ({field.dtype}) is read as a number")
            return self.builder.add(Numbers(fields=tuple(field.place for field in self.fields)))
        if self.value.kind == "objects":
            raise NotLoweredError("text is read as numbers")
        return self.value

    def numbers(self) -> Value:
        """
        The columns as dense numbers.

        Raises:
            NotLoweredError: a column is no number, or there are too many to write out.
        """
        value = self.any_numbers()
        if value.kind == "numbers":
            return value
        if value.width > MAX_DENSE:
            raise NotLoweredError(f"{value.width} sparse columns are read as a dense table")
        return self.builder.add(Dense(of=(value.node,)))

    def objects(self) -> tuple[Value, tuple[Marker, ...]]:
        """
        The columns as they are (numbers where all are numbers), and what each holds where it is missing.

        Raises:
            NotLoweredError: a column is a date or a vector.
        """
        if self.has_numbers:
            value = self.numbers()
            return value, (_NAN,) * value.width
        if self.value is not None:
            return self.value, self.markers
        for field in self.fields:
            if field.kind == "other":
                raise NotLoweredError(f"field '{field.name}' ({field.dtype}) is neither a number nor a category")
        value = self.builder.add(Objects(fields=tuple(field.place for field in self.fields)))
        return value, tuple(field.marker for field in self.fields)

    def pick(self, places: Sequence[int]) -> Flow:
        """The columns at *places*."""
        if self.value is None:
            return replace(self, fields=tuple(self.fields[place] for place in places))
        if list(places) == list(range(self.value.width)):
            return self
        op = Select(of=(self.value.node,), columns_array=self.builder.ints(places))
        markers = tuple(self.markers[place] for place in places) if self.markers else ()
        return Flow(self.builder, (), self.builder.add(op), markers)

    def to(self, op: Operator) -> Flow:
        """What the node *op* gives."""
        return Flow(self.builder, (), self.builder.add(op))

    def of(self, value: Value, markers: tuple[Marker, ...] = ()) -> Flow:
        """The columns of *value*."""
        return Flow(self.builder, (), value, markers)


def joined(builder: Builder, parts: Sequence[Flow]) -> Flow:
    """
    The columns of all *parts* side by side.

    Raises:
        NotLoweredError: numbers and objects would stand in one table.
    """
    parts = [part for part in parts if part.width]
    if len(parts) == 1:
        return parts[0]
    if all(part.value is None for part in parts):
        return Flow(builder, tuple(field for part in parts for field in part.fields))
    if all(part.has_numbers for part in parts):
        values = [part.any_numbers() for part in parts]
        return Flow(builder, (), builder.add(Concat(of=tuple(one.node for one in values))))
    found = [part.objects() for part in parts]
    if any(value.kind != "objects" for value, _ in found):
        raise NotLoweredError("numbers and text stand in one table")
    markers = tuple(marker for _, part in found for marker in part)
    return Flow(builder, (), builder.add(Concat(of=tuple(value.node for value, _ in found))), markers)


def begin(frame: FrameSpec, contract: Contract) -> Flow:
    """The fields of *frame*, as *contract* lets values through."""
    inputs: list[Input] = []
    fields: list[Field] = []
    for column in frame.columns:
        known = contract.field(column.name)
        if known is None or known.role != "input":
            fields.append(Field(-1, column.name, "other", column.dtype, column.marker))
            continue
        kind = _kind(column, known.type, frame.container)
        fields.append(Field(len(inputs), column.name, kind, column.dtype, _marker(column, frame)))
        levels = tuple(column.levels or ()) if column.dtype.startswith(("category", "Categorical", "Enum")) else None
        inputs.append(Input(name=column.name, levels=levels))
    return Flow(Builder(inputs), tuple(fields))


def _kind(column: FrameColumn, type_: str, container: str) -> Literal["number", "object", "other"]:
    if column.dtype.removeprefix("numpy:") in _NUMBERS:
        return "number" if type_ not in ("date", "datetime", "vector") else "other"
    if type_ in ("date", "datetime", "vector") or column.dtype.lower().startswith(
        ("float", "sparse", "uint", "decimal")
    ):
        return "other"
    if type_ in ("string", "category", "text"):
        return "object"
    return "number" if column.dtype in ("object", "list") and type_ in _NUMERIC and container != "list" else "other"


def _marker(column: FrameColumn, frame: FrameSpec) -> Marker:
    """What stands in the model's frame where the value is missing."""
    if column.dtype in _NUMBERS or column.dtype.startswith("category") or column.dtype == "str":
        return "nan"
    return "none" if frame.container == "polars" else column.marker


def plain(value: Any) -> Any:
    """A label or a level as JSON has it."""
    found = value.item() if isinstance(value, np.generic) else value
    if not isinstance(found, (str, int, float, bool)):
        raise NotLoweredError(f"a level or class of type {type(found).__name__}")
    return found


def plain_list(values: Any) -> tuple[Any, ...]:
    """Labels or levels as JSON has them."""
    return tuple(plain(value) for value in np.asarray(values).tolist())
