"""Features: the same for ever, of the same words the same, and of what is no text or vector none."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche import features
from cloche.features import DIRECTIONS, Projection, WordCounts, mixed

VECTORS = np.random.default_rng(3).normal(size=(50, 200))


def digest(rows: np.ndarray) -> str:
    return hashlib.sha256(rows.tobytes()).hexdigest()[:16]


def counted(text: str) -> list[int]:
    return WordCounts().rows([text])[1][0].tolist()


def test_artifacts_of_long_ago_have_the_same_features() -> None:
    _, rows = WordCounts().rows(["The flight was late, and nobody told us.", "東京は晴れ"])
    assert digest(rows) == "42925d5834eb4f07"
    assert mixed(np.array([0, 1], dtype=np.uint64)).tolist() == [16294208416658607535, 10451216379200822465]
    known = Projection(100, (0.0,) * DIRECTIONS, (1.0,) * DIRECTIONS)
    unit = list(np.eye(100) * 1e3)  # each a row of signs, at the limit of four
    assert digest(known.rows(unit)[1]) == "71ca32823108d1a8"


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        pytest.param("late flight", "Late FLIGHT!", True, id="case-and-points"),
        pytest.param("order 1234 is late", "order 98 is late", True, id="numbers-are-no-words"),
        pytest.param("late flight", "flight late", True, id="order"),
        pytest.param("late flight", "late flight late", False, id="how-often"),
        pytest.param("late flight", "lost luggage", False, id="other-words"),
        pytest.param("今日は天気", "気天は日今", False, id="without-blanks-pairs-count"),
        pytest.param("abc漢字", "abc 漢字", True, id="scripts-side-by-side"),
        pytest.param("", " 12 .", True, id="nothing-to-count"),
    ],
)
def test_which_texts_have_the_same_features(one: str, other: str, alike: bool) -> None:
    assert (counted(one) == counted(other)) is alike


@given(st.lists(st.one_of(st.text(), st.none(), st.integers())))
def test_every_text_is_a_row_and_nothing_else(values: list[Any]) -> None:
    there, rows = WordCounts().rows(values)
    assert there.tolist() == [isinstance(value, str) for value in values]
    assert rows.shape == (there.sum(), WordCounts().width)
    numbers = WordCounts().to_numbers(rows)
    assert np.isfinite(numbers).all()
    assert (np.linalg.norm(numbers, axis=1) < 1 + 1e-9).all()


@pytest.mark.parametrize("length", [pytest.param(3, id="as-it-is"), pytest.param(200, id="projected")])
def test_vectors_are_in_deviations_of_the_reference(length: int) -> None:
    known = Projection.fitted(VECTORS[:, :length] * 100 + 7)
    there, rows = known.rows(list(VECTORS[:, :length] * 100 + 7))
    numbers = known.to_numbers(rows)
    assert there.all()
    assert numbers.shape == (50, min(length, DIRECTIONS))
    assert np.allclose(numbers.std(axis=0), 1, atol=0.05)
    assert np.abs(numbers).max() <= 4


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="missing"),
        pytest.param([1.0, 2.0], id="too-short"),
        pytest.param([1.0, None, 2.0], id="a-hole"),
        pytest.param([1.0, float("nan"), 2.0], id="nan"),
        pytest.param("[1.0, 2.0, 3.0]", id="text"),
        pytest.param(3.0, id="a-number"),
    ],
)
def test_what_is_no_such_vector_has_no_row(value: Any) -> None:
    there, rows = Projection.fitted(VECTORS[:, :3]).rows([value, [1.0, 2.0, 3.0]])
    assert there.tolist() == [False, True]
    assert len(rows) == 1


def test_one_wild_number_is_four_deviations() -> None:
    known = Projection.fitted(VECTORS[:, :3])
    assert known.to_numbers(known.rows([[1e308, 0.0, -1e308]])[1])[0, [0, 2]].tolist() == [4.0, -4.0]


@pytest.mark.parametrize("known", [WordCounts(), Projection.fitted(VECTORS)], ids=["words", "projection"])
def test_a_description_survives_as_plain_data(known: features.Features) -> None:
    assert features.of(known.to_dict()) == known


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        pytest.param({"kind": "thoughts"}, "expected a kind of words, projection", id="kind"),
        pytest.param({"kind": "words", "width": 10**9}, "width: expected a whole number from 1 to 1024", id="width"),
        pytest.param({"kind": "words"}, "width: expected a whole number", id="no-width"),
        pytest.param({"kind": "projection", "length": 2, "center": [0.0]}, "center: expected 2 finite", id="center"),
        pytest.param(
            {"kind": "projection", "length": 1, "center": [0.0], "scale": [0.0]}, "expected numbers above 0", id="scale"
        ),
    ],
)
def test_what_is_no_description_is_refused(given_: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        features.of(given_)
