"""The doors to the libraries of the extra `monitor`: each has one home, imported when it is first needed."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any, Final, Literal

from cloche.errors import MissingExtraError

HOMES: Final = {
    "arrow": "cloche.prediction_log.arrow_home",
    "delta": "cloche.prediction_log.delta_home",
}

_LIBRARIES: Final = ("deltalake", "pyarrow")
_WHAT: Final = "the prediction log's tables"


def home(name: Literal["arrow", "delta"]) -> Any:
    """
    The module that knows a library.

    Raises:
        MissingExtraError: the extra `monitor` is not installed.
    """
    try:
        return importlib.import_module(HOMES[name])
    except ModuleNotFoundError as exc:
        raise MissingExtraError(_WHAT, exc.name or name, "monitor") from exc


def check(*more: str) -> None:
    """
    Say what is missing of the libraries, and of *more*, without importing what is there.

    Raises:
        MissingExtraError: the extra `monitor` is not installed.
    """
    for library in (*_LIBRARIES, *more):
        if importlib.util.find_spec(library) is None:
            raise MissingExtraError(_WHAT if library in _LIBRARIES else "the monitor", library, "monitor")
