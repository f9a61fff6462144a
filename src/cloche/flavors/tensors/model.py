"""A model of tensors together with what they mean, before the contract gives the fields their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from cloche.contract.model import Output
from cloche.errors import ManifestError
from cloche.onnx import Interface, Result, Tensor
from cloche.onnx.interface import Dtype
from cloche.onnx.runner import Runner, Session
from cloche.records import Columns, InputFacts, ModelFacts, Outputs


class Slot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    An input tensor: how many columns it takes (None: all there are) and its trailing shape.

    `takes_nan`: seen to answer a number that is missing.
    """

    name: str
    dtype: Dtype
    width: int | None
    shape: tuple[int, ...] | None = None
    takes_nan: bool = False

    def tensor(self, fields: tuple[str, ...]) -> Tensor:
        """The same, made of *fields*."""
        floats = self.dtype.startswith("float")
        return Tensor(
            name=self.name,
            fields=fields,
            dtype=self.dtype,
            shape=self.shape,
            missing="nan" if floats and self.takes_nan else None,
            finite=floats and not self.takes_nan,
        )


class Description(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    What was found about a file, and stands in the manifest's options.

    `named`: the columns are found by the names of the tensors, one each; else the tensors take the columns in order.
    """

    slots: tuple[Slot, ...]
    outputs: tuple[Result, ...]
    task: str
    framework: str
    named: bool = False
    one_row: bool = False
    classes: tuple[Any, ...] | None = None
    names: tuple[str, ...] | None = None
    probabilities: bool = False
    embedding: int | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of_options(cls, options: Mapping[str, Any]) -> Description:
        """
        Raises:
            ManifestError: *options* are none of this flavor.
        """
        try:
            return msgspec.convert(dict(options), cls)
        except msgspec.ValidationError as exc:
            raise ManifestError(f"manifest.json: options: {exc}") from exc

    @property
    def width(self) -> int | None:
        """How many columns the model is shown; None where it does not say."""
        widths = [slot.width for slot in self.slots]
        return None if None in widths else sum(one or 0 for one in widths)

    def interface(self, columns: tuple[str, ...]) -> Interface:
        """
        The interface over fields that are called *columns*, in the model's order.

        Raises:
            ManifestError: they are not as many as the model takes.
        """
        return Interface(inputs=tuple(self._tensors(columns)), outputs=self.outputs, one_row=self.one_row)

    def _tensors(self, columns: tuple[str, ...]) -> Iterator[Tensor]:
        if self.named:
            yield from (slot.tensor((slot.name,)) for slot in self.slots)
            return
        vector = len(columns) == 1 and len(self.slots) == 1
        if not vector and self.width not in (None, len(columns)):
            raise ManifestError(f"the model takes {self.width} columns, and is shown {len(columns)}")
        start = 0
        for slot in self.slots:
            end = len(columns) if slot.width is None or vector else start + slot.width
            yield slot.tensor(columns[start:end])
            start = end


@dataclass(slots=True)
class TensorModel:
    """What runs the model, what its tensors mean, and what it was opened from (bytes, or an object of its library)."""

    session: Session
    said: Description
    source: Any = None
    _runners: dict[Any, Runner] = field(default_factory=dict)

    def facts(self, **more: Any) -> ModelFacts:
        """What was found when the model was read and asked."""
        said = self.said
        names = tuple(slot.name for slot in said.slots) if said.named else None
        return ModelFacts(
            task=said.task,
            names=names,
            n_inputs=None if names is not None else said.width,
            inputs=dict(_input_facts(said)),
            classes=said.classes,
            output_names=said.names,
            probabilities=said.probabilities,
            embedding=said.embedding,
            notes=said.notes,
            **more,
        )

    def predict(self, frame: Any, output: Output) -> Outputs:
        """What the model answers for *frame*: an array, a list or a table."""
        columns = columns_of(frame)
        names, n = tuple(columns), len(next(iter(columns.values()), ()))
        key = (output, names)
        if key not in self._runners:
            self._runners[key] = Runner(self.session, self.said.interface(names), output)
        return self._runners[key].predict(columns, n)


def _input_facts(said: Description) -> Iterator[tuple[str, InputFacts]]:
    """Of each column, what its tensor's type says: a whole number or not."""
    place = 0
    for slot in said.slots:
        for _ in range(slot.width or 0):
            facts = InputFacts(whole=slot.dtype in ("int64", "int32"), source=f"the input '{slot.name}'")
            yield slot.name if said.named else f"x{place}", facts
            place += 1


def columns_of(frame: Any) -> Columns:
    """
    *frame* as columns of plain values, missing ones as None: an array (n, k), a series or list, a pandas or polars
    table (met by what they offer, not by their types).
    """
    if isinstance(frame, np.ndarray):
        matrix = frame.reshape(len(frame), -1)
        return {f"x{place}": _plain(matrix[:, place].tolist()) for place in range(matrix.shape[1])}
    if isinstance(frame, list):
        if frame and isinstance(frame[0], Mapping):
            return {name: _plain([row.get(name) for row in frame]) for name in frame[0]}
        return {"x0": _plain(frame)}
    if hasattr(frame, "columns"):
        return {str(name): _plain(_listed(frame[name])) for name in frame.columns}
    return {"x0": _plain(_listed(frame))}


def _listed(series: Any) -> list[Any]:
    found: list[Any] = series.to_list()  # pandas and polars alike
    return found


def _plain(values: list[Any]) -> list[Any]:
    """NaN, None and pandas' NA are one missing value; vectors are lists."""
    return [_one(value) for value in values]


def _one(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    return None if isinstance(value, float) and value != value else value
