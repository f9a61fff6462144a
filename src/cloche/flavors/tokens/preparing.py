"""The preparer `tokens` of an ONNX form: texts become its input tensors, as they do for the net itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from cloche.errors import ManifestError
from cloche.flavors.tokens import open_tokenizer
from cloche.flavors.tokens.batches import batches, tokens_of
from cloche.flavors.tokens.options import TextOptions
from cloche.onnx import INTERFACE
from cloche.onnx.runner import Group, Prepare
from cloche.records import Columns


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The field that holds the texts, how they are shown, and the names of the tensors for ids and mask."""

    field: str
    text: TextOptions
    tensors: tuple[str, ...]


def prepare(settings: Mapping[str, Any], files: Mapping[str, bytes]) -> Prepare:
    """
    Raises:
        ManifestError: *settings* are none of this preparer.
        WrongFormatError, TamperedModelError, MissingExtraError: the tokenizer cannot be opened.
    """
    try:
        said = msgspec.convert(dict(settings), Settings)
    except msgspec.ValidationError as exc:
        raise ManifestError(f"{INTERFACE}: prepared: {exc}") from exc
    tokenizer = open_tokenizer(said.text.tokenizer, files)

    def prepared(columns: Columns, n: int) -> Iterable[Group]:
        tokens = tokens_of(columns[said.field], tokenizer, said.text.max_length)
        for places, arrays in batches(tokens, said.text, tokenizer.pad):
            yield places, dict(zip(said.tensors, arrays, strict=True))

    return prepared
