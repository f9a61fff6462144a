"""Where a booster's twin is made: reached by name, because making it needs scikit-learn and serving it does not."""

from __future__ import annotations

import importlib
from typing import Any

from cloche.errors import NotLoweredError

FLOAT32 = "XGBoost adds its trees up in float32, in an order of its own; its predictor answers"
_REASONS = {"xgboost": FLOAT32}
_LOWERINGS = {
    "catboost": "cloche.flavors.catboost.lowering",
    "lightgbm": "cloche.flavors.lightgbm.lowering",
}


def lowering_of(library: str) -> Any:
    """
    The module that lowers the models of *library*.

    Raises:
        NotLoweredError: there is none, or scikit-learn is not installed.
    """
    if library not in _LOWERINGS:
        raise NotLoweredError(_REASONS.get(library, f"{library} has no twin"))
    try:
        return importlib.import_module(_LOWERINGS[library])
    except ModuleNotFoundError as exc:
        raise NotLoweredError(f"the twin of {library} is made with '{exc.name}', which is not installed") from exc
