"""
The contract as data: fields, roles, outputs. `contract.json` is these structs and nothing else.

A contract's number is not in it: numbers belong to the model's *name* and stand in the registry.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

FieldType = Literal["boolean", "integer", "number", "string", "category", "date", "datetime", "text", "vector"]
Role = Literal["input", "key", "context"]
Task = Literal[
    "classification",
    "regression",
    "multilabel",
    "multioutput_classification",
    "multioutput_regression",
    "anomaly",
    "clustering",
    "embedding",
]
#: What JSON a prediction is: `list` for multilabel and embedding, `object` for several outputs.
OutputType = Literal["string", "integer", "number", "boolean"]

LogInputs = Literal["keep", "summary", "none"]

FORMAT: Final = "cloche-contract/1"

#: In `Field.evidence`: the rule was set by its owner, and stays until the owner changes it.
OWNER: Final = "set by the owner"


class Policy(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What happens where a rule is soft: the row is refused, answered with a warning, or just answered."""

    unknown_level: Literal["reject", "warn", "ignore"] = "reject"
    out_of_range: Literal["reject", "warn", "ignore"] = "warn"


class Field(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    One field of a row.

    `minimum` and `maximum` are hard (what the model can take, inclusive); `training_range` is soft (what
    it has seen). `levels` are in order and of the field's JSON type (strings, or integers where
    an encoder treats whole numbers as categories). `timezone` is an IANA name for aware datetimes, None for
    naive ones. `length` is a vector's. `evidence` says, by attribute, how a rule was learnt.
    """

    name: str
    type: FieldType
    role: Role = "input"
    nullable: bool = False
    required: bool = True
    levels: tuple[Any, ...] | None = None
    ordered: bool = False
    minimum: int | float | None = None
    maximum: int | float | None = None
    training_range: tuple[Any, Any] | None = None
    accepts_boolean: bool = False
    pattern: str | None = None
    max_length: int | None = None
    length: int | None = None
    timezone: str | None = None
    units: str | None = None
    description: str | None = None
    private: bool = False
    policy: Policy = Policy()
    evidence: dict[str, str] = {}


class Output(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    What the model answers.

    `classes` stand in the order of the probabilities. With several outputs `names` names them and
    `output_classes` holds one tuple of classes each. `threshold` is part of the model: for two classes the second
    is predicted from this probability on (None: the model's own rule).
    """

    task: Task
    type: OutputType
    classes: tuple[Any, ...] | None = None
    names: tuple[str, ...] | None = None
    output_classes: tuple[tuple[Any, ...], ...] | None = None
    probabilities: bool = False
    threshold: float | None = None
    length: int | None = None


class Contract(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Fields in the order of the model's frame (keys and contexts last), outputs, and what is ignored.

    `log_inputs` is what the prediction log keeps of the inputs: their values, only in which bin of the reference
    each lies, or nothing. Keys and contexts are kept all the same, and private fields never as they are.
    """

    fields: tuple[Field, ...]
    output: Output
    ignored: tuple[str, ...] = ()
    log_inputs: LogInputs = "keep"
    schema: Literal["cloche-contract/1"] = FORMAT

    def field(self, name: str) -> Field | None:
        """The field called *name*, or None."""
        return next((one for one in self.fields if one.name == name), None)

    @property
    def inputs(self) -> tuple[Field, ...]:
        """The fields that the model is shown, in its order."""
        return tuple(one for one in self.fields if one.role == "input")

    def to_json(self) -> bytes:
        """The bytes of `contract.json`: stable, indented, one trailing newline."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    @classmethod
    def from_json(cls, raw: bytes) -> Contract:
        """
        Read `contract.json`.

        Raises:
            msgspec.ValidationError: *raw* is no contract of this format.
        """
        return _contract.decode(raw)


#: Made at import: where two threads work a type out at once, msgspec crashes the process.
_contract = msgspec.json.Decoder(Contract)
