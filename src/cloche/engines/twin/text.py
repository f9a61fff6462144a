"""Text to counts of its terms, as scikit-learn's vectorizers with their own analyzers split it."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from cloche.engines.twin.evaluator import Evaluator, by_row
from cloche.graph.operators import text as ops
from cloche.graph.shapes import Shape, Weights

Shapes = tuple[Shape, ...]
_WORDS = {"long": re.compile(r"(?u)\b\w\w+\b"), "short": re.compile(r"(?u)\b\w+\b")}
_SPACES = re.compile(r"\s\s+")


def analyzer(op: Any) -> Callable[[str], Iterator[str] | list[str]]:
    """The function from a text to its terms."""
    split = _SPLITS[op.analyzer]
    low, high = op.ngrams
    stop, words = frozenset(op.stop_words), _WORDS[op.words]

    def terms(text: Any) -> Iterator[str] | list[str]:
        if not isinstance(text, str):
            raise ValueError("the model takes text here")
        text = text.lower() if op.lowercase else text
        text = _ACCENTS[op.accents](text)
        if op.analyzer == "word":
            tokens = [word for word in words.findall(text) if word not in stop] if stop else words.findall(text)
            return tokens if high == 1 else _joined(tokens, low, high)
        found: Iterator[str] = split(_SPACES.sub(" ", text), low, high)
        return found

    return terms


def _joined(tokens: list[str], low: int, high: int) -> Iterator[str]:
    for length in range(low, min(high, len(tokens)) + 1):
        for start in range(len(tokens) - length + 1):
            yield " ".join(tokens[start : start + length])


def _characters(text: str, low: int, high: int) -> Iterator[str]:
    for length in range(low, min(high, len(text)) + 1):
        for start in range(len(text) - length + 1):
            yield text[start : start + length]


def _within_words(text: str, low: int, high: int) -> Iterator[str]:
    for word in text.split():
        padded = f" {word} "
        for length in range(low, high + 1):
            yield padded[:length]
            for start in range(1, len(padded) - length + 1):
                yield padded[start : start + length]
            if length >= len(padded):  # a short word counts once
                break


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ASCII", "ignore").decode("ASCII")


def _unaccented(text: str) -> str:
    if text.isascii():
        return text
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


_SPLITS: dict[str, Any] = {"word": None, "char": _characters, "char_wb": _within_words}
_ACCENTS: dict[str, Callable[[str], str]] = {"keep": str, "ascii": _ascii, "unicode": _unaccented}


def _terms(op: ops.Terms, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    places = {term: place for place, term in enumerate(op.vocabulary)}
    split, binary = analyzer(op), op.binary

    def count(row: list[Any]) -> dict[int, float]:
        found: dict[int, float] = {}
        for term in split(row[0]):
            place = places.get(term)
            if place is not None:
                found[place] = found.get(place, 0.0) + 1.0
        return dict.fromkeys(found, 1.0) if binary else found

    return count


def _hashed_terms(op: ops.HashedTerms, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    split, width, signed = analyzer(op), op.width, op.signed

    def count(row: list[Any]) -> dict[int, float]:
        found: dict[int, float] = {}
        for term in split(row[0]):
            code = _murmur3(term)
            place = abs(code) % width
            found[place] = found.get(place, 0.0) + (-1.0 if signed and code < 0 else 1.0)
        return dict.fromkeys(found, 1.0) if op.binary else found

    return count


@lru_cache(maxsize=65_536)
def _murmur3(term: str) -> int:
    """MurmurHash3_x86_32 with seed 0 of the UTF-8 bytes, as a signed number (Appleby, public domain)."""
    raw = term.encode()
    h = 0
    for start in range(0, len(raw) - 3, 4):
        h ^= _mixed(int.from_bytes(raw[start : start + 4], "little"))
        h = (h << 13 | h >> 19) & 0xFFFFFFFF
        h = (h * 5 + 0xE6546B64) & 0xFFFFFFFF
    tail = raw[len(raw) & ~3 :]
    if tail:
        h ^= _mixed(int.from_bytes(tail, "little"))
    h ^= len(raw)
    h = ((h ^ h >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    h = ((h ^ h >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    h ^= h >> 16
    return h - (1 << 32) if h & 0x80000000 else h


def _mixed(block: int) -> int:
    block = block * 0xCC9E2D51 & 0xFFFFFFFF
    block = (block << 15 | block >> 17) & 0xFFFFFFFF
    return block * 0x1B873593 & 0xFFFFFFFF


def _sublinear(op: ops.Sublinear, weights: Weights, inputs: Shapes) -> Callable[..., Any]:
    return lambda row: {place: math.log(x) + 1.0 for place, x in row.items()}


EVALUATORS: dict[type, Evaluator] = {
    ops.Terms: by_row(_terms),
    ops.HashedTerms: by_row(_hashed_terms),
    ops.Sublinear: by_row(_sublinear),
}
