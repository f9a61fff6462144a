"""Tokenizers: the rule for a vocabulary, the libraries' own files, what is refused, and texts that never move."""

from __future__ import annotations

import importlib.util
import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.errors import (
    ManifestError,
    MissingFileError,
    SaveRefusedError,
    TamperedModelError,
    UsageError,
    WrongFormatError,
)
from cloche.flavors.tokens import Tokenizer, open_tokenizer, tokenizer_of
from cloche.flavors.tokens.batches import batches, tokens_of
from cloche.flavors.tokens.options import TextOptions
from cloche.flavors.tokens.preparing import prepare
from conftest import needs

WORDS = {"<pad>": 0, "<unk>": 1, "i": 2, "loved": 3, "it": 4, "!": 5, "can": 6, "'": 7, "t": 8, "Loved": 9}


@pytest.mark.parametrize(
    ("said", "text", "numbers"),
    [
        pytest.param(WORDS, "I LOVED it!", [2, 3, 4, 5], id="lower-case-and-marks"),
        pytest.param(WORDS, "I can't", [2, 6, 7, 8], id="apostrophe"),
        pytest.param(WORDS, "loved\n\tfilms", [3, 1], id="unknown"),
        pytest.param(WORDS, " ", [], id="nothing"),
        pytest.param(WORDS, "i " * 9, [2] * 5, id="cut"),
        pytest.param({"vocabulary": WORDS, "lowercase": False}, "Loved it", [9, 4], id="as-written"),
        pytest.param({"vocabulary": WORDS, "split": "whitespace"}, "i loved it!", [2, 3, 1], id="white-space"),
        pytest.param({"vocabulary": {"a": 1, "b": 2}, "split": "characters"}, "abc", [1, 2], id="characters"),
        pytest.param({"vocabulary": {"a": 1, "b": 2}}, "a c b", [1, 2], id="unknown-left-out"),
        pytest.param({"vocabulary": {"a": 1}, "unknown": 7}, "a c", [1, 7], id="unknown-said"),
        pytest.param({"a": np.int64(1)}, "a", [1], id="numbers-of-numpy"),
    ],
)
def test_a_vocabulary(said: Any, text: str, numbers: list[int]) -> None:
    words = tokenizer_of(said)
    assert words.encode([text], 5) == [numbers]
    again = open_tokenizer("words", {words.file: words.to_bytes()})
    assert again.encode([text], 5) == [numbers]
    assert (again.pad, again.unknown, again.size, again.fixed) == (words.pad, words.unknown, words.size, words.fixed)


@pytest.mark.parametrize(
    ("given_", "error", "words"),
    [
        pytest.param({}, UsageError, "expected 1 to", id="empty"),
        pytest.param({"a": "b"}, UsageError, "Expected `int`", id="words-for-numbers"),
        pytest.param({"a": -1}, UsageError, "from 0 on", id="negative"),
        pytest.param({"vocabulary": {"a": 1}, "splitt": "words"}, UsageError, "splitt", id="misspelt"),
        pytest.param({"vocabulary": {"a": 1}, "split": "regex"}, UsageError, "regex", id="unknown-rule"),
        pytest.param(str.split, SaveRefusedError, "a function cannot be stored", id="function"),
        pytest.param(7, UsageError, "expected a dict", id="number"),
        pytest.param("nowhere.json", UsageError, "No such file", id="no-file"),
    ],
)
def test_what_is_no_tokenizer_is_refused(given_: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        tokenizer_of(given_)


@pytest.mark.parametrize(
    ("kind", "files", "error"),
    [
        pytest.param("pickle", {}, ManifestError, id="unknown-kind"),
        pytest.param("words", {}, MissingFileError, id="no-file"),
        pytest.param("words", {"vocabulary.json": b"\x80\x04."}, WrongFormatError, id="pickle"),
        pytest.param("words", {"vocabulary.json": b'{"vocabulary": {"a": 1.5}}'}, WrongFormatError, id="fractions"),
        pytest.param(
            "words", {"vocabulary.json": b'{"vocabulary": {"a": 1}, "code": "x"}'}, WrongFormatError, id="more"
        ),
        pytest.param("words", {"vocabulary.json": b'{"vocabulary": {"a": -3}}'}, TamperedModelError, id="negative"),
        pytest.param("words", {"vocabulary.json": b'{"vocabulary": {}}'}, TamperedModelError, id="empty"),
        pytest.param("words", {"vocabulary.json": b"[" * 100_000}, WrongFormatError, id="deep"),
    ],
)
def test_a_vocabulary_that_lies_is_refused(kind: str, files: dict[str, bytes], error: type[Exception]) -> None:
    with pytest.raises(error):
        open_tokenizer(kind, files)


# -- the libraries' own ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def piece() -> Tokenizer:
    """A word piece tokenizer that adds [CLS] and [SEP], as its library writes it."""
    needs(importlib.util.find_spec("tokenizers"), "needs tokenizers")
    library = importlib.import_module("tokenizers")
    words = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "i": 4, "loved": 5, "it": 6, "##s": 7}
    own = library.Tokenizer(library.models.WordPiece(words, unk_token="[UNK]"))
    own.normalizer = library.normalizers.Lowercase()
    own.pre_tokenizer = library.pre_tokenizers.Whitespace()
    own.post_processor = library.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer_of(own)


def test_a_tokenizer_json(piece: Tokenizer) -> None:
    again = open_tokenizer("tokenizers", {piece.file: piece.to_bytes()})
    assert again.encode(["I loved its", "film"], 16) == [[2, 4, 5, 6, 7, 3], [2, 1, 3]]
    assert again.encode(["I loved its"], 4) == [[2, 4, 5, 3]], "cutting leaves the special tokens"
    assert (again.pad, again.unknown, again.size, again.fixed) == (0, 1, 8, False)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x80\x04.", id="pickle"),
        pytest.param(b"{}", id="no-model"),
        pytest.param(b'{"model": {"type": "WordPiece", "vocab": {"a": -1}}}', id="negative"),
        pytest.param(b'{"model": {"type": "WordPiece", "vocab": {"a": 1099511627776}}}', id="too-large"),
        pytest.param(b'{"model": {"type": "Custom", "code": "import os"}}', id="unknown-model"),
        pytest.param(b"[" * 100_000, id="deep"),
    ],
)
def test_a_tokenizer_json_that_lies_is_refused(piece: Tokenizer, raw: bytes) -> None:
    with pytest.raises(WrongFormatError):
        open_tokenizer("tokenizers", {"tokenizer.json": raw})


def test_a_tokenizer_json_cut_or_changed_anywhere_is_opened_or_refused(piece: Tokenizer) -> None:
    raw, opened = piece.to_bytes(), 0
    for place in range(0, len(raw), 7):
        for changed in (raw[:place], raw[:place] + bytes([raw[place] ^ 4]) + raw[place + 1 :]):
            try:
                open_tokenizer("tokenizers", {"tokenizer.json": changed}).encode(["i loved it"], 8)
                opened += 1
            except WrongFormatError:
                continue
    assert opened, "some changes are harmless"


@pytest.fixture(scope="module")
def sentence() -> bytes:
    """A sentencepiece model of 30 pieces."""
    needs(importlib.util.find_spec("sentencepiece"), "needs sentencepiece")
    library = importlib.import_module("sentencepiece")
    written = io.BytesIO()
    library.SentencePieceTrainer.train(
        sentence_iterator=iter(
            ["I loved this movie", "a terrible film", "the plot was thin but the acting was great"] * 20
        ),
        model_writer=written,
        vocab_size=30,
        minloglevel=2,
    )
    return written.getvalue()


def test_a_sentencepiece_model(sentence: bytes) -> None:
    made = tokenizer_of(sentence)
    again = open_tokenizer("sentencepiece", {made.file: made.to_bytes()})
    (numbers,) = again.encode(["I loved it"], 32)
    assert numbers == made.encode(["I loved it"], 32)[0]
    assert again.encode(["I loved it"], 3) == [numbers[:3]]
    assert (again.size, again.unknown, again.pad) == (30, 0, 0), "it has no piece that pads"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda raw: b"", id="empty"),
        pytest.param(lambda raw: b"\x80\x04.", id="pickle"),
        pytest.param(lambda raw: raw[: len(raw) // 2], id="cut-off"),
        pytest.param(lambda raw: raw[100:], id="without-its-beginning"),
        pytest.param(lambda raw: raw.replace(b"\x0a", b"\x0b"), id="other-fields"),
    ],
)
def test_a_sentencepiece_model_that_is_broken_is_refused(sentence: bytes, change: Any) -> None:
    with pytest.raises(WrongFormatError):
        open_tokenizer("sentencepiece", {"tokenizer.model": change(sentence)})


# -- batches --------------------------------------------------------------------------------------

HOW = st.builds(
    TextOptions,
    tokenizer=st.just("words"),
    max_length=st.just(6),
    padding=st.sampled_from(["longest", "fixed", "equal"]),
    mask=st.sampled_from(["none", "int64", "bool", "padding", "lengths", "offsets"]),
)


@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=6), min_size=1, max_size=12), HOW)
def test_every_text_is_asked_once_with_its_own_tokens(tokens: list[list[int]], how: TextOptions) -> None:
    seen: dict[int, list[int]] = {}
    for places, (ids, *more) in batches(tokens, how, 0):
        assert places == sorted(places)
        if how.mask == "offsets":
            ends = [*more[0].tolist()[1:], len(ids)]
            rows = [ids[start:end].tolist() for start, end in zip(more[0].tolist(), ends, strict=True)]
        else:
            rows = [[one for one in row if one] for row in ids.tolist()]
            assert how.padding != "fixed" or ids.shape[1] == 6
            assert how.padding != "equal" or (ids != 0).all()
        seen |= dict(zip(places, rows, strict=True))
        if how.mask in ("int64", "bool"):
            assert (more[0] == (ids != 0)).all()
        elif how.mask == "padding":
            assert (more[0] == (ids == 0)).all()
        elif how.mask == "lengths":
            assert more[0].tolist() == [len(row) for row in rows]
    assert [seen[place] for place in range(len(tokens))] == tokens


def test_a_text_without_words_is_one_unknown_token() -> None:
    assert tokens_of(["", "loved"], tokenizer_of(WORDS), 4) == [[1], [3]]
    assert tokens_of([""], tokenizer_of({"a": 3, "<pad>": 2}), 4) == [[2]]
    with pytest.raises(TypeError, match="expected a text, got NoneType"):
        tokens_of([None], tokenizer_of(WORDS), 4)


def test_the_preparer_of_an_onnx_form() -> None:
    words = tokenizer_of(WORDS)
    settings = {
        "field": "text",
        "text": {"tokenizer": "words", "max_length": 4, "mask": "int64"},
        "tensors": ["a", "b"],
    }
    groups = list(prepare(settings, {words.file: words.to_bytes()})({"text": ["i", "i loved it"]}, 2))
    ((places, arrays),) = groups
    assert places == [0, 1]
    assert arrays["a"].tolist() == [[2, 0, 0], [2, 3, 4]]
    assert arrays["b"].tolist() == [[1, 0, 0], [1, 1, 1]]
    with pytest.raises(ManifestError, match="mask"):
        prepare(json.loads(json.dumps(settings).replace("int64", "eval")), {})
