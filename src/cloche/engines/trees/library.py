"""
LightGBM's predictor, called in its shared library: neither `lightgbm` nor what it imports is loaded.

`import lightgbm` takes a second and 119 MB; the library alone 0.02 s and 13 MB.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from functools import cache
from pathlib import Path

#: Where the wheels keep it.
_NAMES = {"darwin": "lib_lightgbm.dylib", "win32": "lib_lightgbm.dll"}
_PLACES = ("lib", "bin", ".")


class Library:
    """The functions of `lib_lightgbm` that predict, with their types."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            OSError: it, or what it is linked with (`libgomp`), does not load.
            AttributeError: it lacks a function.
        """
        lib = ctypes.CDLL(str(path))
        pointer, number = ctypes.c_void_p, ctypes.c_int
        self.last_error = lib.LGBM_GetLastError
        self.last_error.restype, self.last_error.argtypes = ctypes.c_char_p, []
        self.load = lib.LGBM_BoosterLoadModelFromString
        self.load.argtypes = [ctypes.c_char_p, pointer, pointer]
        self.free = lib.LGBM_BoosterFree
        self.free.argtypes = [pointer]
        self.row_init = lib.LGBM_BoosterPredictForMatSingleRowFastInit
        self.row_init.argtypes = [pointer, number, number, number, number, ctypes.c_int32, ctypes.c_char_p, pointer]
        self.row = lib.LGBM_BoosterPredictForMatSingleRowFast
        self.row.argtypes = [pointer, pointer, pointer, pointer]
        self.row_free = lib.LGBM_FastConfigFree
        self.row_free.argtypes = [pointer]
        self.rows = lib.LGBM_BoosterPredictForMat
        self.rows.argtypes = [
            pointer, pointer, number, ctypes.c_int32, ctypes.c_int32, number, number, number, number,
            ctypes.c_char_p, pointer, pointer,
        ]  # fmt: skip


@cache
def library() -> Library | None:
    """The library in the installed wheel; None where there is none, or where it does not load here."""
    try:
        spec = importlib.util.find_spec("lightgbm")  # looks for the package, and runs nothing of it
    except (ImportError, ValueError):
        return None
    roots = [] if spec is None else spec.submodule_search_locations or []
    name = _NAMES.get(sys.platform, "lib_lightgbm.so")
    for path in (Path(root) / place / name for root in roots for place in _PLACES):
        if path.is_file():
            try:
                return Library(path)
            except (OSError, AttributeError):
                return None
    return None
