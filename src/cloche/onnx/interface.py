"""
`onnx/interface.json`: which fields of the contract become which tensors, and what the output tensors are.

Format `cloche-onnx/1`; docs/reference/onnx.md is the page that other readers go by.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from cloche.errors import ManifestError

FORMAT: Final = "cloche-onnx/1"
MODEL = "onnx/model.onnx"
INTERFACE = "onnx/interface.json"

Dtype = Literal["float32", "float64", "int64", "int32", "bool", "string"]
Role = Literal["label", "probabilities", "value", "score", "embedding"]
Apply = Literal["none", "softmax", "sigmoid"]


class Tensor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    An input tensor made of *fields*, in this order; a vector field stands for as many columns as it is long.

    It is (n, columns), or (n, *shape) where that is given: `[]` for (n,), `[10, 3]` for (n, 10, 3).

    `missing` stands for a value that is missing: a number, a text, or "nan" for a float; without it such a row is
    refused. `levels` turns a value into its place among them, an unknown one into `unknown` (without it: refused).
    `finite`: a number that is not finite in this dtype is refused, as the model's own library does; `limit`: so is one
    whose absolute value is greater, where arithmetic in float32 would overflow.
    """

    name: str
    fields: tuple[str, ...]
    dtype: Dtype = "float32"
    shape: tuple[int, ...] | None = None
    missing: int | float | str | None = None
    levels: tuple[Any, ...] | None = None
    unknown: int | None = None
    finite: bool = False
    limit: float | None = None


class Prepared(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Tensors that a named preparer of this cloche makes (tokens, say) from `settings` and `files` of the artifact."""

    by: str
    settings: dict[str, Any] = {}
    files: tuple[str, ...] = ()


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    An output tensor, and what is done to it.

    A label is one of the model's own `labels`, in the order of the contract's classes; without them its place.
    `probabilities` are (n, classes), or (n, 1) for the second of two; of a map from label to number the `labels` are
    taken in order. `value` is (n, outputs), `score` (n, 1), `embedding` (n, length).
    """

    name: str
    role: Role
    apply: Apply = "none"
    labels: tuple[Any, ...] | None = None


class Interface(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Inputs by tensors or by a preparer, outputs by role; `one_row`: the model takes a batch of one only."""

    outputs: tuple[Result, ...]
    inputs: tuple[Tensor, ...] = ()
    prepared: Prepared | None = None
    one_row: bool = False

    def limit(self) -> float | None:
        """The smallest limit of its tensors."""
        return min((one.limit for one in self.inputs if one.limit is not None), default=None)

    def result(self, role: Role) -> Result | None:
        """The output of this role, or None."""
        return next((one for one in self.outputs if one.role == role), None)

    def to_json(self) -> bytes:
        """The bytes of `onnx/interface.json`."""
        document = {"schema": FORMAT, **msgspec.to_builtins(self)}
        return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"

    @classmethod
    def from_json(cls, raw: bytes) -> Interface:
        """
        Raises:
            ManifestError: *raw* is no interface of this format, or contradicts itself.
        """
        try:
            document = msgspec.json.decode(raw, type=dict[str, Any])
            schema = document.pop("schema", None)
            if schema != FORMAT:
                raise ManifestError(f"{INTERFACE}: expected schema '{FORMAT}', got {schema!r}")
            found = msgspec.convert(document, cls)
        except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
            raise ManifestError(f"{INTERFACE}: {exc}") from exc
        found.check()
        return found

    def check(self) -> None:
        """
        Raises:
            ManifestError: a rule of the format is broken.
        """
        if bool(self.inputs) == (self.prepared is not None):
            raise ManifestError(f"{INTERFACE}: expected either inputs or a preparer")
        for names in ([one.name for one in self.inputs], [one.role for one in self.outputs]):
            if len(set(names)) != len(names):
                raise ManifestError(f"{INTERFACE}: expected each name and role once, got {', '.join(names)}")
        for one in self.inputs:
            _check_tensor(one)
        if not self.outputs:
            raise ManifestError(f"{INTERFACE}: expected an output")


def _check_tensor(one: Tensor) -> None:
    where = f"{INTERFACE}: inputs: {one.name}"
    if not one.fields or (one.shape == () and len(one.fields) != 1):
        raise ManifestError(f"{where}: expected fields, one for a shape of [], got {len(one.fields)}")
    if any(size < 1 for size in one.shape or ()):
        raise ManifestError(f"{where}: a shape of {list(one.shape or ())}")
    text = one.dtype == "string"
    if one.missing is not None and isinstance(one.missing, str) != (
        text or (one.missing == "nan" and one.dtype.startswith("float"))
    ):
        raise ManifestError(f"{where}: a missing value of {one.dtype} cannot be {one.missing!r}")
    if one.levels is not None and (text or len(one.fields) != 1):
        raise ManifestError(f"{where}: levels number the values of one field in a tensor of numbers")
