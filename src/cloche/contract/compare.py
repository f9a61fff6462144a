"""
What a caller of the old contract would notice under the new one: breaks and additions, in words.

Only what crosses the wire counts: a training range, a description, an order of levels may change freely.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cloche.contract.describe import short
from cloche.contract.model import OWNER, Contract, Field, Output

WAYS_OUT = (
    "publish it under a new contract number, served beside the old one",
    "keep the old promise: fit the model so that it takes what the old one took",
    "set the rule yourself: contract={field: {rule: value}} when saving",
    "save it under another name",
)
_TEXT = ("string", "text", "category")
#: Types whose values the other type takes as well: no caller of the first notices the second.
_WIDER = {("integer", "number"), ("string", "text"), ("text", "string"), ("category", "string"), ("category", "text"),
          ("string", "category"), ("text", "category")}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Comparison:
    """`breaks` refuse a publish under the same number; `additions` make it a revision."""

    breaks: list[str]
    additions: list[str]

    @property
    def ways_out(self) -> tuple[str, ...]:
        """What to do about the breaks; empty where there are none."""
        return WAYS_OUT if self.breaks else ()


@dataclass(frozen=True, slots=True)
class _Change:
    text: str
    breaking: bool


def compare(old: Contract, new: Contract) -> Comparison:
    """What changes for the callers of *old* when *new* takes its place."""
    changes = [*_fields(old, new), *_output(old.output, new.output)]
    return Comparison(
        [change.text for change in changes if change.breaking],
        [change.text for change in changes if not change.breaking],
    )


def _fields(old: Contract, new: Contract) -> Iterator[_Change]:
    for field in old.fields:
        again = new.field(field.name)
        if again is not None:
            yield from _field(field, again)
        elif field.name in new.ignored:
            yield _Change(f"'{field.name}' is no longer read; it is accepted and ignored", False)
        else:
            yield _Change(f"'{field.name}' was removed{_renamed(field, old, new)}", True)
    for field in new.fields:
        if old.field(field.name) is None and field.name not in old.ignored:
            yield _added(field)
        elif old.field(field.name) is None:
            yield _Change(f"'{field.name}' was ignored and is now read", field.required)
    for name in old.ignored:
        if name not in new.ignored and new.field(name) is None:
            yield _Change(f"'{name}' was accepted and ignored, and is now refused as unknown", True)


def _renamed(field: Field, old: Contract, new: Contract) -> str:
    fresh = [one.name for one in new.fields if old.field(one.name) is None and one.type == field.type]
    near = difflib.get_close_matches(field.name, fresh, n=1, cutoff=0.5) or (fresh if len(fresh) == 1 else [])
    return f"; was it renamed to '{near[0]}'? Then fit with the old name" if near else ""


def _added(field: Field) -> _Change:
    if field.required:
        return _Change(f"'{field.name}' is new and required: no caller sends it yet", True)
    return _Change(f"'{field.name}' is new and optional", False)


# -- one field ----------------------------------------------------------------------------------


def _field(old: Field, new: Field) -> Iterator[_Change]:
    name = f"'{new.name}'"
    if old.type != new.type:
        booleans = old.type == "boolean" and new.type in ("number", "integer") and new.accepts_boolean
        wider = (old.type, new.type) in _WIDER or booleans
        yield _Change(f"{name}: was {old.type}, is {new.type}", not wider)
        if not wider:
            return
    if old.nullable != new.nullable:
        yield _Change(f"{name}: null is " + ("now allowed" if new.nullable else "no longer allowed"), not new.nullable)
    if old.required != new.required:
        yield _Change(f"{name}: is " + ("now required" if new.required else "no longer required"), new.required)
    if old.accepts_boolean and not new.accepts_boolean and new.type != "boolean":
        yield _Change(f"{name}: true and false are no longer taken", True)
    yield from _levels(old, new)
    yield from _bounds(old, new)
    yield from _shape(old, new)


def _levels(old: Field, new: Field) -> Iterator[_Change]:
    if new.type not in _TEXT:
        return
    closed = new.levels is not None and new.policy.unknown_level == "reject"
    was_closed = old.levels is not None and old.policy.unknown_level == "reject"
    if closed and not was_closed:
        yield _Change(f"'{new.name}': unknown levels were answered and are now refused", True)
    elif was_closed and not closed:
        yield _Change(f"'{new.name}': unknown levels are no longer refused", False)
    gone = [level for level in old.levels or () if level not in set(new.levels or ())]
    fresh = [level for level in new.levels or () if level not in set(old.levels or ())]
    private = old.private or new.private
    if closed and gone:
        yield _Change(f"'{new.name}': {_some(gone, private)} no longer known", True)
    if closed and was_closed and fresh:
        yield _Change(f"'{new.name}': {_some(fresh, private)} new", False)


def _some(levels: Sequence[Any], private: bool) -> str:
    verb = "is" if len(levels) == 1 else "are"
    if private:
        return f"{len(levels)} levels {verb}"
    more = f" and {len(levels) - 5} more" if len(levels) > 5 else ""
    return (
        "levels " * (len(levels) > 1)
        + "level " * (len(levels) == 1)
        + ", ".join(f"'{one}'" for one in levels[:5])
        + f"{more} {verb}"
    )


def _bounds(old: Field, new: Field) -> Iterator[_Change]:
    low = (_end(old.minimum, -1), _end(new.minimum, -1))
    high = (_end(old.maximum, 1), _end(new.maximum, 1))
    if low[1] > low[0] and _was_promised(low[1], "minimum", old, new):
        yield _Change(f"'{new.name}': the minimum rose from {_named(old.minimum)} to {_named(new.minimum)}", True)
    if high[1] < high[0] and _was_promised(high[1], "maximum", old, new):
        yield _Change(f"'{new.name}': the maximum fell from {_named(old.maximum)} to {_named(new.maximum)}", True)
    if low[1] < low[0] or high[1] > high[0]:
        yield _Change(f"'{new.name}': takes a wider range of values", False)
    if new.policy.out_of_range == "reject" and new.training_range is not None:
        if old.policy.out_of_range != "reject" or old.training_range is None:
            yield _Change(f"'{new.name}': values outside the training range are now refused", True)
        elif new.training_range[0] > old.training_range[0] or new.training_range[1] < old.training_range[1]:
            yield _Change(f"'{new.name}': values outside a narrower training range are now refused", True)


def _was_promised(bound: float, rule: str, old: Field, new: Field) -> bool:
    """
    Whether values that the new *bound* refuses were promised an answer.

    A bound that an owner set is a promise, on either side. One that was only found by asking the model is not, as
    far as it lies outside what the old model had seen: a forest takes 3.4e38 where a regression took 1.8e308,
    and no caller is worse off (docs/adr/0005).
    """
    if OWNER in (old.evidence.get(rule), new.evidence.get(rule)) or old.training_range is None:
        return True
    low, high = old.training_range
    return bool(bound > low if rule == "minimum" else bound < high)


def _end(bound: int | float | None, sign: int) -> float:
    return sign * float("inf") if bound is None else float(bound)


def _named(bound: int | float | None) -> str:
    return "none" if bound is None else short(bound)


def _shape(old: Field, new: Field) -> Iterator[_Change]:
    if new.pattern != old.pattern:
        yield _Change(f"'{new.name}': the pattern changed", new.pattern is not None)
    if new.max_length is not None and (old.max_length is None or new.max_length < old.max_length):
        yield _Change(f"'{new.name}': text may now have at most {new.max_length} characters", True)
    if new.length != old.length:
        yield _Change(f"'{new.name}': the vector's length was {old.length}, is {new.length}", new.length is not None)
    if (old.timezone is None) != (new.timezone is None):
        yield _Change(f"'{new.name}': an offset is " + ("now required" if new.timezone else "no longer taken"), True)


# -- the answer ---------------------------------------------------------------------------------


def _output(old: Output, new: Output) -> Iterator[_Change]:
    if old.task != new.task:
        yield _Change(f"the answer was a {old.task}, is a {new.task}", True)
        return
    if old.type != new.type:
        yield _Change(f"predictions were of type {old.type}, are {new.type}", True)
    if old.length != new.length:
        yield _Change(f"the answer's length was {old.length}, is {new.length}", True)
    if set(old.classes or ()) != set(new.classes or ()):
        yield _Change(f"the classes changed: {_difference(old.classes or (), new.classes or ())}", True)
    if old.probabilities != new.probabilities:
        yield _Change(
            "probabilities are " + ("now given" if new.probabilities else "no longer given"), not new.probabilities
        )
    yield from _output_names(old, new)


def _output_names(old: Output, new: Output) -> Iterator[_Change]:
    before, after = _named_outputs(old), _named_outputs(new)
    for name, classes in before.items():
        if name not in after:
            yield _Change(f"the output '{name}' was removed", True)
        elif after[name] != classes:
            yield _Change(
                f"the classes of the output '{name}' changed: {_difference(tuple(classes), tuple(after[name]))}", True
            )
    for name in after:
        if name not in before:
            yield _Change(f"the output '{name}' is new", False)


def _named_outputs(output: Output) -> dict[str, frozenset[Any]]:
    names = output.names or ()
    classes = output.output_classes or ((),) * len(names)
    return {name: frozenset(each) for name, each in zip(names, classes, strict=False)}


def _difference(old: Sequence[Any], new: Sequence[Any]) -> str:
    gone = [f"-{one}" for one in old if one not in new]
    fresh = [f"+{one}" for one in new if one not in old]
    return " ".join([*gone, *fresh][:10])
