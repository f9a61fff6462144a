"""
A new version takes over its predecessor's promises, as far as the new model keeps them when asked.

What the new table merely lacks (a level, a null, a range) is no change; what the new model cannot answer is a break.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from cloche.contract.ask import example, mixed_rows, unknown_rows
from cloche.contract.bounds import FLOAT64
from cloche.contract.compare import compare
from cloche.contract.model import OWNER, Contract, Field, Output, Policy
from cloche.contract.probe import Answers, Probe, budget

_KEPT_IF_UNSET = ("description", "units", "pattern", "max_length")
_OWNED = (
    "minimum",
    "maximum",
    "nullable",
    "required",
    "levels",
    "ordered",
    "accepts_boolean",
    "private",
    *_KEPT_IF_UNSET,
)


def inherit(previous: Contract, learnt: Contract, answers: Answers) -> tuple[Contract, list[str]]:
    """
    The contract of the new version, and the breaks it still holds, in words.

    `answers(columns, n)` is the new model; it is asked at most 2 × fields + 8 times.
    """
    probe = Probe(answers, {one.name: example(one) for one in learnt.inputs}, calls=budget(len(learnt.inputs)))
    plain, kept = [], []
    for field in learnt.fields:
        old = previous.field(field.name)
        plain.append(_new(field, previous) if old is None else _owned(old, field))
        kept.append(plain[-1] if old is None else _promised(old, plain[-1], probe))
    inputs = [one for one in kept if one.role == "input"]
    if kept != plain and not probe.spent and not probe.takes(mixed_rows(inputs)):
        kept = plain
    carried = [one for one in previous.fields if one.role != "input" and learnt.field(one.name) is None]
    names = {one.name for one in (*kept, *carried)}
    ignored = tuple(name for name in dict.fromkeys((*learnt.ignored, *previous.ignored)) if name not in names)
    contract = msgspec.structs.replace(
        learnt,
        fields=(*kept, *carried),
        output=_output(previous.output, learnt.output),
        ignored=ignored,
        log_inputs=previous.log_inputs,
    )
    return contract, compare(previous, contract).breaks


def _output(old: Output, new: Output) -> Output:
    """
    *new* under the names that callers know: where one of the two versions came without targets that have names.

    Two sets of given names that differ are a break, and `compare` says so.
    """
    if old.task != new.task:
        return new
    if _numbered(old.names, new.names, [f"y{place}" for place in range(len(new.names or ()))]):
        return msgspec.structs.replace(new, names=old.names)
    if old.task == "multilabel" and _numbered(old.classes, new.classes, list(range(len(new.classes or ())))):
        return msgspec.structs.replace(new, classes=old.classes, type=old.type)
    return new


def _numbered(old: Sequence[Any] | None, new: Sequence[Any] | None, numbers: list[Any]) -> bool:
    """Whether as many have names before as after, and only numbers on one side."""
    return len(old or ()) == len(new or ()) and numbers in (list(old or ()), list(new or ())) and old != new


def _new(field: Field, previous: Contract) -> Field:
    """A field that no caller sends yet is optional, if the model can do without."""
    if field.role == "input" and field.nullable and field.name not in previous.ignored:
        return msgspec.structs.replace(field, required=False)
    return field


def _owned(old: Field, new: Field) -> Field:
    """*new* with everything its owner once said."""
    changes: dict[str, Any] = {name: getattr(old, name) for name in _KEPT_IF_UNSET if getattr(new, name) is None}
    changes |= {name: getattr(old, name) for name in _OWNED if old.evidence.get(name) == OWNER}
    if _takes_type_of(old, new):
        changes["type"] = old.type
    unknown = old if old.evidence.get("policy.unknown_level") == OWNER else new
    policy = Policy(unknown_level=unknown.policy.unknown_level, out_of_range=old.policy.out_of_range)
    if (
        policy != new.policy
    ):  # an equal copy would be written where the default is left out: a revision without a change
        changes["policy"] = policy
    evidence = {key: value for key, value in old.evidence.items() if value == OWNER}
    return msgspec.structs.replace(
        new,
        **changes | {"private": old.private or new.private},
        accepts_boolean=old.accepts_boolean or changes.pop("accepts_boolean", new.accepts_boolean),
        evidence=new.evidence | evidence,
    )


def _takes_type_of(old: Field, new: Field) -> bool:
    """Whether the new model takes the old type as well: a type the owner set, or a table with fewer or more words."""
    if old.evidence.get("type") == OWNER:
        return {old.type, new.type} in (
            {"integer", "number"},
            {"string", "text"},
            {"string", "category"},
            {"text", "category"},
        )
    return {old.type, new.type} == {"string", "text"}


def _promised(old: Field, new: Field, probe: Probe) -> Field:
    """*new* with every promise of *old* that the new model keeps when asked."""
    if new.role != "input":
        return new
    kept = _null(old, new, probe)
    kept = _levels(old, kept, probe)
    kept = _bounds(old, kept, probe)
    if not old.required and kept.nullable:
        kept = msgspec.structs.replace(kept, required=False)
    return kept


def _null(old: Field, new: Field, probe: Probe) -> Field:
    if not old.nullable or new.nullable or new.evidence.get("nullable") == OWNER or not probe.takes([{new.name: None}]):
        return new
    return msgspec.structs.replace(new, nullable=True)


def _levels(old: Field, new: Field, probe: Probe) -> Field:
    """Levels that the new table lacks, and unknown ones where the old contract answered those."""
    if new.levels is None or new.type != "category":
        return new
    from_table = new.evidence.get("levels", "").startswith("seen in the table")
    known = set(new.levels)
    gone = [level for level in old.levels or () if level not in known and type(level) is type(new.levels[0])]
    closed = new.policy.unknown_level == "reject"
    if gone and (closed or from_table) and probe.takes([{new.name: level} for level in gone]):
        new = msgspec.structs.replace(new, levels=(*new.levels, *gone))
    was_open = old.levels is None or old.policy.unknown_level != "reject"
    if closed and was_open and old.type in ("string", "text", "category") and probe.takes(unknown_rows(new)):
        verdict: Any = "warn" if old.levels is None else old.policy.unknown_level
        new = msgspec.structs.replace(new, policy=Policy(unknown_level=verdict, out_of_range=new.policy.out_of_range))
    return new


def _bounds(old: Field, new: Field, probe: Probe) -> Field:
    if new.type not in ("number", "integer") or old.type not in ("number", "integer", "boolean"):
        return new
    low, high = _wider(old.minimum, new.minimum, min), _wider(old.maximum, new.maximum, max)
    if (low, high) == (new.minimum, new.maximum):
        return new
    ends = (-FLOAT64 if low is None else float(low), FLOAT64 if high is None else float(high))
    if probe.takes([{new.name: end} for end in (*ends, min(max(0.0, ends[0]), ends[1]))]):
        return msgspec.structs.replace(new, minimum=low, maximum=high)
    return new


def _wider(old: int | float | None, new: int | float | None, pick: Any) -> int | float | None:
    return None if old is None or new is None else pick(old, new)
