"""The log's rows as a Parquet or CSV file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from cloche.prediction_log.arrow_home.columns import VECTOR, text_of
from cloche.prediction_log.arrow_home.shaping import cast

_LEADING = {"prediction": pa.string()}


def answered(*, version: int | None, everything: bool) -> Any:
    """Rows of one version, and only those that were answered; None where all are wanted."""
    parts = [] if everything else [pc.field("row").is_valid()]
    parts += [] if version is None else [pc.field("version") == version]
    return (parts[0] & parts[-1]) if parts else None


class Shape:
    """The columns of a file, and how a part of the log comes to have them."""

    def __init__(
        self,
        own: Sequence[str],
        names: Mapping[str, str],
        types: Mapping[str, pa.DataType],
        classes: Mapping[int, Sequence[Any] | None],
    ) -> None:
        self._types = dict(types)
        self._own = [name for name in own if name in types or name in _LEADING]
        self._names = names
        self._probabilities = _labels(types, classes)
        self._score = ["score"] if "score" in types else []
        fields = [(name, types.get(name, _LEADING.get(name))) for name in self._own]
        fields += [(label, pa.float64()) for label in dict.fromkeys(self._labels_of_all())]
        if "probabilities" in types and (types["probabilities"] != VECTOR or not all(classes.values())):
            fields.append(("probabilities", types["probabilities"]))
        fields += [(name, pa.float64()) for name in self._score]
        fields += [(name, types[column]) for column, name in names.items()]
        self.schema = pa.schema(fields)

    def of(self, part: pa.Table) -> pa.Table:
        """*part* with these columns; what it has not is null."""
        columns: dict[str, Any] = {}
        for name in (*self._own, *self._score):
            columns[name] = self._column(part, name)
        for column, name in self._names.items():
            columns[name] = self._column(part, column)
        columns |= self._spread(part)
        return pa.table([columns.get(one.name, pa.nulls(part.num_rows, one.type)) for one in self.schema], self.schema)

    def _column(self, part: pa.Table, name: str) -> Any:
        wanted = self._types.get(name, pa.string())
        return cast(part[name], wanted) if name in part.column_names else pa.nulls(part.num_rows, wanted)

    def _labels_of_all(self) -> Iterator[str]:
        for labels in self._probabilities.values():
            yield from labels

    def _spread(self, part: pa.Table) -> dict[str, Any]:
        """Probabilities, one column a class, each contract having its own; and whole, for classes that nobody knows."""
        if "probabilities" not in part.column_names:
            return {}
        whole = {"probabilities": cast(part["probabilities"], self._types["probabilities"])}
        if part["probabilities"].type == pa.string():
            return whole
        numbers = set(pc.unique(part["contract"]).to_pylist())
        lists = part["probabilities"].to_pylist()
        contract = part["contract"].to_pylist()
        columns: dict[str, list[Any]] = {}
        for number in numbers:
            for place, label in enumerate(self._probabilities.get(number, ())):
                filled = columns.setdefault(label, [None] * part.num_rows)
                for row, values in enumerate(lists):
                    if contract[row] == number and values is not None and place < len(values):
                        filled[row] = values[place]
        return whole | {label: pa.array(values, pa.float64()) for label, values in columns.items()}


def _labels(types: Mapping[str, pa.DataType], classes: Mapping[int, Sequence[Any] | None]) -> dict[int, list[str]]:
    """For each contract the columns of its probabilities."""
    if types.get("probabilities") != VECTOR:
        return {}
    return {number: [f"probabilities.{_class(one)}" for one in known] for number, known in classes.items() if known}


def _class(label: Any) -> str:
    return label if isinstance(label, str) else str(text_of(label))


@contextlib.contextmanager
def writing(path: Path, suffix: str, schema: pa.Schema) -> Iterator[Callable[[pa.Table], int]]:
    """A function that adds rows to the file at *path* and says how many they were."""
    flat = _flat(schema) if suffix == ".csv" else schema
    writer = pcsv.CSVWriter(path, flat) if suffix == ".csv" else pq.ParquetWriter(path, flat, compression="zstd")

    def write(rows: pa.Table) -> int:
        if rows.num_rows:
            writer.write_table(_flattened(rows, flat) if suffix == ".csv" else rows)
        return int(rows.num_rows)

    with writer:
        yield write


def _flat(schema: pa.Schema) -> pa.Schema:
    """CSV has no lists: they stand as JSON."""
    return pa.schema([(one.name, pa.string() if pa.types.is_nested(one.type) else one.type) for one in schema])


def _flattened(rows: pa.Table, flat: pa.Schema) -> pa.Table:
    return pa.table([cast(column, one.type) for column, one in zip(rows.columns, flat, strict=True)], flat)
