"""The home of tokenizers: a `tokenizer.json` as Hugging Face's library writes it. It is data and runs no code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from tokenizers import Tokenizer

from cloche.errors import WrongFormatError
from cloche.flavors.tokens.words import PADS, UNKNOWNS

#: What a file has to take before it is trusted with a request.
_TRIED = ("", "A first try, with 3 words: naïve, 日本語 and \U0001f642.", "x" * 200)


@contextlib.contextmanager
def _panics() -> Iterator[None]:
    """What the library panics with is no Exception, and would end the process: a file may bring that about."""
    try:
        yield
    except Exception:
        raise
    except BaseException as exc:
        if type(exc).__name__ != "PanicException":
            raise
        raise ValueError(f"the library tokenizers gave up: {exc}") from exc


class HuggingFace:
    """
    A tokenizer of any model that the library knows.

    Its special tokens are added, cutting leaves them in place, and padding is ours; where its file asks for padding
    to a fixed length, the net gets that.
    """

    kind: ClassVar[str] = "tokenizers"
    file: ClassVar[str] = "tokenizer.json"

    def __init__(self, tokenizer: Any, raw: bytes) -> None:
        self._tokenizer = tokenizer
        self._raw = raw
        self._length: int | None = None
        padding = tokenizer.padding or {}
        self.fixed = padding.get("length") is not None
        self.pad = int(padding["pad_id"]) if "pad_id" in padding else self._first(PADS) or 0
        self.unknown = self._first(UNKNOWNS)
        self.size = max([0, self.pad, *tokenizer.get_vocab(with_added_tokens=True).values()]) + 1
        tokenizer.no_padding()
        tokenizer.no_truncation()

    def _first(self, tokens: Sequence[str]) -> int | None:
        found = (self._tokenizer.token_to_id(one) for one in tokens)
        return next((one for one in found if one is not None), None)

    @classmethod
    def of_bytes(cls, raw: bytes, name: str) -> HuggingFace:
        """
        Raises:
            WrongFormatError: the library does not read it.
        """
        try:
            with _panics():
                made = cls(Tokenizer.from_str(raw.decode("utf-8")), raw)
                made.encode(_TRIED, 16)
        except Exception as exc:  # the library raises nothing narrower
            raise WrongFormatError(f"{name}: expected a tokenizer.json: {str(exc)[:300]}") from exc
        return made

    def encode(self, texts: Sequence[str], max_length: int) -> list[list[int]]:
        """The ids of each text, special tokens with them."""
        with _panics():
            if self._length != max_length:
                self._tokenizer.enable_truncation(max_length)
                self._length = max_length
            return [list(one.ids) for one in self._tokenizer.encode_batch(list(texts))]

    def words(self, most: int) -> list[str]:
        """Whole words of the vocabulary, by id."""
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=False)
        found = sorted((word for word in vocabulary if word.isalpha()), key=vocabulary.__getitem__)
        return found[:most]

    def to_bytes(self) -> bytes:
        """`tokenizer.json`, as it came."""
        return self._raw
