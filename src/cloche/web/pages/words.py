"""A field's rules in words, as the form and the table of fields show them; nothing of a private field."""

from __future__ import annotations

from typing import Any

from cloche.contract.describe import short
from cloche.contract.model import Field

_LIMIT_OF_TYPE = 1e15


def number_text(value: Any) -> str:
    """The shortest spelling that keeps the value: `44`, `0.1`, `1e+39`."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def limits(field: Field) -> str:
    """The hard bounds: `at least 0`, `0 … 10 only`, `at most 50 characters`; nothing of a private field."""
    if field.private:
        return ""
    parts = [_between(field.minimum, field.maximum)]
    if field.max_length is not None:
        parts.append(f"at most {field.max_length} characters")
    if field.pattern is not None:
        parts.append(f"matches {field.pattern}")
    return ", ".join(part for part in parts if part)


def seen(field: Field) -> str:
    """What training has seen: `32.1 … 59.6`."""
    if field.training_range is None or field.private:
        return ""
    low, high = field.training_range
    return f"{short(low)} … {short(high)}"


def _between(low: Any, high: Any) -> str:
    # Bounds at the edge of a number type say what can be represented; to a person they are no bounds.
    low = None if low is None or abs(low) >= _LIMIT_OF_TYPE else low
    high = None if high is None or abs(high) >= _LIMIT_OF_TYPE else high
    if low is None and high is None:
        return ""
    if high is None:
        return f"at least {short(low)}"
    if low is None:
        return f"at most {short(high)}"
    return f"{short(low)} … {short(high)} only"
