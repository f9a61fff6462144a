"""
From a training table and a fitted model to the contract: what is seen, what the model says, what it can take.

`docs/reference/contract.md` holds the table of what is learnt; this module is that table in code. The model
is met as the function `answers`, so no model library is known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from cloche.contract.ask import asked
from cloche.contract.fields import FEW_ROWS, aside_field, encoder_levels, input_field
from cloche.contract.hints import hints
from cloche.contract.model import Contract, Field, FieldType, Output, OutputType, Policy
from cloche.contract.probe import Answers
from cloche.errors import SaveRefusedError
from cloche.records import Column, InputFacts, Kind, ModelFacts, Table

_NO_FACTS = InputFacts()


@dataclass(frozen=True, slots=True)
class Learnt:
    """A contract, and what its owner should know."""

    contract: Contract
    notes: tuple[str, ...] = ()


def infer(
    table: Table,
    facts: ModelFacts,
    *,
    answers: Answers,
    targets: Column | Table | None = None,
    keys: Sequence[str] = (),
    context: Sequence[str] = (),
    classes: Sequence[Any] | None = None,
    private: Sequence[str] = (),
) -> Learnt:
    """
    Learn the contract of a fitted model.

    *table* is what it was fitted on, with the columns named in *keys* and *context* beside; without rows it only
    tells names and types. `answers(columns, n)` is the fitted model.

    Raises:
        SaveRefusedError: a column cannot be a field, is the targets, or the model does not answer its own table.
    """
    if table.rows == 0:
        kinds = {column.name: column.kind for column in table}
        return infer_from_facts(facts, answers, names=tuple(kinds), kinds=kinds, classes=classes, private=private)
    facts = _by_column(table, facts, (*keys, *context))
    read, ignored = _model_columns(table, facts, (*keys, *context))
    _refuse_targets(table, (*read, *ignored), targets)
    fields = [
        input_field(table.columns[name], facts.inputs.get(name, _NO_FACTS), private=name in private) for name in read
    ]
    inputs, notes = asked(fields, {name: table.columns[name] for name in read}, facts, answers)
    roles = {**dict.fromkeys(context, "context"), **dict.fromkeys(keys, "key")}
    asides = [
        aside_field(table.columns[name], role, private=name in private)
        for name, role in roles.items()
        if name in table.columns
    ]
    contract = Contract(fields=(*inputs, *asides), output=output_of(facts, classes), ignored=ignored)
    return Learnt(contract, (*_table_notes(table, read, ignored, facts), *notes))


def infer_from_facts(
    facts: ModelFacts,
    answers: Answers,
    *,
    names: Sequence[str] = (),
    kinds: Mapping[str, Kind] | None = None,
    classes: Sequence[Any] | None = None,
    private: Sequence[str] = (),
) -> Learnt:
    """
    The contract of a model whose table was not given: its own names, and the levels its encoders hold.

    *kinds* are those of columns that somebody told without showing a row (the signature of a foreign model).

    Raises:
        SaveRefusedError: the model does not tell its fields.
    """
    known = tuple(names) or facts.names or tuple(facts.inputs) or tuple(f"x{n}" for n in range(facts.n_inputs or 0))
    if not known:
        raise SaveRefusedError("the fitted model does not tell its fields; pass the training table: inputs=X")
    read = [name for name in known if facts.inputs.get(name, _NO_FACTS).read]
    told = kinds or {}
    fields = [
        _field_from_facts(name, facts.inputs.get(name, _NO_FACTS), name in private, told.get(name, "number"))
        for name in read
    ]
    inputs, notes = asked(fields, {}, facts, answers)
    contract = Contract(
        fields=inputs, output=output_of(facts, classes), ignored=tuple(name for name in known if name not in read)
    )
    note = "no training table was given: no training range, no levels but the model's own, no profile to compare with"
    return Learnt(contract, (note, *notes))


_TYPE_OF_KIND: Mapping[str, FieldType] = {
    "boolean": "boolean",
    "integer": "integer",
    "string": "string",
    "date": "date",
    "datetime": "datetime",
}


def _field_from_facts(name: str, facts: InputFacts, private: bool, kind: Kind) -> Field:
    levels = encoder_levels(name, facts, None)
    evidence = {"type": facts.source or "the fitted model"}
    if levels and all(isinstance(level, bool) for level in levels):
        return Field(name=name, type="boolean", private=private, evidence=evidence)
    if levels:
        policy = Policy(unknown_level="reject" if facts.unknown_level is None else facts.unknown_level)
        evidence |= {"levels": evidence["type"]}
        return Field(name=name, type="category", levels=levels, policy=policy, private=private, evidence=evidence)
    known: FieldType = "integer" if facts.whole else _TYPE_OF_KIND.get(kind, "number")
    type_: FieldType = "text" if facts.text else known
    return Field(name=name, type=type_, max_length=facts.max_length, private=private, evidence=evidence)


def _by_column(table: Table, facts: ModelFacts, aside: Sequence[str]) -> ModelFacts:
    """*facts* under the table's names: a model without feature names speaks of its inputs by position."""
    columns = [name for name in table.columns if name not in aside]
    if facts.names is not None or len(columns) != len(facts.inputs):
        return facts
    return replace(facts, inputs=dict(zip(columns, facts.inputs.values(), strict=True)))


# -- which columns are inputs -------------------------------------------------------------------


def _model_columns(table: Table, facts: ModelFacts, aside: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """The columns that the model reads, in its order, and those that are accepted and ignored."""
    known = [name for name in table.columns if name not in aside] if facts.names is None else list(facts.names)
    absent = [name for name in known if name not in table.columns]
    if absent:
        raise SaveRefusedError(f"inputs: no column '{absent[0]}', and the model was fitted on it")
    read = [name for name in known if facts.inputs.get(name, _NO_FACTS).read]
    for name in aside:
        if name in read:
            raise SaveRefusedError(
                f"'{name}' is named as key or context, and the model was fitted on it; keys and contexts are "
                "never shown to the model: leave it out of keys=/context= (an input can serve as a segment too), "
                "or fit without it"
            )
    return read, tuple(name for name in table.columns if name not in read and name not in aside)


def _refuse_targets(table: Table, read: Sequence[str], targets: Column | Table | None) -> None:
    truths = [] if targets is None else list(targets) if isinstance(targets, Table) else [targets]
    for name in read:
        column = table.columns[name]
        for truth in truths:
            if table.rows > 1 and _same(column, truth):
                raise SaveRefusedError(
                    f"the column '{name}' is equal to the targets, row by row; leave it out of the inputs, and fit "
                    "without it if the model was shown it: it would be asked for its own answer"
                )


def _same(column: Column, truth: Column) -> bool:
    if len(column.missing) != len(truth.missing) or not np.array_equal(column.missing, truth.missing):
        return False
    present, other = column.present(), truth.present()
    if len(present) == 0 or "vector" in (column.kind, truth.kind):
        return False
    numeric = ("boolean", "integer", "number")
    if (column.kind in numeric) != (truth.kind in numeric):
        return False
    varied = bool((present != present[0]).any())
    return varied and bool(np.all(present == other))


# -- what is answered ---------------------------------------------------------------------------


def output_of(facts: ModelFacts, classes: Sequence[Any] | None = None) -> Output:
    """
    What the model answers.

    Raises:
        SaveRefusedError: *classes* are not as many as the model has.
    """
    known = facts.classes
    if classes is not None:
        if known is not None and len(known) != len(classes):
            raise SaveRefusedError(f"classes: expected {len(known)} as the model has, got {len(classes)}")
        known = tuple(classes)
    names = facts.output_names
    if names is None and facts.output_classes is not None:
        names = tuple(f"y{position}" for position in range(len(facts.output_classes)))
    return msgspec.convert(
        {
            "task": facts.task,
            "type": _output_type(facts, known),
            "classes": None if known is None else tuple(_plain(one) for one in known),
            "names": names,
            "output_classes": None
            if facts.output_classes is None
            else tuple(tuple(_plain(one) for one in each) for each in facts.output_classes),
            "probabilities": facts.probabilities,
            "length": facts.embedding,
        },
        Output,
    )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _output_type(facts: ModelFacts, classes: Sequence[Any] | None) -> OutputType:
    if facts.task == "anomaly":
        return "string"
    if facts.task == "clustering":
        return "integer"
    answers = [*(classes or ()), *(one for each in facts.output_classes or () for one in each)]
    types = {type(_plain(one)) for one in answers}
    if types == {bool}:
        return "boolean"
    if types == {int}:
        return "integer"
    return "number" if types <= {int, float} else "string"


# -- notes --------------------------------------------------------------------------------------


def _table_notes(table: Table, read: Sequence[str], ignored: Sequence[str], facts: ModelFacts) -> list[str]:
    notes = [f"'{name}' is read by no step of the model: accepted and ignored" for name in ignored]
    if table.rows < FEW_ROWS:
        notes.append(f"only {table.rows} rows: no rule but type and null was made hard from the table")
    inputs: Mapping[str, InputFacts] = facts.inputs
    raw = [name for name in read if inputs.get(name, _NO_FACTS).levels is None]
    return [*notes, *hints(table, raw)]
