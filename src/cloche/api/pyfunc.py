"""
The loader that an exported MLflow folder names (`loader_module: cloche.api.pyfunc`): MLflow opens it through cloche.

The whole load order of DESIGN 4 runs, with the trust of whoever runs MLflow; rows are checked by the contract.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cloche.api.workplace import workplace
from cloche.artifact import open_artifact
from cloche.serving import Model


class PyfuncModel:
    """What MLflow asks: `predict(DataFrame)` gives the predictions, an array's worth of plain values."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def predict(self, rows: Any, params: dict[str, Any] | None = None) -> list[Any]:
        """
        One prediction a row.

        Raises:
            InvalidInputError: a row breaks the contract; `.problems` says where and how.
        """
        found: list[Any] = self._model.predict(rows).prediction
        return found


def _load_pyfunc(path: str) -> PyfuncModel:
    """The name that MLflow calls, with the folder that `data` names."""
    opened = open_artifact(Path(path), workplace().trust)
    return PyfuncModel(Model(opened, opened.manifest.name, 1))
