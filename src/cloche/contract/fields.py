"""One column, and what the model says of it → one field, before the model is asked anything."""

from __future__ import annotations

import datetime
from collections import Counter
from typing import Any

import numpy as np

from cloche.contract.model import Field, FieldType, Policy
from cloche.errors import SaveRefusedError
from cloche.records import Column, InputFacts

FEW_ROWS = 100
HARD_ROWS = 1_000
MAX_SEEN_LEVELS = 50
MAX_KEPT_LEVELS = 1_000
TEXT_LENGTH = 40

_KEY_TYPES: dict[str, FieldType] = {
    "boolean": "boolean", "integer": "integer", "number": "number", "date": "date", "datetime": "datetime",
    "vector": "vector",
}  # fmt: skip


def input_field(column: Column, facts: InputFacts, *, private: bool) -> Field:
    """
    The field of a column that the model reads.

    Raises:
        SaveRefusedError: its values have no type on the wire.
    """
    levels = encoder_levels(column.name, facts, column.levels)
    if levels is not None:
        source = facts.source or ("an encoder" if facts.levels is not None else f"{column.dtype} dtype")
        return _fixed(column, levels, facts, source, private)
    learn = _LEARN.get(column.kind)
    if learn is None:
        kinds = sorted({type(value).__name__ for value in column.present()})
        raise SaveRefusedError(
            f"column '{column.name}' ({column.dtype}) holds {' and '.join(kinds[:4])}: expected one type that JSON "
            f"has; convert it before fitting, e.g. X['{column.name}'].astype(str)"
        )
    return learn(column, facts, private)


def aside_field(column: Column, role: Any, *, private: bool) -> Field:
    """A key or context: typed and logged, never shown to the model, so never asked for either."""
    kind = _KEY_TYPES.get(column.kind, "string")
    if column.kind == "number" and column.present().size and _whole(column.present()):
        kind = "integer"
    return Field(
        name=column.name,
        type=kind,
        role=role,
        nullable=True,
        required=False,
        timezone=column.timezone,
        private=private,
        evidence={"type": f"{column.dtype} in the table"},
    )


# -- levels that the model fixes ----------------------------------------------------------------


def encoder_levels(name: str, facts: InputFacts, declared: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    """
    The levels an encoder or a categorical dtype fixes, as JSON values; None where numbers with fractions are meant.

    Raises:
        SaveRefusedError: the levels are of several types.
    """
    raw = facts.levels if facts.levels is not None else declared
    if raw is None:
        return None
    levels = tuple(plain_level(level) for level in raw if not _gone(level))
    if declared is not None and set(levels) < set(declared):
        levels = tuple(level for level in map(plain_level, declared) if level in set(levels))
    types = {type(level) for level in levels}
    if types <= {str} or types == {bool} or types == {int}:
        return levels
    if types <= {int, float, bool}:
        return None
    listed = " and ".join(sorted(one.__name__ for one in types))
    raise SaveRefusedError(
        f"column '{name}': levels of {listed} mixed; expected one type: convert with astype(str) before fitting"
    )


def plain_level(level: Any) -> Any:
    """A level as plain Python; a whole float is an integer, as it is on the wire."""
    plain = level.item() if isinstance(level, np.generic) else level
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain


def _gone(level: Any) -> bool:
    return level is None or bool(level != level)


def _fixed(column: Column, levels: tuple[Any, ...], facts: InputFacts, source: str, private: bool) -> Field:
    evidence = {"type": source, "levels": source}
    if all(isinstance(level, bool) for level in levels) and levels:
        return Field(name=column.name, type="boolean", private=private, evidence={"type": source})
    if len(levels) > MAX_KEPT_LEVELS and facts.unknown_level == "warn":
        return Field(
            name=column.name, type="string", private=private, evidence={"type": f"{source}: {len(levels)} levels"}
        )
    return Field(
        name=column.name,
        type="category",
        levels=levels,
        ordered=column.ordered,
        accepts_boolean=set(levels) <= {0, 1},
        policy=Policy(unknown_level="reject" if facts.unknown_level is None else facts.unknown_level),
        private=private,
        evidence=evidence,
    )


# -- what the table shows -----------------------------------------------------------------------


def _boolean(column: Column, facts: InputFacts, private: bool) -> Field:
    return Field(name=column.name, type="boolean", private=private, evidence=_seen(column))


def _number(column: Column, facts: InputFacts, private: bool) -> Field:
    present = column.present()
    finite = present[np.isfinite(present)] if column.kind == "number" else present
    limits: tuple[Any, Any] | None = None
    if finite.size:
        limits = (finite.min().item(), finite.max().item())
    if facts.whole and limits is not None:
        limits = (int(limits[0]), int(limits[1]))
    zero_one = bool(finite.size) and bool(np.isin(finite, (0, 1)).all()) and limits != (0, 0) and limits != (1, 1)
    return Field(
        name=column.name,
        type="integer" if facts.whole else "number",
        training_range=None if private else limits,
        accepts_boolean=zero_one,
        private=private,
        evidence=_seen(column),
    )


def _string(column: Column, facts: InputFacts, private: bool) -> Field:
    present = column.present()
    counts = Counter(present.tolist())
    if facts.text:
        evidence = {"type": facts.source or "a text vectorizer"}
        return Field(name=column.name, type="text", max_length=facts.max_length, private=private, evidence=evidence)
    if private or len(counts) > min(MAX_SEEN_LEVELS, len(present) / 2) or not counts:
        long = bool(counts) and sum(map(len, counts)) / len(counts) > TEXT_LENGTH
        evidence = {"type": f"{column.dtype} in the table, {len(counts)} different values"}
        return Field(name=column.name, type="text" if long else "string", private=private, evidence=evidence)
    hard = len(column.missing) >= HARD_ROWS and min(counts.values()) > 1
    why = "seen in the table" + (f"; {len(present)} rows, none of them once only" if hard else "")
    return Field(
        name=column.name,
        type="category",
        levels=tuple(sorted(counts)),
        policy=Policy(unknown_level="reject" if hard else "warn"),
        evidence=_seen(column) | {"levels": why},
    )


def _moment(column: Column, facts: InputFacts, private: bool) -> Field:
    present = column.present().tolist()
    limits = None if private or not present else (_iso(min(present)), _iso(max(present)))
    return Field(
        name=column.name,
        type="date" if column.kind == "date" else "datetime",
        training_range=limits,
        timezone=column.timezone,
        private=private,
        evidence=_seen(column),
    )


def _vector(column: Column, facts: InputFacts, private: bool) -> Field:
    lengths = {len(vector) for vector in column.present()}
    length = lengths.pop() if len(lengths) == 1 else None
    return Field(name=column.name, type="vector", length=length, private=private, evidence=_seen(column))


def _seen(column: Column) -> dict[str, str]:
    return {"type": f"{column.dtype} in the table"}


def _iso(value: datetime.date) -> str:
    return value.isoformat()


def _whole(values: np.ndarray[Any, Any]) -> bool:
    return bool((np.isfinite(values) & (np.trunc(values) == values) & (np.abs(values) < 2.0**63)).all())


_LEARN = {
    "boolean": _boolean,
    "date": _moment,
    "datetime": _moment,
    "integer": _number,
    "number": _number,
    "string": _string,
    "vector": _vector,
}
