"""What the owner says goes: rules set by hand, when saving or with `cloche contract NAME --set FIELD.KEY=VALUE`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from cloche.contract.model import OWNER, Contract, Field
from cloche.contract.rules import make_rules
from cloche.errors import UsageError

_POLICY = ("unknown_level", "out_of_range")
SETTABLE = (
    "type", "nullable", "required", "levels", "ordered", "minimum", "maximum", "training_range", "accepts_boolean",
    "pattern", "max_length", "units", "description", "private", "policy", *_POLICY, "policy.unknown_level",
    "policy.out_of_range",
)  # fmt: skip
#: Types an owner may exchange: the model gets the same values.
_ALIKE = ({"number", "integer"}, {"string", "text", "category"})


def apply_overrides(contract: Contract, overrides: Mapping[str, Mapping[str, Any]]) -> Contract:
    """
    The contract with the rules in *overrides*: `{"age": {"minimum": 0, "units": "years"}}`.

    Raises:
        UsageError: a field or rule that does not exist, or a value it cannot have.
    """
    for name in overrides:
        if contract.field(name) is None:
            raise UsageError(f"contract: no field '{name}'{_near(name, [one.name for one in contract.fields])}")
    fields = tuple(_apply(one, overrides[one.name]) if one.name in overrides else one for one in contract.fields)
    changed = msgspec.structs.replace(contract, fields=fields)
    make_rules(changed, strict=False)
    return changed


def _apply(field: Field, changes: Mapping[str, Any]) -> Field:
    if not isinstance(changes, Mapping):
        raise UsageError(
            f"contract: {field.name}: expected rules such as {{'minimum': 0}}, got {type(changes).__name__}"
        )
    raw = msgspec.to_builtins(field)
    flat = _flat(field.name, changes)
    policy = {key.partition(".")[2]: value for key, value in flat.items() if key.startswith("policy.")}
    raw |= {key: value for key, value in flat.items() if not key.startswith("policy.")}
    raw["policy"] = raw.get("policy", {}) | policy
    raw["evidence"] = field.evidence | dict.fromkeys(flat, OWNER)
    try:
        changed = msgspec.convert(raw, Field)
    except msgspec.ValidationError as exc:
        raise UsageError(f"contract: {field.name}: {exc}") from exc
    return _sensible(field, changed)


def _flat(name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in changes.items():
        if key not in SETTABLE:
            raise UsageError(f"contract: {name}: no rule '{key}'{_near(key, SETTABLE)}")
        if key == "policy":
            if not isinstance(value, Mapping) or not set(value) <= set(_POLICY):
                raise UsageError(f"contract: {name}.policy: expected {' and '.join(_POLICY)}, got {value!r}")
            flat |= {f"policy.{one}": verdict for one, verdict in value.items()}
        else:
            flat[f"policy.{key}" if key in _POLICY else key] = value
    return flat


def _sensible(old: Field, new: Field) -> Field:
    where = f"contract: {new.name}"
    if old.type != new.type and not any({old.type, new.type} <= alike for alike in _ALIKE):
        raise UsageError(
            f"{where}.type: the model takes {old.type}; expected a type that is sent alike, got {new.type}"
        )
    if new.type == "category" and not new.levels:
        raise UsageError(f"{where}: a category needs its levels, such as levels=['a', 'b']")
    if new.levels is not None and new.type not in ("category", "string", "text"):
        raise UsageError(f"{where}.levels: expected a category, got a field of type {new.type}")
    if new.levels is not None and {type(one) for one in new.levels} not in ({str}, {int}):
        raise UsageError(
            f"{where}.levels: expected texts or whole numbers, all of one type, got {list(new.levels)[:5]}"
        )
    if new.minimum is not None and new.maximum is not None and new.minimum > new.maximum:
        raise UsageError(f"{where}: minimum {new.minimum} is above maximum {new.maximum}")
    return new


def _near(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; expected one of {', '.join(known)}"


# -- from the command line ----------------------------------------------------------------------


def parse_assignment(text: str) -> dict[str, dict[str, Any]]:
    """
    `age.minimum=0` → `{"age": {"minimum": 0}}`; a value that is no JSON is text.

    Raises:
        UsageError: *text* has another form.
    """
    target, equals, value = text.partition("=")
    name, dot, key = target.strip().rpartition(".")
    if name.endswith(".policy") and key in _POLICY:
        name = name.removesuffix(".policy")
    if not equals or not dot or not name or not key:
        raise UsageError(f"expected FIELD.KEY=VALUE such as age.minimum=0, got '{text}'")
    try:
        parsed = msgspec.json.decode(value)
    except msgspec.DecodeError:
        parsed = value.strip()
    return {name: {key: parsed}}


def merge_assignments(texts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """
    Several assignments as one set of overrides; a later one wins.

    Raises:
        UsageError: one of them has another form.
    """
    merged: dict[str, dict[str, Any]] = {}
    for text in texts:
        for name, rules in parse_assignment(text).items():
            merged.setdefault(name, {}).update(rules)
    return merged
