"""From a model and the table it came with to what its tensors mean: read where the model tells it, else asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from cloche.errors import SaveRefusedError
from cloche.flavors.tensors.heads import Meaning
from cloche.flavors.tensors.model import Description, Slot
from cloche.flavors.tensors.slots import asked_rows, is_named, shown, slots_of
from cloche.onnx import feeds
from cloche.onnx.runner import Session
from cloche.records import Columns, Table

#: Rows are asked again this much farther out: numbers that are a distribution there as well are one.
_FAR, _SHIFT = 50.0, 25.0
#: Outputs for n rows, the same far out (or nothing), and n.
Meant = Callable[[dict[str, Any], dict[str, Any], int], Meaning]


def describe(session: Session, framework: str, inputs: Any, aside: Sequence[str], meaning_of: Meant) -> Description:
    """
    What the model behind *session* takes and answers.

    `meaning_of(answered, far, n)` says what its outputs mean, from those for *n* rows and for the same rows far out.

    Raises:
        SaveRefusedError: it does not answer the table, or what its outputs mean cannot be told.
    """
    slots, one_row = slots_of(session.inputs)
    table = shown(inputs, aside)
    named = is_named(slots, table)
    asked = _Asked(session, Description(slots=slots, outputs=(), task="", framework=framework, named=named))
    columns, n = asked_rows(slots, table, named=named)
    one_row = one_row or _takes_one_only(asked, columns, n)
    answered = asked.answers(columns, n, one_row=one_row)
    meaning = meaning_of(answered, _far_out(asked, columns, n, one_row), n)
    names = [one.name for one in meaning.results]
    slots = tuple(_with_missing(asked, slot, place, columns, names) for place, slot in enumerate(slots))
    return Description(
        slots=slots,
        outputs=meaning.results,
        task=meaning.task,
        framework=framework,
        named=named,
        one_row=one_row,
        classes=meaning.classes,
        names=meaning.names,
        probabilities=meaning.probabilities,
        embedding=meaning.embedding,
        notes=(*_input_notes(slots, table, named=named, one_row=one_row), meaning.note),
    )


class _Asked:
    """The session behind columns, whatever the outputs mean."""

    def __init__(self, session: Session, said: Description) -> None:
        self.session = session
        self.said = said

    def answers(self, columns: Columns, n: int, *, one_row: bool = False) -> dict[str, Any]:
        """
        Every output for *n* rows.

        Raises:
            SaveRefusedError: the model raised; the message is its own.
        """
        try:
            makers = {one.name: feeds.maker(one) for one in self.said.interface(tuple(columns)).inputs}
            fed = feeds.feeds(makers, columns, n)
            names = list(self.session.outputs)
            if not one_row:
                return self._ran(names, fed)
            rows = [self._ran(names, {name: array[row : row + 1] for name, array in fed.items()}) for row in range(n)]
            return {name: _joined([row[name] for row in rows]) for name in names}
        except (ValueError, KeyError, TypeError) as exc:
            raise SaveRefusedError(f"the model does not answer the table it came with: {exc}") from exc

    def _ran(self, names: list[str], fed: feeds.Feeds) -> dict[str, Any]:
        found: dict[str, Any] = self.session.run(names, fed)
        return found


def _joined(parts: list[Any]) -> Any:
    return [one for part in parts for one in part] if isinstance(parts[0], list) else np.concatenate(parts)


def _takes_one_only(asked: _Asked, columns: Columns, n: int) -> bool:
    """A number of rows may be written into the graph, whatever its inputs declare."""
    if n < 2:
        return False
    try:
        asked.answers({name: values[:2] for name, values in columns.items()}, 2)
    except SaveRefusedError:
        asked.answers({name: values[:1] for name, values in columns.items()}, 1)
        return True
    return False


def _far_out(asked: _Asked, columns: Columns, n: int, one_row: bool) -> dict[str, Any]:
    """The same rows far from zero, where every column is a number with fractions and the model takes them."""
    if not all(isinstance(value, float) for values in columns.values() for value in values):
        return {}
    far = {name: [value * _FAR - _SHIFT for value in values] for name, values in columns.items()}
    try:
        return asked.answers(far, n, one_row=one_row)
    except SaveRefusedError:  # numbers of categories, say
        return {}


def _with_missing(asked: _Asked, slot: Slot, place: int, columns: Columns, outputs: list[str]) -> Slot:
    """Whether the model answers a number where one of this tensor's is missing: it has a step that fills it in."""
    if not slot.dtype.startswith("float"):
        return slot
    trying = _Asked(asked.session, msgspec.structs.replace(asked.said, slots=_trying(asked.said.slots, place)))
    mine = {one.name: one.fields for one in asked.said.interface(tuple(columns)).inputs}[slot.name]
    row = {name: [None] if name in mine else values[:1] for name, values in columns.items()}
    try:
        answered = trying.answers(row, 1)
    except SaveRefusedError:
        return slot
    return msgspec.structs.replace(slot, takes_nan=all(_is_finite(answered[name]) for name in outputs))


def _trying(slots: Sequence[Slot], place: int) -> tuple[Slot, ...]:
    return tuple(msgspec.structs.replace(one, takes_nan=at == place) for at, one in enumerate(slots))


def _is_finite(value: Any) -> bool:
    if isinstance(value, list):
        return all(np.isfinite(number) for row in value for number in row.values())
    return value.dtype.kind != "f" or bool(np.isfinite(value).all())


def _input_notes(slots: Sequence[Slot], table: Table | None, *, named: bool, one_row: bool) -> Iterator[str]:
    if not named:
        for slot in slots:
            width = "all" if slot.width is None else str(slot.width)
            yield f"input '{slot.name}' takes {width} columns in the order of the table, as {slot.dtype}"
    else:
        yield f"inputs by name: {', '.join(slot.name for slot in slots)}"
    if one_row:
        yield "the file takes one row at a time; export it for any number of rows to have them answered together"
    if table is None:
        yield "no table was given: the model was asked made-up rows"
