"""The home of safetensors: the arrays of a graph as bytes, and back. The format holds numbers only and runs no code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from cloche.errors import TamperedModelError, WrongFormatError
from cloche.graph.model import WEIGHTS, Graph, ValidGraph, validate

_DTYPES = frozenset(np.dtype(name) for name in ("float64", "int64", "int32", "uint32", "uint8"))


def to_bytes(arrays: Mapping[str, Any]) -> bytes:
    """The bytes of `twin/weights.safetensors`; the same arrays give the same bytes."""
    return save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})


def from_bytes(raw: bytes) -> dict[str, Any]:
    """
    Raises:
        WrongFormatError: *raw* is no safetensors file.
        TamperedModelError: an array is of a type that no operator reads.
    """
    try:
        arrays: dict[str, Any] = load(raw)
    except (SafetensorError, ValueError, TypeError, KeyError) as exc:
        raise WrongFormatError(f"{WEIGHTS}: expected a safetensors file: {exc}") from exc
    for name, array in arrays.items():
        if array.dtype not in _DTYPES:
            raise TamperedModelError(f"{WEIGHTS}: {name}: an array of {array.dtype}")
        array.flags.writeable = False
    return arrays


def open_graph(graph: bytes, weights: bytes) -> ValidGraph:
    """
    Parse and validate both files.

    Raises:
        ManifestError, WrongFormatError, TamperedModelError
    """
    return validate(Graph.from_json(graph), from_bytes(weights))
