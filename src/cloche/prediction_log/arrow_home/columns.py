"""
Values of a segment as Arrow arrays: the type by the contract, and another where the values are of another.

Nothing is refused: what the contract's type cannot hold is kept as JSON text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import pyarrow as pa

MOMENT: Final = pa.timestamp("us", "UTC")
LOCAL_MOMENT: Final = pa.timestamp("us")
VECTOR: Final = pa.list_(pa.float64())
#: Beside the name of a column whose values came to be of another type than the first ones.
TYPE_NAMES: Final = {
    pa.bool_(): "boolean",
    pa.int64(): "integer",
    pa.int32(): "bin",
    pa.float64(): "number",
    pa.string(): "text",
    pa.date32(): "date",
    MOMENT: "moment",
    LOCAL_MOMENT: "datetime",
    VECTOR: "vector",
}
#: Tasks whose predictions are lists or objects, kept as JSON text.
COMPOSITE: Final = frozenset({"multilabel", "embedding", "multioutput_classification", "multioutput_regression"})
_json = msgspec.json.Encoder()


def text_of(value: Any) -> str | None:
    """*value* as JSON; NaN and the infinities, which JSON has not, become null inside."""
    return None if value is None else _json.encode(value).decode()


def field_array(values: Sequence[Any], type: str, timezone: str | None, kept: str) -> pa.Array | None:
    """The values of a field; None where they are all missing and no type says what they would be."""
    if kept == "hash":
        return _tried(values, pa.string())
    if kept == "bin":
        return _tried(values, pa.int32())
    if type == "category":
        return _category(values)
    if type == "datetime":
        return _moments(values, aware=timezone is not None)
    return _BY_TYPE[type](values)


def prediction_array(values: Sequence[Any], type: str, task: str) -> pa.Array:
    """What was predicted, by the type of the output; JSON text where it is a list or an object."""
    if task in COMPOSITE:
        return pa.array([text_of(value) for value in values], pa.string())
    return _BY_TYPE[type](values)


def probabilities_array(values: Sequence[Any], task: str) -> pa.Array:
    """Probabilities in the order of the classes; JSON text where there are several outputs."""
    if task.startswith("multioutput"):
        return pa.array([text_of(value) for value in values], pa.string())
    return _tried(values, VECTOR)


def _tried(values: Sequence[Any], type: pa.DataType, convert: Callable[[Any], Any] | None = None) -> pa.Array:
    """The values as *type*, else converted, else as JSON text."""
    try:
        return pa.array(values, type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        pass
    if convert is not None:
        try:
            return pa.array([None if value is None else convert(value) for value in values], type)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            pass
    return pa.array([text_of(value) for value in values], pa.string())


def _texts(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowException, TypeError, ValueError):
        plain = [value if value is None or isinstance(value, str) else text_of(value) for value in values]
        return pa.array(plain, pa.string())


def _category(values: Sequence[Any]) -> pa.Array | None:
    """Levels are text, or whole numbers, or truth values: the values say which."""
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return None
    if kinds == {int}:
        return _tried(values, pa.int64())
    return _tried(values, pa.bool_()) if kinds == {bool} else _texts(values)


def _moments(values: Sequence[Any], *, aware: bool) -> pa.Array:
    if aware:
        return _tried(values, MOMENT)
    return _parsed(values, LOCAL_MOMENT)


def _parsed(values: Sequence[Any], type: pa.DataType) -> pa.Array:
    """ISO text as a date or a moment."""
    try:
        return pa.array(values, pa.string()).cast(type)
    except (pa.ArrowException, TypeError, ValueError):
        return _texts(values)


def _whole(value: Any) -> int:
    if int(value) != value:
        raise ValueError(value)
    return int(value)


_BY_TYPE: Final[dict[str, Callable[[Sequence[Any]], pa.Array]]] = {
    "boolean": lambda values: _tried(values, pa.bool_()),
    "integer": lambda values: _tried(values, pa.int64(), _whole),
    "number": lambda values: _tried(values, pa.float64(), float),
    "string": _texts,
    "text": _texts,
    "date": lambda values: _parsed(values, pa.date32()),
    "vector": lambda values: _tried(values, VECTOR, lambda row: [None if x is None else float(x) for x in row]),
}
