"""Every object inside a fitted model, each once; and a model with some of them replaced."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator

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


def rewritten(model: Any, change: Callable[[Any], Any]) -> Any:
    """
    *model* with *change* applied to every part of estimators, scorers, lists, tuples, dicts and arrays of objects.

    *change* gives what takes a part's place (itself, to leave it). Nothing is changed in place: what holds a changed
    part is copied, all else is shared.
    """
    return _rewritten(model, change, {})


def _rewritten(value: Any, change: Callable[[Any], Any], known: dict[int, tuple[Any, Any]]) -> Any:
    if isinstance(value, _LEAVES):
        return value
    if id(value) in known:
        return known[id(value)][1]
    known[id(value)] = (value, value)  # the object is kept beside, so that its id stays its own
    changed = change(value)
    known[id(value)] = (value, changed)
    found = _copied(changed, change, known)
    known[id(value)] = (value, found)
    return found


def _copied(value: Any, change: Callable[[Any], Any], known: dict[int, tuple[Any, Any]]) -> Any:
    ours = type(value).__module__.startswith("sklearn.") and hasattr(value, "__dict__")
    if ours or isinstance(value, BaseEstimator):
        attributes = _copied(vars(value), change, known)
        if attributes is vars(value):
            return value
        copied = object.__new__(type(value))
        vars(copied).update(attributes)
        return copied
    if type(value) is dict:
        items = {key: _rewritten(one, change, known) for key, one in value.items()}
        return items if any(items[key] is not value[key] for key in items) else value
    if type(value) in (list, tuple):
        parts = [_rewritten(one, change, known) for one in value]
        same = all(one is other for one, other in zip(parts, value, strict=True))
        return value if same else type(value)(parts)
    if isinstance(value, np.ndarray) and value.dtype == object:
        return _array(value, change, known)
    return value


def _array(value: Any, change: Callable[[Any], Any], known: dict[int, tuple[Any, Any]]) -> Any:
    parts = [_rewritten(one, change, known) for one in value.ravel()]
    if all(one is other for one, other in zip(parts, value.ravel(), strict=True)):
        return value
    copied = np.empty(len(parts), dtype=object)
    copied[:] = parts
    return copied.reshape(value.shape)
