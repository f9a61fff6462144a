"""Every object inside a fitted model, each once."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from scipy import sparse

_LEAVES = (str, bytes, int, float, complex, bool, type(None), type, range)


def walk(model: Any) -> Iterator[Any]:
    """*model* and everything reachable by attributes and items; plain scalars are left out."""
    seen: set[int] = set()
    pending: list[Any] = [model]
    while pending:
        value = pending.pop()
        if isinstance(value, _LEAVES) or id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        pending.extend(_parts(value))


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, np.ndarray):
        return value.ravel().tolist() if value.dtype == object else ()
    if isinstance(value, dict):
        return [*value.values(), *vars(value).values()] if hasattr(value, "__dict__") else value.values()
    if isinstance(value, (list, tuple, set, frozenset)):
        return value
    if sparse.issparse(value):
        return ()
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    return list(getattr(value, "__dict__", {}).values())
