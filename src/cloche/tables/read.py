"""Any table a data scientist holds, as columns. The library is told by the type's module and met in its home."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cloche.errors import MissingExtraError, UsageError
from cloche.records import Column, Table
from cloche.tables import numpy_home
from cloche.tables.csv_home import read_csv
from cloche.tables.values import from_objects, object_array

#: The homes of the optional libraries, by the first part of a type's module; imported on first use.
HOMES = {
    "pandas": ("cloche.tables.pandas_home", "all"),
    "polars": ("cloche.tables.polars_home", "all"),
    "pyarrow": ("cloche.tables.arrow_home", "score"),
}
MAX_DENSE_CELLS = 20_000_000


def home(library: str) -> Any:
    """
    The module that knows *library*.

    Raises:
        MissingExtraError: the library is not installed.
    """
    module, extra = HOMES[library]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as exc:
        raise MissingExtraError("this table", exc.name or library, extra) from exc


def read(data: Any, *, names: Sequence[str] | None = None) -> Table:
    """
    Read a table of any of the kinds cloche knows.

    A pandas or polars frame or series, an Arrow table, a numpy array (2-D: columns `x0`, `x1` … unless
    *names* are given; 1-D: one series), a list of dicts, of lists or of text, a `.csv` or `.parquet` path.
    A frame that has names keeps them: *names* never renames a column by its place.

    Raises:
        UsageError: it is none of these, or its columns cannot be told apart.
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, str | Path):
        return _read_file(Path(data))
    library = type(data).__module__.partition(".")[0]
    if library in HOMES:
        return home(library).read(data, names)  # type: ignore[no-any-return]
    if isinstance(data, np.ndarray):
        return numpy_home.read_array(data, names)
    if library == "scipy" and hasattr(data, "toarray"):
        return numpy_home.read_array(_dense(data), names)
    if isinstance(data, list | tuple):
        return numpy_home.read_rows(data, names)
    raise UsageError(
        f"expected a pandas or polars frame, a numpy array, a list of rows or a path, got {type(data).__name__}"
    )


def _read_file(path: Path) -> Table:
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return read_csv(path)
    if suffix in (".parquet", ".pq"):
        if not path.is_file():
            raise UsageError(f"{path}: cannot be read: no such file")
        return home("pyarrow").read_parquet(path)  # type: ignore[no-any-return]
    raise UsageError(f"{path}: expected a file named .csv or .parquet, got '{suffix}'")


def _dense(matrix: Any) -> np.ndarray[Any, Any]:
    if matrix.shape[0] * matrix.shape[1] > MAX_DENSE_CELLS:
        raise UsageError(
            f"a sparse matrix of {matrix.shape[0]} x {matrix.shape[1]} is too wide for a contract; "
            "save the pipeline together with its vectorizer and pass the text"
        )
    return np.asarray(matrix.toarray())


def read_target(data: Any) -> Column:
    """
    Read the targets: a series, a 1-D array, a list, or a table.

    A table of one column is that column; of several, each value is the list of a row's targets.
    """
    if isinstance(data, list | tuple) and not any(isinstance(item, list | tuple | dict) for item in data[:1]):
        return from_objects("target", data, "list")
    table = read(data)
    columns = list(table)
    if len(columns) == 1:
        return columns[0]
    rows = [list(row) for row in zip(*(column.to_list() for column in columns), strict=True)]
    missing = np.zeros(len(rows), dtype=np.bool_)
    if all(column.kind in ("boolean", "integer", "number") for column in columns):
        vectors = object_array([np.array(row, dtype=np.float64) for row in rows])
        return Column("targets", "vector", vectors, missing, "object")
    return Column("targets", "object", object_array(rows), missing, "object")
