"""
Trees in LightGBM's predictor, on a model text that we write ourselves: the same sums as `Walker`, bit for bit.

Its one trap: it takes a number within ±1e-35 (of float32) for zero before it compares. A split at zero is therefore
asked about a larger positive number instead; trees with splits inside that interval are left to `Walker`.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from cloche.engines.trees.library import Library
from cloche.engines.trees.sums import leaf_sum, leaf_sums
from cloche.engines.trees.text import model_text
from cloche.graph.trees import CATEGORICAL, Ensemble

Array = np.ndarray[Any, Any]

#: kZeroThreshold of LightGBM, and a number above it that stands for every positive number up to it.
ZERO: Final = float(np.float32(1e-35))
POSITIVE: Final = 2 * ZERO

_FLOAT32, _FLOAT64, _ROW_MAJOR = 0, 1, 1
_RAW, _LEAVES = 1, 2
_ONE_THREAD = b"num_threads=1"

#: So many leaves are gathered together: what they add up stays in the cache.
LEAVES = 1 << 16
#: Up to so many rows are asked one by one: a call for rows costs 10 µs before the first.
ONE_BY_ONE = 3


def representable(ensemble: Ensemble) -> bool:
    """
    Whether LightGBM compares as the trees say: no threshold but zero itself lies where all numbers are taken for zero.

    A column that is split at zero has no threshold among the larger numbers that are asked instead either.
    """
    numeric = ensemble.flags != CATEGORICAL
    threshold, feature = ensemble.threshold[numeric], ensemble.feature[numeric]
    if bool(((threshold >= -ZERO) & (threshold < ZERO) & (threshold != 0)).any()):
        return False
    asked_instead = (threshold >= ZERO) & (threshold < POSITIVE)
    return not bool(np.isin(feature[asked_instead], feature[threshold == 0]).any())


class Booster:
    """
    Evaluates a `representable` ensemble.

    Where a leaf holds numbers for several outputs, LightGBM is asked for the leaves only, and the numbers are added
    here: one walk down a tree, however many outputs.
    """

    name = "lightgbm"

    def __init__(self, ensemble: Ensemble, library: Library) -> None:
        """
        Raises:
            RuntimeError: LightGBM does not take the model.
        """
        self._ensemble = ensemble
        self._library = library
        self._leaves = ensemble.shared and ensemble.outputs > 1
        self._offsets = ensemble.leaf_starts
        self._width = ensemble.trees if self._leaves else ensemble.outputs
        self._columns = max(ensemble.features, 1)
        self._dtype = np.float32 if ensemble.float32 else np.float64
        at_zero = (ensemble.threshold == 0) & (ensemble.flags != CATEGORICAL)
        self._at_zero: list[int] = np.unique(ensemble.feature[at_zero]).tolist()
        number = ctypes.c_float if ensemble.float32 else ctypes.c_double
        self._row_type: Any = number * self._columns
        self._out_type: Any = ctypes.c_double * self._width
        self._open(model_text(ensemble, leaves=self._leaves).encode("ascii"))

    def _open(self, text: bytes) -> None:
        self._handle, self._fast, iterations = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int()
        lib, kind = self._library, _FLOAT32 if self._ensemble.float32 else _FLOAT64
        self._kind, self._what = kind, _LEAVES if self._leaves else _RAW
        weakref.finalize(self, _free, lib, self._fast, self._handle).atexit = False
        self._ok(lib.load(text, ctypes.byref(iterations), ctypes.byref(self._handle)))
        self._ok(
            lib.row_init(self._handle, self._what, 0, -1, kind, self._columns, _ONE_THREAD, ctypes.byref(self._fast))
        )

    def _ok(self, status: int) -> None:
        if status:
            reason = (self._library.last_error() or b"").decode("utf-8", "replace")
            raise RuntimeError(f"LightGBM: {reason}")

    def row(self, values: Sequence[float]) -> list[float]:
        """What one row becomes; the same numbers as in a batch."""
        sums: list[float]
        data, out, count = self._row_type(*values), self._out_type(), ctypes.c_int64()
        for column in self._at_zero:
            if 0 < data[column] <= ZERO:
                data[column] = POSITIVE
        self._ok(self._library.row(self._fast, data, ctypes.byref(count), out))
        if self._leaves:
            leaves = np.frombuffer(out).astype(np.intp)
            leaves += self._offsets
            sums = leaf_sum(self._ensemble, leaves)
        else:
            sums = out[:]
        if not self._ensemble.mean:
            return sums
        trees = self._ensemble.trees
        return [value / trees for value in sums]

    def columns(self, rows: Array) -> Array:
        """What *rows* (n, features) of float64 become: float64 (n, outputs)."""
        if len(rows) <= ONE_BY_ONE:
            return np.array([self.row(one) for one in rows.tolist()]).reshape(len(rows), self._ensemble.outputs)
        with np.errstate(over="ignore"):
            rows = np.array(rows, dtype=self._dtype, order="C")
        for column in self._at_zero:
            values = rows[:, column]
            values[(values > 0) & (values <= ZERO)] = POSITIVE
        found = self._gathered(rows) if self._leaves else self._asked(rows)
        return found / self._ensemble.trees if self._ensemble.mean else found

    def _gathered(self, rows: Array) -> Array:
        step = max(1, LEAVES // (self._ensemble.trees * self._ensemble.outputs))
        parts = []
        for at in range(0, len(rows), step):
            leaves = self._asked(rows[at : at + step]).T.astype(np.intp)
            leaves += self._offsets[:, None]
            parts.append(leaf_sums(self._ensemble, leaves))
        return np.concatenate(parts)

    def _asked(self, rows: Array) -> Array:
        if rows.shape[1] != self._columns:  # a model of no columns has one here
            rows = np.zeros((len(rows), self._columns), dtype=self._dtype)
        out, count = np.empty((len(rows), self._width)), ctypes.c_int64()
        self._ok(
            self._library.rows(
                self._handle, rows.ctypes.data, self._kind, len(rows), self._columns, _ROW_MAJOR, self._what,
                0, -1, _ONE_THREAD, ctypes.byref(count), out.ctypes.data,
            )
        )  # fmt: skip
        return out


def _free(lib: Library, fast: ctypes.c_void_p, handle: ctypes.c_void_p) -> None:
    """What was never opened is null, and skipped."""
    if fast.value:
        lib.row_free(fast)
    if handle.value:
        lib.free(handle)
