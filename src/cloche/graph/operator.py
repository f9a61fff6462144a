"""What every operator of the twin is: named parameters, the nodes it reads, and a check of both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec

from cloche.errors import TamperedModelError
from cloche.graph.shapes import MAX_WIDTH, Array, Kind, Shape, Weights

#: In `thresholds`: all columns.
EVERY = -1


class Operator(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="op"
):
    """
    A node of the graph. `of` are the nodes it reads, by place; all of them come before it.

    Arrays are named, not held: a parameter called `…_array` is a name in `weights.safetensors`.
    """

    of: tuple[int, ...] = ()
    #: The kinds of value it takes, in any of its inputs.
    takes: ClassVar[tuple[Kind, ...]] = ("numbers",)
    #: How many values it reads: at least, at most.
    arity: ClassVar[tuple[int, int]] = (1, 1)

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """
        The shape of what it gives for *inputs*.

        Raises:
            TamperedModelError: a parameter or an array does not fit.
        """
        raise NotImplementedError

    def thresholds(self, weights: Weights) -> Iterable[tuple[int, Array]]:
        """Where its result jumps or bends: a column of its first input (or `EVERY`), and float64 numbers there."""
        return ()

    def arrays(self) -> tuple[str, ...]:
        """The names of the arrays it reads."""
        named = (getattr(self, name) for name in self.__struct_fields__ if name.endswith("_array"))
        lists = (getattr(self, name) for name in self.__struct_fields__ if name.endswith("_arrays"))
        return (*(name for name in named if name is not None), *(name for names in lists for name in names if name))


def checked(op: Operator, inputs: tuple[Shape, ...], weights: Weights, where: str) -> Shape:
    """
    Check *op* against what it reads; *where* names it in messages.

    Raises:
        TamperedModelError: it does not fit.
    """
    least, most = op.arity
    if not least <= len(inputs) <= most:
        raise TamperedModelError(f"twin: {where}: expected {least} to {most} inputs, got {len(inputs)}")
    for one in inputs:
        if one.kind not in op.takes:
            raise TamperedModelError(f"twin: {where}: expected {' or '.join(op.takes)}, got {one.kind}")
    try:
        shape = op.check(inputs, weights)
    except TamperedModelError as exc:
        raise TamperedModelError(f"{exc} ({where})") from exc
    if not 0 <= shape.width <= MAX_WIDTH:
        raise TamperedModelError(f"twin: {where}: {shape.width} columns, expected at most {MAX_WIDTH}")
    return shape


#: What a parameter may be in JSON besides numbers: levels of categories, labels.
Scalar = Any


def is_scalar(value: Any) -> bool:
    """Whether *value* may be a level or a label: text, a number or a boolean."""
    return isinstance(value, (str, int, float, bool))
