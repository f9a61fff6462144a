"""Drafted fields → fields as the model was seen to answer them: nulls, bounds, unknown levels, all together."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from cloche.contract.bounds import FLOAT64, Bounds, Numeric, find
from cloche.contract.model import Field, Policy
from cloche.contract.probe import Answers, Probe, Row, alone, budget, takers
from cloche.errors import SaveRefusedError
from cloche.records import Column, ModelFacts

#: Kept back for bounds, levels and the last check while nulls are asked one field at a time.
_KEEP = 8
_UNKNOWN_TEXT = ("a level the model has never seen", "", "é漢\u200b🙂" * 20)
_MAX_LEVELS_MADE = 10_000
_CONFIRM_ROWS = 200

Seen = Mapping[str, Column]


def asked(
    fields: Sequence[Field], columns: Seen, facts: ModelFacts, answers: Answers
) -> tuple[tuple[Field, ...], list[str]]:
    """
    *fields* with nullability, bounds and policies as probed, and notes.

    *columns* is the training table, empty where there is none.

    Raises:
        SaveRefusedError: the model does not answer a row of its own table.
    """
    if not fields:
        raise SaveRefusedError("the model reads none of the columns; there is nothing to serve")
    base = base_row(fields, columns)
    probe = Probe(answers, base, calls=budget(len(fields)))
    if not probe.takes([{}]):
        raise SaveRefusedError(_no_answer(probe.error, columns))
    fields, notes = _ask_nulls(probe, fields, columns)
    fields = _ask_bounds(probe, fields, columns)
    fields = _ask_levels(probe, fields, columns, facts)
    return _confirmed(probe, fields, columns, notes)


def _no_answer(error: Exception | None, columns: Seen) -> str:
    cause = f"{type(error).__name__}: {error}" if error is not None else "it answered another number of rows"
    if columns:
        return (
            f"the model does not answer a row of the table it came with: {cause}; is this the table it was fitted on?"
        )
    return f"the model does not answer a row made of its own fields: {cause}; pass the training table: inputs=X"


def base_row(fields: Sequence[Field], columns: Seen) -> dict[str, Any]:
    """The fullest row of the table among its first 1,000; without table, a plausible one."""
    if not columns:
        return {field.name: example(field) for field in fields}
    gaps = sum(column.missing[:1000].astype(np.int64) for column in columns.values())
    row = int(np.argmin(gaps))
    return {field.name: _model_value(field, columns[field.name], row) for field in fields}


def _model_value(field: Field, column: Column, row: int) -> Any:
    if column.missing[row]:
        return None
    value = column.values[row]
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    if field.type == "number":
        return float(value)
    return int(value) if field.type == "category" and not isinstance(value, str) else value


def example(field: Field) -> Any:
    """A value the field takes, as the model gets it; the same every time."""
    if field.levels:
        return field.levels[0]
    if field.type in ("number", "integer", "vector"):
        low, high = field.training_range or (field.minimum or 0.0, field.minimum or 0.0)
        number = float(low) / 2 + float(high) / 2
        return [0.0] * (field.length or 1) if field.type == "vector" else number
    if field.type == "boolean":
        return False
    if field.type == "date":
        return datetime.date(2024, 1, 1)
    if field.type == "datetime":
        return datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC if field.timezone else None)
    return "example"


# -- nulls --------------------------------------------------------------------------------------


def _ask_nulls(probe: Probe, fields: Sequence[Field], columns: Seen) -> tuple[list[Field], list[str]]:
    nulls = dict.fromkeys((field.name for field in fields), None)
    if probe.takes(alone(nulls)):
        why = "probed: the model answered null, alone and in all fields at once"
        return [_with(field, nullable=True, evidence={"nullable": why}) for field in fields], []
    gaps = [name for name in nulls if name in columns and columns[name].missing.any()]
    taken = _taken_nulls(probe, list(nulls), gaps)
    found, notes = [], []
    for field in fields:
        fine = field.name in taken
        why = "probed: the model answered null" if fine else "probed: the model raised on null"
        found.append(_with(field, nullable=fine, evidence={"nullable": why}))
        if field.name in gaps and not fine:
            count = int(columns[field.name].missing.sum())
            notes.append(
                f"'{field.name}' has {count} missing values in the table, and the model raises on null: null is refused"
            )
    return found, notes


def _taken_nulls(probe: Probe, names: list[str], gaps: list[str]) -> set[str]:
    """The fields that may be null, all of them at once."""
    taken: set[str] = set()
    if gaps and len(gaps) < len(names) and probe.takes(alone(dict.fromkeys(gaps, None))):
        taken = set(gaps)
    if len(names) > 1:
        taken |= {
            name for name in names if name not in taken and probe.calls_left > _KEEP and probe.takes([{name: None}])
        }
    if len(taken) > 1 and taken != set(gaps) and not probe.takes([dict.fromkeys(taken, None)]):
        taken &= set(gaps)
    return taken


# -- bounds -------------------------------------------------------------------------------------


def _ask_bounds(probe: Probe, fields: Sequence[Field], columns: Seen) -> list[Field]:
    numeric = {field.name: numeric_of(field, columns) for field in fields if field.type in ("number", "vector")}
    found = find(probe, numeric)
    return [_bounded(field, found[field.name]) if field.name in found else field for field in fields]


def numeric_of(field: Field, columns: Seen) -> Numeric:
    """The field's numbers: their range in the table, or around zero where there is none."""
    column = columns.get(field.name)
    present = np.zeros(1) if column is None else column.present()
    if column is not None and column.kind == "vector":
        present = np.concatenate([np.zeros(1), *present])
    if column is None and field.training_range is not None:
        present = np.array([float(end) for end in field.training_range])
    finite = present[np.isfinite(present.astype(np.float64))]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return Numeric(low, high, (field.length or 1) if field.type == "vector" else None)


def _bounded(field: Field, found: Bounds) -> Field:
    return _with(
        field,
        minimum=None if found.low <= -FLOAT64 else found.low,
        maximum=None if found.high >= FLOAT64 else found.high,
        evidence={"minimum": found.evidence, "maximum": found.evidence},
    )


# -- unknown levels -----------------------------------------------------------------------------


def _ask_levels(probe: Probe, fields: Sequence[Field], columns: Seen, facts: ModelFacts) -> list[Field]:
    declared = {name: one.unknown_level for name, one in facts.inputs.items() if one.levels is not None}
    open_ = [one for one in fields if one.type in ("category", "string", "text") and declared.get(one.name) != "reject"]
    taken = takers(probe, {one.name: unknown_rows(one) for one in open_}, keep=2)
    asked_about = {one.name for one in open_}
    return [
        _levelled(field, field.name in taken, columns.get(field.name), declared.get(field.name))
        if field.name in asked_about
        else field
        for field in fields
    ]


def unknown_rows(field: Field) -> list[Row]:
    """Rows with levels that *field* does not know."""
    if field.levels and isinstance(field.levels[0], int):
        return [{field.name: value} for value in (max(field.levels) + 1, min(field.levels) - 1, 2**53 + 1)]
    return [{field.name: text} for text in _UNKNOWN_TEXT if text not in (field.levels or ())]


def _levelled(field: Field, taken: bool, column: Column | None, declared: str | None) -> Field:
    if taken:
        hard = field.policy.unknown_level == "reject" and field.evidence.get("levels", "").startswith(
            "seen in the table"
        )
        if field.levels is None or hard:
            return field
        why = f"declared by {field.evidence['levels']}, and probed" if declared else "probed: the model answered one"
        return _policy(field, "warn", why)
    if field.levels is None and column is not None and field.type == "string":
        seen = tuple(sorted(set(column.present().tolist())))
        if len(seen) <= _MAX_LEVELS_MADE:
            evidence = {"levels": "seen in the table; the model raised on others"}
            field = _with(field, type="category", levels=seen, evidence=evidence)
    return field if field.levels is None else _policy(field, "reject", "probed: the model raised on an unknown level")


def _policy(field: Field, verdict: Any, why: str) -> Field:
    policy = Policy(unknown_level=verdict, out_of_range=field.policy.out_of_range)
    return _with(field, policy=policy, evidence={"policy.unknown_level": why})


# -- all together -------------------------------------------------------------------------------


def _confirmed(
    probe: Probe, fields: Sequence[Field], columns: Seen, notes: list[str]
) -> tuple[tuple[Field, ...], list[str]]:
    """Ask once with everything that is allowed mixed; where that fails, narrow until it does not."""
    if probe.spent or probe.takes(mixed_rows(fields)):
        return tuple(fields), notes
    cause = f"{type(probe.error).__name__}: {str(probe.error)[:200]}"
    for narrow in (_narrow_nulls, _narrow_bounds, _narrow_levels):
        fields = [narrow(field, columns.get(field.name)) for field in fields]
        if not probe.spent and probe.takes(mixed_rows(fields)):
            return tuple(fields), notes
    notes = [
        *notes,
        f"the model raised on some mixtures of values that it takes one by one ({cause}); such rows are refused then",
    ]
    return tuple(fields), notes


def mixed_rows(fields: Sequence[Field]) -> list[Row]:
    """Rows in which each field runs through all that it allows: null, bounds, levels, an unknown level."""
    cycles = {field.name: allowed(field) for field in fields}
    count = min(_CONFIRM_ROWS, max((len(values) for values in cycles.values()), default=1) + 4)
    return [
        {
            name: values[(row + shift * (1 + row // len(values))) % len(values)]
            for shift, (name, values) in enumerate(cycles.items())
        }
        for row in range(count)
    ]


def allowed(field: Field) -> list[Any]:
    """Values at the edges of what *field* allows, as the model gets them."""
    values: list[Any] = [None] if field.nullable else []
    if field.type in ("number", "integer", "vector"):
        low = -FLOAT64 if field.minimum is None else field.minimum
        high = FLOAT64 if field.maximum is None else field.maximum
        ends = [float(low), float(high), float(min(max(0, low), high))]
        values += [[end] * (field.length or 1) for end in ends] if field.type == "vector" else ends
    elif field.type == "boolean":
        values += [True, False]
    elif field.levels:
        values += field.levels
    if field.type in ("category", "string", "text") and (
        field.levels is None or field.policy.unknown_level != "reject"
    ):
        values += [value for row in unknown_rows(field) for value in row.values()]
    return values or [example(field)]


def _narrow_nulls(field: Field, column: Column | None) -> Field:
    if column is None or column.missing.any() or not field.nullable:
        return field
    return _with(field, nullable=False, evidence={"nullable": "probed: null was answered alone, not in every mixture"})


def _narrow_bounds(field: Field, column: Column | None) -> Field:
    if column is None or field.type not in ("number", "vector"):
        return field
    numeric = numeric_of(field, {field.name: column})
    return _bounded(
        field, Bounds(numeric.low, numeric.high, "the training range: not every mixture beyond was answered")
    )


def _narrow_levels(field: Field, column: Column | None) -> Field:
    return field if field.levels is None else _policy(field, "reject", "probed: not every mixture was answered")


def _with(field: Field, *, evidence: dict[str, str], **changes: Any) -> Field:
    return msgspec.structs.replace(field, evidence=field.evidence | evidence, **changes)
