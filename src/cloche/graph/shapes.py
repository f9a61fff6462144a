"""What flows between the twin's operators, and the arrays they read: both checked before anything is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cloche.errors import TamperedModelError

#: No value is wider: a graph that says so was not lowered from a model.
MAX_WIDTH = 4_000_000
Kind = Literal["numbers", "objects", "sparse"]
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """
    A value of *width* columns.

    `numbers`: float64, NaN where missing. `objects`: Python values, None where missing. `sparse`: float64 of which
    most are zero.
    """

    kind: Kind
    width: int


class Weights:
    """
    The arrays of a graph by name. Each getter checks what the caller relies on.

    Every getter raises `TamperedModelError` where the array is missing or not as expected.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = arrays

    def names(self) -> set[str]:
        """The names of all arrays."""
        return set(self._arrays)

    def to_dict(self) -> dict[str, Array]:
        """All arrays by name."""
        return dict(self._arrays)

    def array(self, name: str, dtype: Any, *shape: int | None) -> Array:
        """The array *name* of exactly *dtype* and *shape*; a None in *shape* stands for any length."""
        found = self._arrays.get(name)
        if found is None:
            raise TamperedModelError(f"twin: expected an array {name!r}, which is missing")
        if found.dtype != np.dtype(dtype):
            raise TamperedModelError(f"twin: {name}: expected {np.dtype(dtype)}, got {found.dtype}")
        fits = len(found.shape) == len(shape) and all(
            want is None or want == got for want, got in zip(shape, found.shape, strict=False)
        )
        if not fits:
            wanted = ", ".join("any" if one is None else str(one) for one in shape)
            raise TamperedModelError(f"twin: {name}: expected shape ({wanted}), got {found.shape}")
        return found

    def floats(self, name: str, *shape: int | None) -> Array:
        """A float64 array without NaN or infinity."""
        found = self.array(name, np.float64, *shape)
        if not np.isfinite(found).all():
            raise TamperedModelError(f"twin: {name}: expected finite numbers")
        return found

    def divisors(self, name: str, *shape: int | None) -> Array:
        """Finite float64 numbers of which none is zero."""
        found = self.floats(name, *shape)
        if not found.all():
            raise TamperedModelError(f"twin: {name}: expected no zero")
        return found

    def ascending(self, name: str, *shape: int | None) -> Array:
        """Finite float64 numbers, none below the one before it."""
        found = self.floats(name, *shape)
        if (np.diff(found, axis=0) < 0).any():
            raise TamperedModelError(f"twin: {name}: expected ascending numbers")
        return found

    def indices(self, name: str, below: int, *shape: int | None) -> Array:
        """An int64 array of indices in [0, *below*)."""
        found = self.array(name, np.int64, *shape)
        if found.size and (found.min() < 0 or found.max() >= below):
            raise TamperedModelError(
                f"twin: {name}: expected indices below {below}, got {found.min()} to {found.max()}"
            )
        return found


def expect(holds: bool, message: str) -> None:
    """
    Raises:
        TamperedModelError: *holds* is False.
    """
    if not holds:
        raise TamperedModelError(f"twin: {message}")
