"""Texts to tokens, and tokens to the arrays of whole numbers that a net is shown; a row is never lost or moved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cloche.flavors.tokens import Tokenizer
from cloche.flavors.tokens.options import TextOptions

Array = np.ndarray[Any, Any]
#: Tokens that are asked together, padding with them.
MAX_TOKENS = 65_536


def tokens_of(texts: Sequence[Any], tokenizer: Tokenizer, max_length: int) -> list[list[int]]:
    """
    At least one token a text: one without words is a single unknown one, where there is no such a padding one.

    Raises:
        TypeError: something is no text.
    """
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"expected a text, got {type(text).__name__}")
    empty = tokenizer.pad if tokenizer.unknown is None else tokenizer.unknown
    return [one or [empty] for one in tokenizer.encode(texts, max_length)]


def batches(tokens: Sequence[Sequence[int]], how: TextOptions, pad: int) -> Iterator[tuple[list[int], list[Array]]]:
    """
    The arguments of a net for some of the texts at a time, and the places of these.

    Ids are (texts, tokens) int64, or one row of all tokens where the next argument are offsets.
    """
    for places in _places([len(one) for one in tokens], how):
        batch = [tokens[place] for place in places]
        yield places, _arguments(batch, how, pad)


def _places(lengths: Sequence[int], how: TextOptions) -> Iterator[list[int]]:
    """Texts of like length together, so that little is padded; in their own order inside of each batch."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        length = how.max_length if how.padding == "fixed" else lengths[place]
        other = how.padding == "equal" and batch and lengths[batch[0]] != length
        if batch and (other or (len(batch) + 1) * length > MAX_TOKENS):
            yield sorted(batch)
            batch = []
        batch.append(place)
    if batch:
        yield sorted(batch)


def _arguments(batch: Sequence[Sequence[int]], how: TextOptions, pad: int) -> list[Array]:
    lengths = np.array([len(one) for one in batch], dtype=np.int64)
    if how.mask == "offsets":
        flat = np.concatenate([np.asarray(one, dtype=np.int64) for one in batch])
        return [flat, np.cumsum(lengths) - lengths]
    length = how.max_length if how.padding == "fixed" else int(lengths.max())
    ids = np.full((len(batch), length), pad, dtype=np.int64)
    for row, one in enumerate(batch):
        ids[row, : len(one)] = one
    if how.mask == "none":
        return [ids]
    if how.mask == "lengths":
        return [ids, lengths]
    there = np.arange(length) < lengths[:, None]
    return [ids, there.astype(np.int64) if how.mask == "int64" else there ^ (how.mask == "padding")]
