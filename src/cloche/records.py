"""
The plain data that crosses layers: a table of columns, the frame a model wants, what it answers.

No library but numpy is imported here; pandas and polars are met in `tables/` only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import numpy as np

from cloche.frame_spec import Container, FrameColumn, FrameSpec, Marker

__all__ = [
    "Column",
    "Columns",
    "Container",
    "FrameColumn",
    "FrameSpec",
    "InputFacts",
    "Kind",
    "Marker",
    "ModelFacts",
    "Outputs",
    "Table",
]

Kind = Literal["boolean", "integer", "number", "string", "date", "datetime", "vector", "object"]
#: Values by column name, one list a column; `None` is missing. What an engine is called with.
Columns = Mapping[str, Sequence[Any]]
#: Fewer rows are quicker without an array.
_TABLE_ROWS = 8


@dataclass(frozen=True, slots=True)
class Column:
    """
    One column of a training table.

    `values` is a 1-D array of `len(missing)` items: float64, int64, bool, or object holding `str`,
    `datetime.date`, `datetime.datetime`, or 1-D float64 arrays (vector). Where `missing` is True the
    value is a filler and must not be read. `levels` are those a categorical dtype declares, in order.
    `label` is a pandas column label that is no string (`df[0]`).
    """

    name: str
    kind: Kind
    values: np.ndarray[Any, Any]
    missing: np.ndarray[Any, np.dtype[np.bool_]]
    dtype: str
    levels: tuple[Any, ...] | None = None
    ordered: bool = False
    timezone: str | None = None
    marker: Marker = "nan"
    label: int | None = None

    def present(self) -> np.ndarray[Any, Any]:
        """The values that are not missing."""
        return self.values if not self.missing.any() else self.values[~self.missing]

    def to_list(self) -> list[Any]:
        """Plain Python values, `None` where missing."""
        plain = self.values.tolist() if self.kind != "vector" else [vector.tolist() for vector in self.values]
        if not self.missing.any():
            return plain
        return [None if gone else value for value, gone in zip(plain, self.missing, strict=True)]


@dataclass(frozen=True, slots=True)
class Table:
    """Named columns of one length, and the container they came in."""

    columns: Mapping[str, Column]
    rows: int
    container: Container

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns.values())

    def to_columns(self) -> dict[str, list[Any]]:
        """Every column as plain Python values, `None` where missing."""
        return {column.name: column.to_list() for column in self}


class Outputs(msgspec.Struct, frozen=True):
    """
    What a model answers for n rows, as plain Python values in row order.

    `prediction` has n items: a scalar; for several outputs a dict by output name; for labels, vectors
    and embeddings a list. `probabilities` has n items, each a list in the order of the contract's
    classes; for several outputs a dict of such lists. `score` has n floats (anomaly).
    """

    prediction: list[Any]
    probabilities: list[Any] | None = None
    score: list[float] | None = None

    def __len__(self) -> int:
        return len(self.prediction)

    def to_dict(self) -> dict[str, Any]:
        """The answers as plain data."""
        return {"prediction": self.prediction, "probabilities": self.probabilities, "score": self.score}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Outputs:
        """What `to_dict` gave."""
        return cls(given["prediction"], given["probabilities"], given["score"])

    def rows(self, start: int, stop: int) -> Outputs:
        """The answers of rows *start* to *stop* (exclusive)."""
        return Outputs(
            self.prediction[start:stop],
            None if self.probabilities is None else self.probabilities[start:stop],
            None if self.score is None else self.score[start:stop],
        )


class TabledOutputs(Outputs, frozen=True, kw_only=True):
    """
    The same of many rows, with their probabilities as one float64 array (n, classes) beside the lists.

    What is asked of all rows at once (each class's column, the largest of each row) is quicker asked of the array. It
    equals the `Outputs` without it.
    """

    shares: np.ndarray[Any, Any]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Outputs):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def rows(self, start: int, stop: int) -> Outputs:
        """The answers of rows *start* to *stop* (exclusive)."""
        few = super().rows(start, stop)
        if len(few) < _TABLE_ROWS:
            return few
        return TabledOutputs(few.prediction, few.probabilities, few.score, shares=self.shares[start:stop])


@dataclass(frozen=True, slots=True)
class InputFacts:
    """What a fitted model says of one input, without seeing a table."""

    read: bool = True  #: False: no fitted step reads the column
    levels: tuple[Any, ...] | None = None  #: fixed by an encoder
    unknown_level: Literal["reject", "warn"] | None = None
    text: bool = False  #: read by a text vectorizer
    source: str = ""  #: the step that says so, "OneHotEncoder"
    whole: bool = False  #: read as a whole number
    words: tuple[str, ...] = ()  #: of which texts are made that the model can tell apart
    max_length: int | None = None  #: characters of a text that are still worth sending


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a fitted model says of itself; made by a flavor, read by `contract.infer`."""

    task: str
    names: tuple[str, ...] | None  #: feature names, if it keeps them
    n_inputs: int | None
    inputs: Mapping[str, InputFacts] = field(default_factory=dict)
    classes: tuple[Any, ...] | None = None  #: in the order of the probabilities
    output_classes: tuple[tuple[Any, ...], ...] | None = None  #: one tuple an output (multi-output)
    output_names: tuple[str, ...] | None = None
    probabilities: bool = False
    embedding: int | None = None  #: length of an output vector
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    container: Container | None = None  #: what the model is shown, whatever its table came in
    training_rows_inside: str | None = None  #: why, where the model embeds training rows (kNN, SVC …)
    notes: tuple[str, ...] = ()  #: what its owner should know: what was found by asking, not by reading
