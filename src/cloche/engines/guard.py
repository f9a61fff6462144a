"""
Whether a twin answers as the model does: on rows like those of the training table, and on rows at the boundaries.

Random rows rarely meet a threshold; here every number at which the graph bends is tried, with its neighbours in
float64 and float32, mapped back to the field it comes from.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cloche.contract.model import Contract, Field
from cloche.engines import Engine, differences
from cloche.graph.model import ValidGraph
from cloche.graph.operator import EVERY, Operator
from cloche.graph.operators import columns as cols
from cloche.graph.operators.inputs import Numbers
from cloche.graph.operators.numeric import Scale
from cloche.manifest import Tolerance
from cloche.records import Columns, Outputs

#: Boundary rows of one guard: single changes, then rows of several.
MAX_ROWS = 900
_MIXED_ROWS = 150
_PER_FIELD = 24
_LIMITS = (0.0, -0.0, 1.0, -1.0, 2.0**24 + 1, 2.0**53 + 1, 2.0**53 - 1, 1e-30, 1e30, -1e30)
_TEXTS = (
    "", " ", "a", "é", "É", "unknown level", "Ünïcode  Straße", "ONE two, two; three_3 !", "x\n\ty  z", "\N{SNOWMAN}",
    "日本語 テキスト", "a-b c'd 12 3.4",
)  # fmt: skip


# -- where it bends -----------------------------------------------------------------------------


def thresholds(graph: ValidGraph) -> dict[str, list[float]]:
    """For each numeric field the numbers at which a node after it jumps or bends, mapped back to the field."""
    found: dict[str, list[float]] = {}
    for node in graph.graph.nodes:
        for column, numbers in node.thresholds(graph.weights):
            width = graph.shapes[node.of[0]].width
            for place in range(width) if column == EVERY else (column,):
                field, values = _origin(graph, node.of[0], place, np.asarray(numbers, dtype=np.float64))
                if field is not None:
                    found.setdefault(graph.graph.inputs[field].name, []).extend(values.tolist())
    return {name: _spread(sorted(set(values)), _PER_FIELD) for name, values in found.items()}


def _origin(graph: ValidGraph, node: int, column: int, values: Any) -> tuple[int | None, Any]:
    """The field that *column* of *node* comes from, and what its values have to be for *values* to come out."""
    op: Operator = graph.graph.nodes[node]
    if isinstance(op, Numbers):
        return op.fields[column], values
    if isinstance(op, Scale):
        return _origin(graph, op.of[0], column, _unscaled(op, graph, column, values))
    if isinstance(op, cols.Fill | cols.Check | cols.Dense):
        return _origin(graph, op.of[0], column, values)
    if isinstance(op, cols.Select):
        return _origin(graph, op.of[0], int(graph.weights.to_dict()[op.columns_array][column]), values)
    if isinstance(op, cols.Concat):
        for part in op.of:
            width = graph.shapes[part].width
            if column < width:
                return _origin(graph, part, column, values)
            column -= width
    return None, values


def _unscaled(op: Scale, graph: ValidGraph, column: int, values: Any) -> Any:
    arrays = graph.weights.to_dict()
    with np.errstate(all="ignore"):
        if op.add_array is not None:
            values = values - arrays[op.add_array][column]
        if op.multiply_array is not None:
            values = values / arrays[op.multiply_array][column]
        if op.divide_array is not None:
            values = values * arrays[op.divide_array][column]
        return values if op.subtract_array is None else values + arrays[op.subtract_array][column]


def neighbours(value: float) -> list[float]:
    """*value*, its two neighbours in float64 and, around the nearest float32, those in float32."""
    with np.errstate(all="ignore"):
        single = np.float32(value)
        near = [single, np.nextafter(single, np.float32(-np.inf)), np.nextafter(single, np.float32(np.inf))]
    found = [value, math.nextafter(value, -math.inf), math.nextafter(value, math.inf), *map(float, near)]
    return [one for one in dict.fromkeys(found) if math.isfinite(one)]


def _spread(values: Sequence[float], most: int) -> list[float]:
    if len(values) <= most:
        return list(values)
    return [values[round(place * (len(values) - 1) / (most - 1))] for place in range(most)]


# -- rows ---------------------------------------------------------------------------------------


def boundary_rows(
    contract: Contract, bases: Sequence[Mapping[str, Any]], bends: Mapping[str, Sequence[float]]
) -> list[dict[str, Any]]:
    """
    Wire rows at the boundaries: *bases* with one field at a special value, then with several; at most 900.

    *bends* are the `thresholds` of the graph. Rows that the contract refuses are among them.
    """
    if not bases:
        return []
    rng = random.Random(0)  # noqa: S311 - reproducible, not secret
    special = {field.name: list(_specials(field, bends.get(field.name, ()))) for field in contract.inputs}
    singles = [(name, value) for name, values in special.items() for value in values]
    if len(singles) > MAX_ROWS - _MIXED_ROWS:
        singles = rng.sample(singles, MAX_ROWS - _MIXED_ROWS)
    rows = [{**bases[place % len(bases)], name: value} for place, (name, value) in enumerate(singles)]
    for _ in range(_MIXED_ROWS):
        row = dict(rng.choice(bases))
        for name, values in special.items():
            if values and rng.random() < 0.5:
                row[name] = rng.choice(values)
        rows.append(row)
    return rows


def _specials(field: Field, bends: Sequence[float]) -> Iterator[Any]:
    if field.nullable:
        yield None
    if field.type == "boolean":
        yield from (True, False)
    elif field.levels is not None:
        yield from field.levels
        yield from ("", "unknown level") if isinstance(field.levels[0], str) else (987_654_321,)
    elif field.type in ("number", "integer"):
        yield from _numbers(field, bends)
    elif field.type in ("string", "text", "category"):
        yield from _TEXTS


def _numbers(field: Field, bends: Sequence[float]) -> Iterator[float | int]:
    ends = [float(end) for end in (field.minimum, field.maximum, *(field.training_range or ())) if end is not None]
    limits = [*_LIMITS, *ends, *(end * 2 for end in ends)]
    near = [one for value in bends for one in neighbours(value)]
    for value in dict.fromkeys([*near, *limits]):
        if not math.isfinite(value) or (field.type == "integer" and not value.is_integer()):
            continue
        yield int(value) if field.type == "integer" else value


# -- the verdict --------------------------------------------------------------------------------


#: Not a bit may differ.
SAME_BITS = Tolerance(absolute=0.0, relative=0.0)


def mismatches(
    engine: Engine, columns: Columns, expected: Outputs, tolerance: Tolerance, *, alone: Tolerance = SAME_BITS
) -> tuple[list[str], float]:
    """
    Where the engine's answers are not *expected*, in words (none: they agree), and the largest |Δ| / (1 + |y|).

    Rows are answered all at once and, the first 256 of them, alone: *alone* is how far these may be apart.
    """
    n = len(expected)
    try:
        got = engine.predict(columns, n)
        found = differences(expected, got, tolerance)
        each = _alone(engine, columns, min(n, 256))
    except Exception as exc:  # noqa: BLE001 - whatever a defective graph raises is a difference
        return [f"the {engine.name} raised {type(exc).__name__}: {exc}"], math.inf
    found += differences(got.rows(0, len(each)), each, alone)
    return found, _worst(expected, got)


def _alone(engine: Engine, columns: Columns, n: int) -> Outputs:
    answers = [engine.predict({name: [values[row]] for name, values in columns.items()}, 1) for row in range(n)]
    first = answers[0] if answers else Outputs([])
    return Outputs(
        [one.prediction[0] for one in answers],
        None if first.probabilities is None else [(one.probabilities or [None])[0] for one in answers],
        None if first.score is None else [(one.score or [math.nan])[0] for one in answers],
    )


def refuses(engine: Engine, columns: Columns) -> bool:
    """Whether the engine refuses the one row of *columns*, as the model does."""
    try:
        engine.predict(columns, 1)
    except ValueError:
        return True
    return False


def _worst(expected: Outputs, got: Outputs) -> float:
    pairs = zip(_floats(expected.to_dict().values()), _floats(got.to_dict().values()), strict=False)
    return max((abs(one - other) / (1 + abs(one)) for one, other in pairs if math.isfinite(one - other)), default=0.0)


def _floats(values: Iterable[Any]) -> Iterator[float]:
    for value in values:
        if isinstance(value, float):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _floats(value)
        elif isinstance(value, dict):
            yield from _floats(value.values())
