"""Rows of the log back as what they were: the model's answers, and the values that it was shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec

from cloche.contract.datetimes import zone_of
from cloche.contract.model import Contract, Field, Output
from cloche.prediction_log import layout
from cloche.records import Outputs

_COMPOSITE = ("multilabel", "embedding", "multioutput_classification", "multioutput_regression")


def outputs_of(table: Any, output: Output) -> Outputs:
    """What was answered in each row of *table* (a pyarrow Table of one contract's answers)."""
    prediction = _values(table, "prediction") or [None] * table.num_rows
    if output.task in _COMPOSITE:
        prediction = [_parsed(one) for one in prediction]
    probabilities = _values(table, "probabilities") if output.probabilities else None
    if probabilities is not None:
        probabilities = [_parsed(one) for one in probabilities]
        if all(one is None for one in probabilities):
            probabilities = None
    return Outputs(prediction, probabilities, _values(table, "score") if output.task == "anomaly" else None)


def inputs_of(table: Any, contract: Contract) -> dict[str, list[Any]]:
    """
    The values that the model was shown, by field: what the engine is asked with.

    A field of which no row holds a value is missing in all of them. See `not_kept` for what can be asked for.
    """
    found = {}
    for one in contract.inputs:
        values = _values(table, layout.column("in", one.name)) or [None] * table.num_rows
        found[one.name] = [None if value is None else _value(value, one) for value in values]
    return found


def not_kept(contract: Contract) -> str | None:
    """Why the log cannot give the inputs of this contract's rows back, or None where it can."""
    if contract.log_inputs == "none":
        return "its contract keeps no inputs in the log (log_inputs = none)"
    if contract.log_inputs == "summary":
        return "its contract keeps only the bins of inputs in the log (log_inputs = summary)"
    private = [one.name for one in contract.inputs if one.private]
    if private:
        return f"private inputs are not kept as they were: {', '.join(private)}"
    return None


def column_of(table: Any, name: str) -> str | None:
    """The column of *table* with the values of a field, as input, context or key; None where there is none."""
    names = set(table.column_names)
    return next((one for kind in ("in", "ctx", "key") if (one := layout.column(kind, name)) in names), None)


def _values(table: Any, name: str) -> list[Any] | None:
    found: list[Any] | None = table.column(name).to_pylist() if name in table.column_names else None
    return found


def _parsed(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, str) else value


def _value(value: Any, field: Field) -> Any:
    """As the contract makes it of a request; what the log's types could not hold stands as text."""
    convert = _CONVERT.get(field.type)
    if field.type == "category" and field.levels and isinstance(field.levels[0], int):
        convert = _integer
    return value if convert is None else convert(value, field)


def _integer(value: Any, field: Field) -> int:
    return int(value)


def _number(value: Any, field: Field) -> float:
    return float(value)


def _date(value: Any, field: Field) -> dt.date:
    return dt.date.fromisoformat(value) if isinstance(value, str) else value


def _datetime(value: Any, field: Field) -> dt.datetime:
    moment = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    zone = zone_of(field.timezone)
    return moment if zone is None else moment.astimezone(zone)


def _vector(value: Any, field: Field) -> list[float]:
    return list(_parsed(value))


_CONVERT: dict[str, Callable[[Any, Field], Any]] = {
    "date": _date,
    "datetime": _datetime,
    "integer": _integer,
    "number": _number,
    "vector": _vector,
}
