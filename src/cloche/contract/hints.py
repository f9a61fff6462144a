"""What the owner should know about the table: it was worked on outside the pipeline, or holds odd values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cloche.records import Column, Table

_FEW = 100


def hints(table: Table, names: Sequence[str]) -> Iterator[str]:
    """Sentences for the owner about the columns *names* that the model reads."""
    columns = [table.columns[name] for name in names]
    yield from _one_hot(columns)
    yield from _standardised(columns, table.rows)
    for column in columns:
        yield from _odd_values(column)


def _one_hot(columns: Sequence[Column]) -> Iterator[str]:
    groups: dict[str, list[Column]] = {}
    for column in columns:
        prefix = _prefix(column.name)
        if prefix and column.kind in ("boolean", "integer", "number") and _zero_one(column):
            groups.setdefault(prefix, []).append(column)
    for prefix, group in groups.items():
        total = sum(column.values.astype(np.float64) for column in group)
        if len(group) > 1 and bool(np.all(total == 1.0)):
            first, last = group[0].name, group[-1].name
            yield (
                f"'{first}' … '{last}' look one-hot encoded outside the model: every caller would have to do the same; "
                f"put a OneHotEncoder into the pipeline and fit it on the column '{prefix}' itself"
            )


def _prefix(name: str) -> str:
    for mark in ("=", "_", "."):
        head, found, _ = name.rpartition(mark)
        if found:
            return head
    return ""


def _zero_one(column: Column) -> bool:
    return not column.missing.any() and bool(np.isin(column.values, (0, 1)).all())


def _standardised(columns: Sequence[Column], rows: int) -> Iterator[str]:
    found = [column.name for column in columns if column.kind == "number" and _is_standardised(column, rows)]
    if found:
        listed = ", ".join(f"'{name}'" for name in found[:3]) + (
            f" and {len(found) - 3} more" if len(found) > 3 else ""
        )
        yield (
            f"{listed}: mean 0 and standard deviation 1, as if scaled outside the model: callers would have to send "
            "scaled numbers; put the StandardScaler into the pipeline and fit it on the raw column"
        )


def _is_standardised(column: Column, rows: int) -> bool:
    present = column.present()
    if rows < 20 or present.size < 2 or not np.isfinite(present).all():
        return False
    with np.errstate(all="ignore"):
        off_mean, deviation = abs(float(present.mean())), float(present.std())
    return off_mean < 1e-4 and (abs(deviation - 1) < 1e-3 or abs(deviation * (rows / (rows - 1)) ** 0.5 - 1) < 1e-3)


def _odd_values(column: Column) -> Iterator[str]:
    if column.kind != "number":
        return
    present = column.present()
    infinite = int(np.isinf(present).sum())
    if infinite:
        yield f"'{column.name}': {infinite} values are infinite; JSON has no infinity, so no caller can send them"
    broken = int((np.trunc(present) != present).sum())
    if present.size >= _FEW and 0 < broken < present.size / 100:
        yield f"'{column.name}': {broken} of {present.size} values have a fraction, the others are whole numbers"
