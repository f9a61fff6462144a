"""What a fit is shown: a DataFrame's columns by name, an array's by place."""

from __future__ import annotations

from typing import Any

import numpy as np

from cloche.flavors.statsmodels.design import Fit
from cloche.flavors.statsmodels.evaluate import Rows


class Matrix:
    """The columns of an (n, k) array under the names x0, x1, …"""

    def __init__(self, values: Any) -> None:
        self._values = np.asarray(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[:, int(name[1:])]

    def __len__(self) -> int:
        return len(self._values)


def shown(frame: Any, fit: Fit, *, without: int | None = None) -> Rows:
    """*frame* as the fit reads it; the column *without* of an array is passed over."""
    if fit.names is not None:
        rows: Rows = frame
        return rows
    values = np.asarray(frame)
    return Matrix(values if without is None else np.delete(values, without, axis=1))
