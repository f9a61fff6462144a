"""A version opened in this process: the same contract, the same answers, no server."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np

from cloche import tables
from cloche.artifact import OpenArtifact
from cloche.contract.model import Contract
from cloche.manifest import Manifest
from cloche.serving.answers import Prediction, nothing, shape


class Model:
    """What `cloche.load` gives."""

    def __init__(self, opened: OpenArtifact, name: str, version: int) -> None:
        self.name = name
        self.version = version
        self._opened = opened

    def __repr__(self) -> str:
        return f"<Model {self.name} version {self.version}, {self.manifest.framework}, engine {self.engine}>"

    @property
    def engine(self) -> str:
        """Which engine answers: `native` or `twin`, later `onnx`."""
        return str(self._opened.engine.name)

    @property
    def contract(self) -> Contract:
        """What the model takes and answers."""
        return self._opened.contract

    @property
    def manifest(self) -> Manifest:
        """Where the model came from."""
        return self._opened.manifest

    def predict(self, rows: Any, *, top: int | None = None, probabilities: bool = True) -> Prediction:
        """
        Answer one row (a dict: scalars) or many (a list of dicts, a table: lists).

        Raises:
            InvalidInputError: a row breaks the contract; `.problems` says where and how.
        """
        plain, single = wire_rows(rows, self.contract)
        valid = self._opened.compiled.validate(plain, single=single)
        outputs = (
            self._opened.engine.predict(valid.columns(), len(valid)) if len(valid) else nothing(self.contract.output)
        )
        return shape(outputs, valid, model=self.name, version=self.version, top=top, probabilities=probabilities)


def wire_rows(rows: Any, contract: Contract) -> tuple[list[dict[str, Any]], bool]:
    """
    Whatever holds rows as a client would send them, and whether it was a single row.

    Raises:
        UsageError: it is no table that is known here.
    """
    if isinstance(rows, Mapping):
        return [wire_row(rows)], True
    if isinstance(rows, list) and all(isinstance(row, Mapping) for row in rows):
        return [wire_row(row) for row in rows], False
    table = tables.read(rows, names=[field.name for field in contract.inputs])
    return tables.to_wire(table, contract), False


def wire_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with the values a table library left in it as a client would send them."""
    return {name: _wire(value) for name, value in row.items()}


def _wire(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    elif isinstance(value, np.ndarray):
        value = value.tolist()
    if type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value):
        return None
    return value.isoformat() if isinstance(value, datetime.date) else value
