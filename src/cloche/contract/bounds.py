"""
What numbers a model can take, found by asking: float64 whole, then less, then one side, then the training range.

A RandomForest raises beyond float32, a logarithm below zero, a polynomial where it overflows: these are
facts about the model, whatever the table says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloche.contract.probe import MAX_GROUPS, Probe, Row

FLOAT64 = 1.7976931348623157e308
FLOAT32 = 3.4028234663852886e38
_WIDE = (FLOAT64, FLOAT32)
_NARROW = (1e6, 1e15, 1e30)
_SURE = 1e15
_TINY = 5e-324


@dataclass(frozen=True, slots=True)
class Numeric:
    """A field that takes numbers: its training range, and its length where it is a vector."""

    low: float
    high: float
    length: int | None = None

    def value(self, number: float) -> Any:
        """*number* as the model gets it."""
        return number if self.length is None else [number] * self.length


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the model was seen to take, inclusive, and how that was found."""

    low: float
    high: float
    evidence: str


def find(probe: Probe, fields: Mapping[str, Numeric]) -> dict[str, Bounds]:
    """The widest bounds the model was seen to take, by field; all fields at their ends together."""
    if not fields:
        return {}
    for magnitude in _WIDE:
        if probe.takes(corners(fields, _both(fields, magnitude))):
            return _same(fields, magnitude)
    best = 0.0
    for magnitude in _NARROW:
        if not probe.takes(corners(fields, _both(fields, magnitude))):
            break
        best = magnitude
    return _same(fields, best) if best else _by_field(probe, fields)


def _same(fields: Mapping[str, Numeric], magnitude: float) -> dict[str, Bounds]:
    note = f"probed: the model took ±{magnitude:.17g}"
    return {name: Bounds(-magnitude, magnitude, note) for name in fields}


def _both(fields: Mapping[str, Numeric], magnitude: float) -> dict[str, tuple[float, float]]:
    return dict.fromkeys(fields, (-magnitude, magnitude))


def corners(fields: Mapping[str, Numeric], ends: Mapping[str, tuple[float, float]]) -> list[Row]:
    """Rows with every field at its ends: together, alternating, alone; and at zero and beside it."""
    names = list(fields)

    def at(pick: Any, among: Sequence[str] = names) -> Row:
        return {name: fields[name].value(pick(position, *ends[name])) for position, name in enumerate(among)}

    rows = [
        at(lambda _, low, high: low),
        at(lambda _, low, high: high),
        at(lambda position, low, high: (low, high)[position % 2]),
        at(lambda position, low, high: (high, low)[position % 2]),
        *(at(lambda _, low, high, near=near: min(max(near, low), high)) for near in (0.0, _TINY, -_TINY, 1.0)),
    ]
    step = max(1, -(-len(names) // MAX_GROUPS))
    for start in range(0, len(names) if len(names) > 1 else 0, step):
        group = names[start : start + step]
        rows += [at(lambda _, low, high: low, group), at(lambda _, low, high: high, group)]
    return rows


# -- where not all fields are alike -------------------------------------------------------------


def _by_field(probe: Probe, fields: Mapping[str, Numeric]) -> dict[str, Bounds]:
    """Find the fields that cannot take large numbers; bound those more narrowly, the others widely."""
    picky = _offenders(probe, fields, list(fields), known_bad=True)
    found = _same({name: one for name, one in fields.items() if name not in picky}, _SURE)
    apart = probe.calls_left >= 4 * len(picky) + 3
    for group in [[name] for name in picky] if apart else [picky]:
        found |= _narrowed(probe, {name: fields[name] for name in group})
    return {name: found[name] for name in fields}


def _offenders(probe: Probe, fields: Mapping[str, Numeric], names: list[str], *, known_bad: bool = False) -> list[str]:
    """The names in *names* that the model does not take at ±1e15, by halving; what cannot be asked counts as one."""
    some = {name: fields[name] for name in names}
    if not names or (not known_bad and probe.takes(corners(some, _both(some, _SURE)))):
        return []
    if len(names) == 1 or probe.calls_left <= 3:
        return names
    half = len(names) // 2
    return _offenders(probe, fields, names[:half]) + _offenders(probe, fields, names[half:])


def _narrowed(probe: Probe, fields: Mapping[str, Numeric]) -> dict[str, Bounds]:
    for evidence, option in _OPTIONS:
        ends = {name: option(one.low, one.high) for name, one in fields.items()}
        if probe.calls_left > 1 and probe.takes(corners(fields, ends)):  # the last call is for all fields together
            return {name: Bounds(low, high, evidence) for name, (low, high) in ends.items()}
    note = "the training range: the model refused everything wider that was tried"
    return {name: Bounds(one.low, one.high, note) for name, one in fields.items()}


def _around(low: float, high: float) -> tuple[float, float]:
    span = 10.0 * max(high - low, abs(low), abs(high), 0.1)
    return low - span, high + span


_OPTIONS = (
    ("probed: from the training minimum on", lambda low, high: (low, max(_SURE, high))),
    ("probed: up to the training maximum", lambda low, high: (min(-_SURE, low), high)),
    ("probed: ten spans around the training range", _around),
    ("probed: from the training minimum, ten spans up", lambda low, high: (low, _around(low, high)[1])),
)
