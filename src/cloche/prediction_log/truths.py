"""What a label may be: a value of the contract's output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from cloche.contract.model import Output
from cloche.errors import UsageError

#: What a model that looks for anomalies can be told.
_SIDES = ("inlier", "outlier")
_SHOWN = 8


class InvalidLabel(Exception):
    """The value is no truth for this output; the message says what was expected and what came."""


def truth_of(value: Any, output: Output) -> Any:
    """
    A label, as JSON holds it, as a value of *output*: a class, a number; by output name where there are several.

    Raises:
        InvalidLabel: it is none.
        UsageError: there is no truth for such a task.
    """
    if output.task.startswith("multioutput"):
        return _by_output(value, output)
    if output.task == "multilabel":
        if not isinstance(value, list):
            raise InvalidLabel(f"expected a list of labels, got {_shown(value)}")
        return [_class(one, output.classes or ()) for one in value]
    return _one(value, output.task, _SIDES if output.task == "anomaly" else output.classes)


def as_label(value: Any, output: Output) -> Any:
    """
    The cell of a table as the label that it looks like: `1`, `1.0` and `"1"` are the class that looks so.

    Several outputs or labels stand in one cell as JSON text. What looks like no label stays what it is.
    """
    if output.task == "multilabel" or output.task.startswith("multioutput"):
        value = _parsed(value) if isinstance(value, str) else value
        classes = dict(zip(output.names or (), output.output_classes or (), strict=False))
        if isinstance(value, dict):
            return {name: _near(one, classes.get(name)) for name, one in value.items()}
        return [_near(one, output.classes) for one in value] if isinstance(value, list) else value
    return _near(value, _SIDES if output.task == "anomaly" else output.classes)


def _by_output(value: Any, output: Output) -> dict[str, Any]:
    names = output.names or ()
    if not isinstance(value, dict) or not value or not set(value) <= set(names):
        raise InvalidLabel(f"expected an object with {_listed(names)}, got {_shown(value)}")
    task = output.task.removeprefix("multioutput_")
    classes = dict(zip(names, output.output_classes or (), strict=False))
    try:
        return {name: _one(one, task, classes.get(name)) for name, one in value.items() if one is not None}
    except InvalidLabel as exc:
        raise InvalidLabel(f"{_shown(value)}: {exc}") from exc


def _one(value: Any, task: str, classes: Sequence[Any] | None) -> Any:
    if task in ("classification", "anomaly"):
        return _class(value, classes or ())
    if task != "regression":
        raise UsageError(f"labels: there is no truth to tell for {task}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidLabel(f"expected a number, got {_shown(value)}")
    return float(value)


def _class(value: Any, classes: Sequence[Any]) -> Any:
    for one in classes:
        if one == value and isinstance(one, bool) == isinstance(value, bool):
            return one
    raise InvalidLabel(f"expected one of {_listed(classes)}, got {_shown(value)}")


def _near(value: Any, classes: Sequence[Any] | None) -> Any:
    """The one class that a cell looks like; the cell itself where none or several do."""
    if classes is None:
        return _parsed(value) if isinstance(value, str) else value
    found = [one for one in classes if _looks(one) == _looks(value)]
    return found[0] if len(found) == 1 else value


def _looks(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    return {"true": "1", "false": "0"}.get(text.lower(), text)


def _parsed(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _listed(names: Sequence[Any]) -> str:
    shown = ", ".join(repr(one) for one in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} … ({len(names)})"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 64 else f"{text[:63]}…"
