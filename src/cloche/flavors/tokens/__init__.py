"""
Tokenizers: a text becomes whole numbers by rules that lie in the artifact as data.

Each kind is a file of its own, because each needs another library (or none).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from cloche.errors import ManifestError, MissingExtraError, MissingFileError, SaveRefusedError, UsageError


class Tokenizer(Protocol):
    """
    What a kind of tokenizer does.

    `size` is one more than the largest number that it gives, `pad` the number that fills up, `unknown` the one for
    what it does not know (None: nothing). `fixed`: its owner says that the net wants every text padded to one length.
    """

    kind: ClassVar[str]
    file: ClassVar[str]
    size: int
    pad: int
    unknown: int | None
    fixed: bool

    def encode(self, texts: Sequence[str], max_length: int) -> list[list[int]]:
        """The numbers of each text, at most *max_length*; there may be none."""

    def words(self, most: int) -> list[str]:
        """At most *most* words that it knows, the first ones first."""

    def to_bytes(self) -> bytes:
        """What lies in `file`."""


KINDS = {
    "words": "cloche.flavors.tokens.words:Words",
    "tokenizers": "cloche.flavors.tokens.hugging_face:HuggingFace",
    "sentencepiece": "cloche.flavors.tokens.sentence_pieces:SentencePieces",
}


def _kind(name: str) -> Any:
    module, _, attribute = KINDS[name].partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as exc:
        if (exc.name or "").startswith("cloche"):
            raise
        raise MissingExtraError(f"a tokenizer of the kind '{name}'", exc.name or name, "text") from exc


def tokenizer_of(given: Any) -> Tokenizer:
    """
    The tokenizer that an owner gave: a dict, the bytes or the path of a file, or an object of its library.

    Raises:
        UsageError: it is none of these.
        SaveRefusedError: it is a function, or it cannot be stored.
    """
    root = type(given).__module__.partition(".")[0]
    made: Tokenizer
    if isinstance(given, Mapping):
        made = _kind("words").of(given)
    elif isinstance(given, (str, Path)):
        made = _of_file(Path(given))
    elif isinstance(given, bytes):
        made = _kind("tokenizers" if given.lstrip()[:1] == b"{" else "sentencepiece").of_bytes(given, "tokenizer")
    elif root == "sentencepiece":
        made = _kind("sentencepiece").of_bytes(given.serialized_model_proto(), "tokenizer")
    elif root == "tokenizers" or hasattr(given, "backend_tokenizer"):
        text = getattr(given, "backend_tokenizer", given).to_str()
        made = _kind("tokenizers").of_bytes(text.encode(), "tokenizer")
    elif callable(given):
        raise SaveRefusedError(
            "tokenizer: a function cannot be stored; give its vocabulary as a dict (word → number), a tokenizer.json "
            "of the library tokenizers, or a sentencepiece model"
        )
    else:
        raise UsageError(
            "tokenizer: expected a dict (word → number), a tokenizer.json or sentencepiece model (a path or its "
            f"bytes), or a tokenizer of these libraries, got {type(given).__name__}"
        )
    return made


def _of_file(path: Path) -> Tokenizer:
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise UsageError(f"tokenizer: {path}: {exc.strerror}") from exc
    made: Tokenizer
    if path.suffix.lower() != ".json":
        made = _kind("sentencepiece").of_bytes(raw, str(path))
        return made
    words = _kind("words").of_json(raw)
    made = words if words is not None else _kind("tokenizers").of_bytes(raw, str(path))
    return made


def open_tokenizer(kind: str, files: Mapping[str, bytes]) -> Tokenizer:
    """
    The tokenizer of an artifact.

    Raises:
        ManifestError: no such kind. MissingFileError: its file is not there.
        WrongFormatError, TamperedModelError: its content breaks a rule.
        MissingExtraError: its library is not installed.
    """
    if kind not in KINDS:
        raise ManifestError(f"manifest.json: options: tokenizer: expected one of {', '.join(KINDS)}, got '{kind[:40]}'")
    found = _kind(kind)
    if found.file not in files:
        raise MissingFileError(f"{found.file}: expected the tokenizer, but the manifest lists no such file")
    made: Tokenizer = found.of_bytes(files[found.file], found.file)
    return made
