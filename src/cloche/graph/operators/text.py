"""Text to counts of its terms, always sparse."""

from __future__ import annotations

from typing import ClassVar, Literal

from cloche.graph.operator import Operator
from cloche.graph.shapes import Kind, Shape, Weights, expect

MAX_NGRAM = 20


class _Analyzer(Operator, frozen=True, kw_only=True):
    """
    How a text becomes terms.

    `words` are runs of two or more word characters (`long`), or of one or more (`short`); `char` n-grams of
    characters, `char_wb` of characters within words. Missing text refuses the row.
    """

    analyzer: Literal["word", "char", "char_wb"] = "word"
    words: Literal["long", "short"] = "long"
    lowercase: bool = True
    accents: Literal["keep", "ascii", "unicode"] = "keep"
    ngrams: tuple[int, int] = (1, 1)
    stop_words: tuple[str, ...] = ()
    binary: bool = False
    takes: ClassVar[tuple[Kind, ...]] = ("objects",)

    def _check_text(self, inputs: tuple[Shape, ...]) -> None:
        low, high = self.ngrams
        expect(inputs[0].width == 1, "terms: expected one column of text")
        expect(1 <= low <= high <= MAX_NGRAM, f"terms: n-grams of {low} to {high}")


class Terms(_Analyzer, frozen=True, kw_only=True, tag="terms"):
    """How often each term of the vocabulary occurs; a term's column is its place in the list."""

    vocabulary: tuple[str, ...]

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """One column of text, no term twice."""
        self._check_text(inputs)
        expect(len(set(self.vocabulary)) == len(self.vocabulary), "terms: a term stands twice")
        return Shape("sparse", len(self.vocabulary))


class HashedTerms(_Analyzer, frozen=True, kw_only=True, tag="hashed_terms"):
    """How often terms occur, in the column of their MurmurHash3 (32 bit, seed 0), with its sign where `signed`."""

    width: int
    signed: bool = True

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """One column of text."""
        self._check_text(inputs)
        expect(self.width > 0, f"hashed_terms: {self.width} columns")
        return Shape("sparse", self.width)


class Sublinear(Operator, frozen=True, kw_only=True, tag="sublinear"):
    """1 + log of every count that is not zero."""

    takes: ClassVar[tuple[Kind, ...]] = ("sparse",)

    def check(self, inputs: tuple[Shape, ...], weights: Weights) -> Shape:
        """As wide as what it reads."""
        return inputs[0]
