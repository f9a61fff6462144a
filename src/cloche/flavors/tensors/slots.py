"""The input tensors of a model: which columns they take, and rows to ask it with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from cloche import tables
from cloche.errors import SaveRefusedError
from cloche.flavors.tensors.model import Slot
from cloche.onnx.interface import Dtype
from cloche.records import Columns, Table

#: As onnxruntime names them.
_DTYPES: Final[dict[str, Dtype]] = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
    "tensor(string)": "string",
}
#: Rows of the training table that the model is asked.
ROWS = 24
_EXAMPLES: dict[str, Any] = {"string": "a", "bool": True}


def slots_of(inputs: dict[str, tuple[str, tuple[Any, ...]]]) -> tuple[tuple[Slot, ...], bool]:
    """
    The slots, and whether the model takes one row only.

    Raises:
        SaveRefusedError: an input is no tensor of rows.
    """
    found, one_row = [], False
    for name, (kind, dims) in inputs.items():
        dtype = _DTYPES.get(kind)
        if dtype is None or not dims:
            raise SaveRefusedError(f"the input '{name}' is {kind} of shape {list(dims)}; expected rows of {_known()}")
        if isinstance(dims[0], int):
            if dims[0] != 1:
                raise SaveRefusedError(
                    f"the input '{name}' takes {dims[0]} rows at a time; export it for any number of rows, or for one"
                )
            one_row = True
        found.append(_slot(name, dtype, dims[1:], len(inputs)))
    return tuple(found), one_row


def _known() -> str:
    return ", ".join(one.removeprefix("tensor(").removesuffix(")") for one in _DTYPES)


def _slot(name: str, dtype: Dtype, shape: tuple[Any, ...], inputs: int) -> Slot:
    if not shape:
        return Slot(name=name, dtype=dtype, width=1, shape=())
    if all(isinstance(size, int) for size in shape):
        width = math.prod(shape)
        return Slot(name=name, dtype=dtype, width=width, shape=None if len(shape) == 1 else tuple(shape))
    if len(shape) == 1 and inputs == 1:
        return Slot(name=name, dtype=dtype, width=None)
    raise SaveRefusedError(f"the input '{name}' has the shape (rows, {', '.join(map(str, shape))}), which is not fixed")


def is_named(slots: Sequence[Slot], table: Table | None) -> bool:
    """Whether the columns are found by the names of the tensors, one each; else they are taken in order."""
    if any(slot.width != 1 for slot in slots):
        return False
    names = {slot.name for slot in slots}
    return names <= set(table.columns) if table is not None else len(slots) > 1


def shown(inputs: Any, aside: Sequence[str]) -> Table | None:
    """The training table without key and context columns."""
    if inputs is None:
        return None
    table = inputs if isinstance(inputs, Table) else tables.read(inputs)
    return tables.select(table, [name for name in table.columns if name not in aside])


def asked_rows(slots: Sequence[Slot], table: Table | None, *, named: bool) -> tuple[Columns, int]:
    """
    Columns to ask the model with: the first full rows of the table, or made-up ones.

    Raises:
        SaveRefusedError: how many columns the model takes is told neither by it nor by a table.
    """
    if table is not None and table.rows:
        columns = {name: values for name, values in table.to_columns().items() if not named or _is_slot(name, slots)}
        full = [row for row in range(table.rows) if all(values[row] is not None for values in columns.values())]
        places = full[:ROWS] or list(range(min(ROWS, table.rows)))
        return {name: [values[place] for place in places] for name, values in columns.items()}, len(places)
    made: dict[str, list[Any]] = {}
    for slot in slots:
        if slot.width is None:
            raise SaveRefusedError(f"the input '{slot.name}' takes any number of columns; pass the table: inputs=X")
        for _ in range(slot.width):
            name = slot.name if named else f"x{len(made)}"
            place = len(made)
            made[name] = [_EXAMPLES.get(slot.dtype, (row + place) % 3) for row in range(3)]
    return made, 3


def _is_slot(name: str, slots: Sequence[Slot]) -> bool:
    return any(slot.name == name for slot in slots)
