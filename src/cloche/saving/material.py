"""The tables that come with a model: read, and checked against what the fitted model says of itself."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cloche import tables
from cloche.errors import SaveRefusedError
from cloche.records import Column, FrameColumn, FrameSpec, InputFacts, ModelFacts, Table
from cloche.saving.request import SaveRequest

_ARRAYS = ("numpy", "list")


@dataclass(frozen=True, slots=True)
class Material:
    """
    What the contract is learnt from, and what the answers are measured on.

    `table` holds keys and contexts too; `frame` is what the model is shown. Without training table (`given` is
    False), `table` has the model's own field names and no rows. `facts` name the inputs as the table does.
    """

    facts: ModelFacts
    table: Table
    frame: FrameSpec
    target: Column | Table | None
    test: tuple[Table, Column | Table] | None
    given: bool


def gather(request: SaveRequest, facts: ModelFacts) -> Material:
    """
    Read every table of *request*.

    Raises:
        SaveRefusedError: the tables do not fit each other or the model; the message says where.
    """
    extra = (*request.keys, *request.context)
    if request.inputs is None:
        table = _untold(facts, extra)
    else:
        table = _ordered(_read("inputs", request.inputs, facts, extra), facts, extra)
    target = None if request.targets is None else _target(request.targets)
    _same_rows("inputs", table, "targets", target, given=request.inputs is not None)
    test = None if request.test is None else _test(request.test, facts, extra, table)
    return Material(
        facts=_with_outputs(_in_words_of(table, facts, extra), target, None if test is None else test[1]),
        table=table,
        frame=_frame(table, facts, extra),
        target=target,
        test=test,
        given=request.inputs is not None and table.rows > 0,
    )


def _in_words_of(table: Table, facts: ModelFacts, extra: tuple[str, ...]) -> ModelFacts:
    """A model fitted without names calls its inputs x0, x1, …; here they get the names of the table's columns."""
    if facts.names is not None:
        return facts
    shown = [name for name in table.columns if name not in extra]
    inputs = {name: facts.inputs[f"x{place}"] for place, name in enumerate(shown) if f"x{place}" in facts.inputs}
    return replace(facts, inputs=inputs)


def _with_outputs(facts: ModelFacts, *targets: Column | Table | None) -> ModelFacts:
    """Several outputs get the names of the columns of the targets; a fitted model has forgotten them."""
    known = next((one for one in targets if isinstance(one, Table) and one.container not in _ARRAYS), None)
    if known is None:
        return facts
    names = tuple(known.columns)
    if len(names) == len(facts.output_names or ()):
        return replace(facts, output_names=names)
    numbered = facts.task == "multilabel" and facts.classes == tuple(range(len(names)))
    return replace(facts, classes=names) if numbered else facts


def _read(where: str, data: Any, facts: ModelFacts, extra: tuple[str, ...]) -> Table:
    table = tables.read(data)
    missing = [name for name in extra if name not in table.columns]
    if missing:
        raise SaveRefusedError(f"keys/context: no column '{missing[0]}' in {where}; it has: {_listed(table.columns)}")
    inputs = [name for name in table.columns if name not in extra]
    if facts.names is not None and table.container in _ARRAYS and len(inputs) == len(facts.names):
        renamed = dict(zip(inputs, facts.names, strict=True))
        return _renamed(table, renamed) if set(inputs) != set(facts.names) else table
    if facts.names is None and facts.n_inputs is not None and len(inputs) != facts.n_inputs:
        raise SaveRefusedError(
            f"{where}: expected the {facts.n_inputs} columns the model was fitted on, got {len(inputs)}: "
            f"{_listed(inputs)}; columns the model is not shown belong in keys=[…] or context=[…]"
        )
    return table


def _renamed(table: Table, names: dict[str, str]) -> Table:
    columns = {names.get(name, name): column for name, column in table.columns.items()}
    renamed = {name: replace(column, name=name) for name, column in columns.items()}
    return Table(renamed, table.rows, table.container)


def _ordered(table: Table, facts: ModelFacts, extra: tuple[str, ...]) -> Table:
    """The model's columns in the model's order, then keys and contexts, then what it was not fitted on."""
    if facts.names is None:
        names = [name for name in table.columns if name not in extra]
    else:
        _check_names(table, facts.names, extra)
        names = list(facts.names)
    names = list(dict.fromkeys((*names, *extra, *table.columns)))
    return Table({name: table.columns[name] for name in names}, table.rows, table.container)


def _check_names(table: Table, names: tuple[str, ...], extra: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in table.columns]
    unknown = [name for name in table.columns if name not in names and name not in extra]
    if missing:
        near = difflib.get_close_matches(missing[0], unknown, n=1)
        hint = f"; did you rename '{near[0]}'?" if near else ""
        raise SaveRefusedError(
            f"inputs: the model was fitted on columns that are not there: {_listed(missing)} "
            f"(there are also: {_listed(unknown) or 'no others'}){hint}"
        )


def _frame(table: Table, facts: ModelFacts, extra: tuple[str, ...]) -> FrameSpec:
    """
    The frame to build for the model.

    A model fitted on an array is shown an array even where its owner now gives a DataFrame, and the reverse: the
    names a fitted model keeps (or not) are the evidence.
    """
    known = facts.names or tuple(name for name in table.columns if name not in extra)
    shown = {name: table.columns[name] for name in known}
    spec = tables.frame_spec(Table(shown, table.rows, table.container))
    if facts.container is not None:
        return FrameSpec(facts.container, spec.columns)
    if facts.names is None and len(spec.columns) == 1 and _is_text(facts) and spec.container in ("pandas", "polars"):
        return FrameSpec("series", (FrameColumn(spec.columns[0].name, "list", marker="none"),))
    if facts.names is not None and spec.container in _ARRAYS:
        return FrameSpec("pandas", spec.columns)
    named = spec.container in ("pandas", "polars")
    if facts.names is None and facts.n_inputs is not None and named and _all_numbers(shown.values()):
        return FrameSpec("numpy", tuple(FrameColumn(one.name, "float64") for one in spec.columns))
    return spec


def _is_text(facts: ModelFacts) -> bool:
    """A model of one input that is a text: it reads a column of texts, and no frame around it."""
    return facts.n_inputs is None and len(facts.inputs) == 1 and all(one.text for one in facts.inputs.values())


def _all_numbers(columns: Iterable[Column]) -> bool:
    return all(column.kind in ("number", "integer") for column in columns)


def _target(data: Any) -> Column | Table:
    if isinstance(data, (Column, Table)):
        return data
    shape = tuple(getattr(data, "shape", ()))
    first = data[0] if isinstance(data, (list, tuple)) and data else None
    if (len(shape) == 2 and shape[-1] > 1) or isinstance(first, (list, tuple, dict)):
        return tables.read(data)
    return tables.read_target(data)


def _test(
    test: tuple[Any, Any], facts: ModelFacts, extra: tuple[str, ...], training: Table
) -> tuple[Table, Column | Table]:
    if not isinstance(test, (tuple, list)) or len(test) != 2:
        raise SaveRefusedError(f"test: expected a pair (X_test, y_test), got {type(test).__name__}")
    table = tables.read(test[0])
    extra = tuple(name for name in extra if name in table.columns)
    table, truth = _ordered(_read("test", table, facts, extra), facts, extra), _target(test[1])
    _same_rows("test: X", table, "y", truth, given=True)
    strange = [name for name in table.columns if name not in training.columns]
    if strange:
        raise SaveRefusedError(f"test: columns that the training table has not: {_listed(strange)}")
    return table, truth


def _same_rows(one: str, table: Table, other: str, target: Column | Table | None, *, given: bool) -> None:
    if target is None or not given:
        return
    rows = target.rows if isinstance(target, Table) else len(target.values)
    if rows != table.rows:
        raise SaveRefusedError(f"{one} and {other} must have the same rows: got {table.rows} and {rows}")


def _untold(facts: ModelFacts, extra: tuple[str, ...]) -> Table:
    """An empty table of the fields the fitted model tells of: their names, and the type where an encoder fixes it."""
    words = facts.names is None and facts.n_inputs is None and any(one.text for one in facts.inputs.values())
    names = facts.names
    if names is None:
        names = ("text",) if words else tuple(f"x{number}" for number in range(facts.n_inputs or 0))
    if not names:
        raise SaveRefusedError("the fitted model does not tell its fields; pass the training table: inputs=X")
    if extra:
        raise SaveRefusedError(f"keys/context: {_listed(extra)} cannot be learnt without a table; pass inputs=X")
    columns = {
        name: _blank(name, facts.inputs.get("x0" if words else name, InputFacts()), "list" if words else "object")
        for name in names
    }
    return Table(columns, 0, "series" if words else "numpy" if facts.names is None else "pandas")


def _blank(name: str, facts: InputFacts, text_dtype: str) -> Column:
    words = facts.text or any(isinstance(level, str) for level in facts.levels or ())
    return Column(
        name,
        "string" if words else "number",
        np.empty(0, dtype=object if words else np.float64),
        np.empty(0, dtype=np.bool_),
        text_dtype if words else "float64",
    )


def _listed(names: Iterable[Any]) -> str:
    found = [str(name) for name in names]
    return ", ".join(found[:10]) + (f" and {len(found) - 10} more" if len(found) > 10 else "")
