"""What the manifest says of a net, as plain data: how it is built, how it is asked, what its numbers mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from cloche.errors import ManifestError
from cloche.flavors.tokens.options import TextOptions

WEIGHTS = "model.safetensors"


class NetOptions(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """
    The manifest's `options` of a net.

    `module` is its structure (`layers.py`) or its class and config (`classes.py`). `meta`: built without memory, its
    tensors then put in place; else built as its class builds it. `tied` names tensors that share another's memory.
    `answers` says what the net's numbers are; there are `width` of them a row. `columns` counts the columns of the
    matrix that a net without text is shown.
    """

    module: dict[str, Any]
    answers: Literal["logits", "probabilities", "values"]
    width: int
    dtype: str = "float32"
    meta: bool = True
    tied: dict[str, str] = {}
    columns: int | None = None
    text: TextOptions | None = None

    def to_dict(self) -> dict[str, Any]:
        """As the manifest holds it."""
        return dict(msgspec.to_builtins(self))


def parsed(options: Mapping[str, Any]) -> NetOptions:
    """
    Raises:
        ManifestError: *options* are not those of a net.
    """
    try:
        return msgspec.convert(dict(options), NetOptions)
    except msgspec.ValidationError as exc:
        raise ManifestError(f"manifest.json: options: {exc}") from exc
