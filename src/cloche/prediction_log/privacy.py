"""
What of a row is written down: decided for each field once, and done before anything reaches a disk.

A private field is kept as a keyed hash where the host has a key, else not at all. `log_inputs` of the contract
says whether inputs are kept, reduced to the bins of the reference, or left out; keys and contexts are kept.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cloche.contract.model import Contract, Field
from cloche.prediction_log.frames import Kept, LoggedField

#: Bins of a summary that the reference does not count.
MISSING, BELOW, ABOVE, UNKNOWN = -1, -2, -3, -4
Reduce = Callable[[Any], Any]


def hashed(value: Any, key: bytes) -> str | None:
    """HMAC-SHA-256 of a value's text, 32 hexadecimal digits; missing stays missing."""
    if value is None:
        return None
    return hmac.new(key, text_of(value).encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]


def text_of(value: Any) -> str:
    """One text for one value: 1 and 1.0 are the same, a moment is told in UTC."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dt.datetime):
        return _utc(value).isoformat()
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _utc(moment: dt.datetime) -> dt.datetime:
    try:
        return moment.astimezone(dt.UTC) if moment.tzinfo else moment
    except OverflowError:  # before the year 1 or after 9999 in UTC
        return moment


class Redaction:
    """What is kept of the rows of one contract; `fields` says it to whoever reads them."""

    def __init__(
        self, contract: Contract, *, reference: Mapping[str, Mapping[str, Any]] | None, hash_key: bytes | None
    ) -> None:
        self.log_inputs = contract.log_inputs
        self.fields = tuple(
            LoggedField(one.name, one.type, one.role, _kept(one, contract, hash_key), one.timezone)
            for one in contract.fields
        )
        self._plan: list[tuple[int, Reduce | None]] = [
            (place, _reduction(field, logged.kept, (reference or {}).get(field.name, {}), hash_key))
            for place, (field, logged) in enumerate(zip(contract.fields, self.fields, strict=True))
            if logged.kept != "none"
        ]
        self._whole = [reduce for _, reduce in self._plan] == [None] * len(contract.fields)

    @property
    def replayable(self) -> bool:
        """Whether every input is kept as it was."""
        return all(one.kept == "value" for one in self.fields if one.role == "input")

    def rows(self, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        """What is written down of *rows* (values in the contract's order)."""
        if self._whole:
            return list(rows)
        return [[row[place] if reduce is None else reduce(row[place]) for place, reduce in self._plan] for row in rows]


def _kept(field: Field, contract: Contract, hash_key: bytes | None) -> Kept:
    if field.role == "input" and contract.log_inputs == "none":
        return "none"
    if field.private:
        return "none" if hash_key is None else "hash"
    return "bin" if field.role == "input" and contract.log_inputs == "summary" else "value"


def _reduction(field: Field, kept: Kept, profile: Mapping[str, Any], hash_key: bytes | None) -> Reduce | None:
    if kept == "hash" and hash_key is not None:
        key = hash_key
        return lambda value: hashed(value, key)
    return _binning(field, profile) if kept == "bin" else None


def _binning(field: Field, profile: Mapping[str, Any]) -> Reduce:
    """
    The number of the bin of the reference that a value falls into, as `profile.numbers` and its levels count.

    Text counts by its length, a vector by its norm, a moment by its seconds since 1970.
    """
    if field.levels is not None or "levels" in profile:
        places = {str(level): place for place, level in enumerate(profile.get("levels", ()) or field.levels or ())}
        return lambda value: MISSING if value is None else places.get(_level(value), UNKNOWN)
    edges = _edges(profile)
    size = _size_of(field)
    return lambda value: MISSING if value is None else _bin(size(value), edges)


def _level(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _edges(profile: Mapping[str, Any]) -> list[float]:
    counted = next((profile[name] for name in ("norm", "characters") if name in profile), profile)
    edges: list[float] = counted.get("bins", {}).get("edges", [])
    return edges


def _size_of(field: Field) -> Callable[[Any], float]:
    if field.type in ("date", "datetime"):
        return _seconds
    if field.type == "vector":
        return lambda value: float(np.linalg.norm(value))  # as the profile does, to the last bit
    return float if field.type in ("number", "integer", "boolean") else lambda value: float(len(str(value)))


def _seconds(moment: dt.date) -> float:
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime(moment.year, moment.month, moment.day)
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC if moment.tzinfo else None)).total_seconds()


def _bin(value: float, edges: Sequence[float]) -> int:
    if not edges or value != value:
        return UNKNOWN
    if value < edges[0]:
        return BELOW
    if value > edges[-1]:
        return ABOVE
    return max(0, min(bisect_right(edges, value) - 1, len(edges) - 2))
