"""What the manifest says of a net, as plain data: how it is built, how it is asked, what its numbers mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from cloche.errors import ManifestError

WEIGHTS = "model.safetensors"

#: How a second argument of `forward` is made: 1 where there is a token (integers, booleans), True where there is
#: none, the number of tokens, or where each text begins in one long row of tokens.
Mask = Literal["none", "int64", "bool", "padding", "lengths", "offsets"]
#: `longest`: a batch is padded to its longest text; `fixed`: every text to `max_length`; `equal`: only texts of one
#: length are asked together, because padding changes the answers.
Padding = Literal["longest", "fixed", "equal"]


class TextOptions(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """
    How a text becomes the arguments of `forward`.

    `names` are the keywords of ids and mask where they are passed by name. `max_length` counts tokens.
    """

    tokenizer: str
    max_length: int
    padding: Padding = "longest"
    mask: Mask = "none"
    names: tuple[str, ...] = ()


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
