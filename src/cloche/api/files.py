"""Models and training tables that come as files, for the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from cloche.errors import SaveRefusedError, UsageError
from cloche.flavors import flavor_of_file
from cloche.records import Column, Table
from cloche.tables import read
from cloche.trust import TrustPolicy

_PICKLES = frozenset({".pkl", ".pickle", ".joblib"})


def open_model_file(
    path: Path, trust: TrustPolicy, *, module: str | None = None, config: Path | None = None
) -> tuple[Any, dict[str, Any]]:
    """
    Open a model file of a data format, and what `save` has to be told besides.

    *module* (`package.module:Class`) and the JSON file *config* say how a net is built whose tensors alone lie in it.

    Raises:
        UsageError: *config* is no JSON object, or the format needs no class, or needs one.
        SaveRefusedError: a pickle, or a format that is not known here.
        ArtifactError: the file holds a type that is not trusted, or breaks a limit.
    """
    if path.suffix.lower() in _PICKLES:
        raise SaveRefusedError(
            f"{path}: a pickle runs code when it is opened, so it is not opened; in the program that made it, call "
            f"cloche.save(model, NAME, inputs=X), or skops.io.dump(model, '{path.stem}.skops') and save that file; "
            f"or, if you know who made it, convert it with cloche import {path} --trust"
        )
    arguments = None if config is None else read_config(config)
    return flavor_of_file(path, trust.flavors).open_parts(path, trust, module=module, config=arguments)


def read_config(path: Path) -> dict[str, Any]:
    """
    The arguments of a net's constructor, from the JSON file *path*.

    Raises:
        UsageError: it is no JSON object.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise UsageError(f"{path}: expected a JSON object with the arguments of the constructor: {exc}") from exc


def read_training_table(path: Path, targets: Sequence[str]) -> tuple[Table, Any]:
    """
    Read a table and take its target columns out: (inputs, targets), targets None where none is named.

    Raises:
        UsageError: the table has no such column.
    """
    table = read(path)
    missing = [name for name in targets if name not in table.columns]
    if missing:
        raise UsageError(f"{path}: no column '{missing[0]}'; it has: {', '.join(table.columns)}")
    columns = {name: column for name, column in table.columns.items() if name not in targets}
    return Table(columns, table.rows, table.container), _truth([table.columns[name] for name in targets], table)


def _truth(columns: Sequence[Column], table: Table) -> Any:
    if not columns:
        return None
    if len(columns) == 1:
        return columns[0]
    return Table({column.name: column for column in columns}, table.rows, table.container)
