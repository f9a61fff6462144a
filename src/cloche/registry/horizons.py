"""
How long after an answer a label by key may belong to it, by model: `models/NAME/horizons/000001.json`, the last counts.

It lies in the store, so that whoever joins labels with answers finds the same ones.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta

import msgspec

from cloche.errors import ObjectExistsError, UsageError
from cloche.registry import layout
from cloche.registry.model import decode, encode
from cloche.store import Store


class Horizon(msgspec.Struct, frozen=True, kw_only=True):
    """One object: the horizon from *at* on."""

    seconds: float
    by: str
    at: str


def horizon(store: Store, name: str) -> timedelta | None:
    """That of the model; None where none was set."""
    paths = [path for path in store.list(layout.horizons(name)) if layout.number_in(path) is not None]
    if not paths:
        return None
    return timedelta(seconds=decode(store.get(paths[-1]), Horizon, paths[-1]).seconds)


def set_horizon(store: Store, name: str, length: timedelta, *, by: str, at: str) -> None:
    """
    Set that of the model.

    Raises:
        UsageError: *length* is not above 0.
    """
    if length <= timedelta(0):
        raise UsageError("horizon: expected a length of time above 0")
    raw = encode(Horizon(seconds=length.total_seconds(), by=by, at=at))
    while True:
        there = map(layout.number_in, store.list(layout.horizons(name)))
        number = max((one for one in there if one is not None), default=0) + 1
        with contextlib.suppress(ObjectExistsError):  # somebody else was faster
            store.create(layout.horizon(name, number), raw)
            return
