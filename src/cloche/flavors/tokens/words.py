"""
A vocabulary: a dict from words to numbers, and the rule by which a text falls into words.

The rule, unless its owner says otherwise: lower case, then every run of letters, digits and `_` is a word, and so is
every other character that is no white space: `I can't.` → `i`, `can`, `'`, `t`, `.`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import msgspec

from cloche.errors import TamperedModelError, UsageError, WrongFormatError

FILE = "vocabulary.json"
PADS = ("<pad>", "[PAD]", "<PAD>", "[pad]", "PAD", "<blank>")
UNKNOWNS = ("<unk>", "[UNK]", "<UNK>", "[unk]", "UNK", "<oov>", "<OOV>")
_WORD = re.compile(r"\w+|[^\w\s]")
_SPLIT: dict[str, Callable[[str], list[str]]] = {
    "words": _WORD.findall,
    "whitespace": str.split,
    "characters": list,
}
MAX_WORDS = 10_000_000


class Vocabulary(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """
    `vocabulary.json`, and what an owner may say besides the words.

    `pad` fills up, `unknown` stands for words that are not there (null: they are left out). `padding` "fixed": every
    text is padded to `max_length`, because the net was trained so.
    """

    vocabulary: dict[str, int]
    split: Literal["words", "whitespace", "characters"] = "words"
    lowercase: bool = True
    pad: int | None = None
    unknown: int | None = None
    padding: Literal["longest", "fixed"] = "longest"


class Words:
    """Texts to numbers by a vocabulary."""

    kind: ClassVar[str] = "words"
    file: ClassVar[str] = FILE

    def __init__(self, said: Vocabulary) -> None:
        words = said.vocabulary
        if not words or len(words) > MAX_WORDS or min(words.values()) < 0:
            raise ValueError(f"expected 1 to {MAX_WORDS} words with numbers from 0 on")
        self._said = said
        self._words = words
        self._split = _SPLIT[said.split]
        self.fixed = said.padding == "fixed"
        self.pad = next((words[one] for one in PADS if one in words), 0) if said.pad is None else said.pad
        self.unknown = (
            next((words[one] for one in UNKNOWNS if one in words), None) if said.unknown is None else said.unknown
        )
        self.size = max(*words.values(), self.pad, self.unknown or 0) + 1
        if self.pad < 0 or (self.unknown or 0) < 0:
            raise ValueError("expected numbers from 0 on for pad and unknown")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Words:
        """
        From a dict of words, or one whose "vocabulary" is the dict and which says the rule.

        Raises:
            UsageError: it is neither.
        """
        said = dict(given) if isinstance(given.get("vocabulary"), Mapping) else {"vocabulary": dict(given)}
        try:
            return cls(msgspec.convert(_plain(said), Vocabulary))
        except (msgspec.ValidationError, ValueError, TypeError) as exc:
            raise UsageError(
                f"tokenizer: {exc}: expected a dict of words and their numbers, or "
                '{"vocabulary": {…}, "split": "words" | "whitespace" | "characters", "lowercase": true, "pad": 0, '
                '"unknown": 1, "padding": "longest" | "fixed"}'
            ) from exc

    @classmethod
    def of_bytes(cls, raw: bytes, name: str) -> Words:
        """
        Raises:
            WrongFormatError, TamperedModelError
        """
        try:
            said = _vocabulary.decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
            raise WrongFormatError(f"{name}: expected a vocabulary: {exc}") from exc
        try:
            return cls(said)
        except ValueError as exc:
            raise TamperedModelError(f"{name}: {exc}") from exc

    @classmethod
    def of_json(cls, raw: bytes) -> Words | None:
        """From a JSON file with words and numbers alone, or None where it is something else."""
        try:
            given = msgspec.json.decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        if not isinstance(given, dict):
            return None
        known = isinstance(given.get("vocabulary"), dict) or all(type(one) is int for one in given.values())
        return cls.of(given) if known else None

    def encode(self, texts: Sequence[str], max_length: int) -> list[list[int]]:
        """The numbers of the words of each text."""
        return [self._encode(text)[:max_length] for text in texts]

    def _encode(self, text: str) -> list[int]:
        words = self._split(text.lower() if self._said.lowercase else text)
        if self.unknown is None:
            return [self._words[word] for word in words if word in self._words]
        return [self._words.get(word, self.unknown) for word in words]

    def words(self, most: int) -> list[str]:
        """Words of the vocabulary, by number."""
        special = {*PADS, *UNKNOWNS}
        ordered = sorted(self._words, key=self._words.__getitem__)
        return [word for word in ordered if word not in special][:most]

    def to_bytes(self) -> bytes:
        """`vocabulary.json`, with what was found said outright."""
        said = msgspec.structs.replace(self._said, pad=self.pad, unknown=self.unknown)
        return msgspec.json.format(msgspec.json.encode(said), indent=1) + b"\n"


def _plain(said: dict[str, Any]) -> dict[str, Any]:
    """Numbers of numpy and the like as Python's own; a word is a text."""
    words = {
        word: getattr(number, "item", lambda number=number: number)() for word, number in said["vocabulary"].items()
    }
    return {**said, "vocabulary": words}


_vocabulary = msgspec.json.Decoder(Vocabulary)
