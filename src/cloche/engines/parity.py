"""Whether two engines gave the same answers, within the tolerance of the manifest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloche.manifest import Tolerance
from cloche.records import Outputs

MAX_DIFFERENCES = 20


def differences(expected: Outputs, got: Outputs, tolerance: Tolerance) -> list[str]:
    """
    Where *got* is not *expected*, in words; the first few, and nothing if they agree.

    Labels must be equal; NaN, infinity and None, which are all `null` on the wire, equal each other. Under a float32
    tolerance a label may differ where the two best probabilities are nearer than the tolerance.
    """
    if len(expected) != len(got):
        return [f"expected {len(expected)} answers, got {len(got)}"]
    found: list[str] = []
    for line in _all(expected, got, tolerance):
        found.append(line)
        if len(found) == MAX_DIFFERENCES:
            break
    return found


def _all(expected: Outputs, got: Outputs, tolerance: Tolerance) -> Iterator[str]:
    for row, (before, now) in enumerate(zip(expected.prediction, got.prediction, strict=True)):
        if not same(before, now, tolerance) and not _tie(expected, row, tolerance):
            yield f"row {row}: prediction: expected {before!r}, got {now!r}"
    for what in ("probabilities", "score"):
        yield from _each(what, getattr(expected, what), getattr(got, what), tolerance)


def _each(what: str, before: Sequence[Any] | None, now: Sequence[Any] | None, tolerance: Tolerance) -> Iterator[str]:
    if before is None and now is None:
        return
    if before is None or now is None or len(before) != len(now):
        yield f"{what}: expected {_count(before)}, got {_count(now)}"
        return
    for row, (one, other) in enumerate(zip(before, now, strict=True)):
        if not same(one, other, tolerance):
            yield f"row {row}: {what}: expected {one!r}, got {other!r}"


def _count(values: Sequence[Any] | None) -> str:
    return "none" if values is None else f"{len(values)} of them"


def same(before: Any, now: Any, tolerance: Tolerance) -> bool:
    """Equal, or numbers within the tolerance; containers item by item."""
    if isinstance(before, Mapping):
        return (
            isinstance(now, Mapping)
            and set(before) == set(now)
            and all(same(value, now[key], tolerance) for key, value in before.items())
        )
    if isinstance(before, (list, tuple)):
        return (
            isinstance(now, (list, tuple))
            and len(before) == len(now)
            and all(same(one, other, tolerance) for one, other in zip(before, now, strict=True))
        )
    if _is_null(before) or _is_null(now):
        return _is_null(before) and _is_null(now)
    if isinstance(before, float) and isinstance(now, (int, float)) and not isinstance(now, bool):
        return abs(before - now) <= tolerance.absolute + tolerance.relative * abs(before)
    return bool(before == now) and isinstance(before, bool) == isinstance(now, bool)


def _is_null(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _tie(expected: Outputs, row: int, tolerance: Tolerance) -> bool:
    if tolerance.dtype == "float64" or expected.probabilities is None:
        return False
    probabilities = expected.probabilities[row]
    if not isinstance(probabilities, (list, tuple)) or len(probabilities) < 2:
        return False
    second, first = sorted(probabilities)[-2:]
    return bool(first - second <= tolerance.absolute + tolerance.relative * abs(first))
