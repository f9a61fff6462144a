"""The home of sentencepiece: its `.model` file, which is data."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, ClassVar

from sentencepiece import SentencePieceProcessor

from cloche.errors import WrongFormatError


class SentencePieces:
    """Texts to pieces; no begin or end is added. What pads is the model's pad, else its unknown piece."""

    kind: ClassVar[str] = "sentencepiece"
    file: ClassVar[str] = "tokenizer.model"

    def __init__(self, processor: Any, raw: bytes) -> None:
        self._processor = processor
        self._raw = raw
        self.fixed = False
        unknown = processor.unk_id()
        self.unknown = unknown if unknown >= 0 else None
        self.pad = processor.pad_id() if processor.pad_id() >= 0 else max(unknown, 0)
        self.size = max(processor.get_piece_size(), self.pad + 1)

    @classmethod
    def of_bytes(cls, raw: bytes, name: str) -> SentencePieces:
        """
        Raises:
            WrongFormatError: the library does not read it.
        """
        processor = SentencePieceProcessor()
        try:
            if not raw:
                raise ValueError("it is empty")
            processor.load_from_serialized_proto(raw)
            return cls(processor, raw)
        except (RuntimeError, ValueError, TypeError, OSError, IndexError) as exc:
            raise WrongFormatError(f"{name}: expected a sentencepiece model: {exc}") from exc

    def encode(self, texts: Sequence[str], max_length: int) -> list[list[int]]:
        """The pieces of each text."""
        return [list(one)[:max_length] for one in self._processor.encode(list(texts), out_type=int)]

    def words(self, most: int) -> list[str]:
        """Pieces that begin a word, by id."""
        pieces = (self._processor.id_to_piece(place) for place in range(self._processor.get_piece_size()))
        found = (piece.removeprefix("\u2581") for piece in pieces if piece.startswith("\u2581"))
        return list(islice((piece for piece in found if piece.isalpha()), most))

    def to_bytes(self) -> bytes:
        """`tokenizer.model`, as it came."""
        return self._raw
