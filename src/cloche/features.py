"""
Texts and vectors as rows of small whole numbers, from which nobody reads them back: what a classifier of samples learns
from.

The features of a value are the same for ever: they stand in artifacts, and a window of years later is compared with
them. Whoever changes how they are made gives the kind a new name.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

Rows = np.ndarray[Any, np.dtype[np.uint8]]
Values = np.ndarray[Any, np.dtype[np.float64]]
Words = np.ndarray[Any, np.dtype[np.uint64]]
#: Buckets that words fall into: many words share one, so that none can be told from it.
WORD_BUCKETS: Final = 128
#: More numbers than this are projected onto so many directions.
DIRECTIONS: Final = 64
#: Of longer texts the beginning counts, so that one text costs no more than this.
_MAX_CHARACTERS: Final = 4_000
_MAX_WIDTH: Final = 1_024
#: Whole numbers for one standard deviation, around the middle of a byte; more deviations than these are as many.
_STEPS, _MIDDLE, _MOST = 31, 128, 4.0
#: Thai, Lao, Burmese, Khmer, Chinese, Japanese, Korean: no blanks between words, or long ones.
_UNSPACED: Final = r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff]"
#: Runs of letters of either kind; digits are no words, as numbers and ids are of one row alone.
_RUNS: Final = re.compile(rf"({_UNSPACED}+)|((?:(?!{_UNSPACED})[^\W\d_])+)")


class Features(Protocol):
    """How the values of one field become rows of `width` whole numbers from 0 to 255."""

    @property
    def width(self) -> int:
        """How many whole numbers a row has."""
        ...

    def rows(self, values: Sequence[Any]) -> tuple[np.ndarray[Any, np.dtype[np.bool_]], Rows]:
        """Which of *values* can be described (n,), and these as rows (m, width)."""
        ...

    def to_numbers(self, rows: Rows) -> Values:
        """*rows* (n, width) as a classifier wants them: of about the same size."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for `of`."""
        ...


def of(given: Mapping[str, Any]) -> Features:
    """
    What `to_dict` gave.

    Raises:
        ValueError: it is no description that this cloche knows.
    """
    kinds: dict[str, type[WordCounts] | type[Projection]] = {"words": WordCounts, "projection": Projection}
    kind = kinds.get(str(given.get("kind")))
    if kind is None:
        raise ValueError(f"features: expected a kind of {', '.join(kinds)}, got {given.get('kind')!r}")
    return kind.from_dict(given)


@dataclass(frozen=True, slots=True)
class WordCounts:
    """
    How often the words of a text fall into each of `width` buckets, by a hash (Weinberger and others 2009).

    A word is a run of letters, without regard to case; of scripts that put no blanks between words, two neighbouring
    characters. What is counted more than 255 times counts so often.
    """

    width: int = WORD_BUCKETS

    def rows(self, values: Sequence[Any]) -> tuple[np.ndarray[Any, np.dtype[np.bool_]], Rows]:
        there = np.array([isinstance(value, str) for value in values], dtype=np.bool_)
        found = np.zeros((int(there.sum()), self.width), dtype=np.uint8)
        for row, value in zip(found, (value for value in values if isinstance(value, str)), strict=True):
            for place, n in Counter(map(self._bucket, _words(value[:_MAX_CHARACTERS]))).items():
                row[place] = min(n, 255)
        return there, found

    def to_numbers(self, rows: Rows) -> Values:
        """Roots of counts, every row of length 1: neither a frequent word nor a long text outweighs the others."""
        roots = np.sqrt(rows.astype(np.float64))
        found: Values = roots / np.maximum(np.linalg.norm(roots, axis=1, keepdims=True), 1e-12)
        return found

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "words", "width": self.width}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> WordCounts:
        return cls(_whole(given, "width", _MAX_WIDTH))

    def _bucket(self, word: str) -> int:
        return zlib.crc32(word.encode("utf-8", "surrogatepass")) * 0x9E3779B1 % 2**32 * self.width >> 32


def _words(text: str) -> list[str]:
    found: list[str] = []
    for unspaced, word in _RUNS.findall(text.casefold()):
        if len(unspaced) > 1:
            found += [unspaced[place : place + 2] for place in range(len(unspaced) - 1)]
        else:
            found.append(unspaced or word)
    return found


@dataclass(frozen=True, slots=True)
class Projection:
    """
    A vector of `length` numbers, or where these are more than `DIRECTIONS` its projection onto that many random
    directions (signs, fixed for ever; Achlioptas 2003), in standard deviations of the reference, four at most.
    """

    length: int
    center: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def fitted(cls, vectors: Values) -> Projection:
        """Of the reference's *vectors* (n, length), all finite."""
        shown = _projected(vectors)
        center, scale = shown.mean(axis=0), shown.std(axis=0)
        return cls(vectors.shape[1], tuple(center.tolist()), tuple(np.where(scale > 0, scale, 1.0).tolist()))

    @property
    def width(self) -> int:
        return len(self.center)

    def rows(self, values: Sequence[Any]) -> tuple[np.ndarray[Any, np.dtype[np.bool_]], Rows]:
        there = np.array([_is_vector(value, self.length) for value in values], dtype=np.bool_)
        kept = [value for value, wanted in zip(values, there, strict=True) if wanted]
        vectors = np.array(kept, dtype=np.float64).reshape(len(kept), self.length)
        with np.errstate(over="ignore", invalid="ignore"):
            off = np.nan_to_num((_projected(vectors) - np.array(self.center)) / np.array(self.scale))
        steps = np.rint(np.clip(off, -_MOST, _MOST) * _STEPS)
        return there, (steps + _MIDDLE).astype(np.uint8)

    def to_numbers(self, rows: Rows) -> Values:
        """Standard deviations of the reference."""
        found: Values = (rows.astype(np.float64) - _MIDDLE) / _STEPS
        return found

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "projection", "length": self.length, "center": list(self.center), "scale": list(self.scale)}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Projection:
        length, center, scale = _whole(given, "length", 2**24), given.get("center"), given.get("scale")
        wanted = min(length, DIRECTIONS)
        for name, numbers in (("center", center), ("scale", scale)):
            if not isinstance(numbers, list) or len(numbers) != wanted or not np.isfinite(np.array(numbers)).all():
                raise ValueError(f"features: {name}: expected {wanted} finite numbers")
        if not (np.array(scale) > 0).all():
            raise ValueError("features: scale: expected numbers above 0")
        return cls(length, tuple(map(float, center or ())), tuple(map(float, scale or ())))


def _is_vector(value: Any, length: int) -> bool:
    if not isinstance(value, (list, tuple, np.ndarray)) or len(value) != length or any(one is None for one in value):
        return False
    return bool(np.isfinite(np.asarray(value, dtype=np.float64)).all())


def _projected(vectors: Values) -> Values:
    if vectors.shape[1] <= DIRECTIONS:
        return vectors
    found: Values = vectors @ _signs(vectors.shape[1])
    return found


def _signs(length: int) -> Values:
    """Signs (length, DIRECTIONS): the bits of the mixed numbers 0, 1, 2 … (NumPy's own streams may change)."""
    bits = mixed(np.arange(length, dtype=np.uint64))[:, None] >> np.arange(DIRECTIONS, dtype=np.uint64)
    found: Values = np.where(bits & np.uint64(1), 1.0, -1.0) / np.sqrt(length)
    return found


def mixed(numbers: Words) -> Words:
    """Whole numbers of 64 bits as others that look random, each number always as the same (SplitMix64, Steele 2014)."""
    found = numbers + np.uint64(0x9E3779B97F4A7C15)
    found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return found ^ (found >> np.uint64(31))


def _whole(given: Mapping[str, Any], name: str, most: int) -> int:
    value = given.get(name)
    if not isinstance(value, int) or not 0 < value <= most:
        raise ValueError(f"features: {name}: expected a whole number from 1 to {most}, got {value!r}")
    return value
