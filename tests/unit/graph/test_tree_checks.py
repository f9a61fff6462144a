"""Trees that a kernel must never follow: each corruption is refused before anything is evaluated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

import ensembles
from cloche.errors import TamperedModelError
from cloche.graph import trees
from cloche.graph.operators.trees import Median, Trees
from cloche.graph.shapes import Shape, Weights
from cloche.graph.trees import CATEGORICAL, MISSING_LEFT, Ensemble, check

#: Two trees over three columns:  0 → (1 → leaf 0, leaf 1), leaf 2   and   0 → leaf 0, leaf 1
SOUND = Ensemble(
    features=3,
    starts=np.array([0, 2, 3], dtype=np.int64),
    feature=np.array([0, 2, 1], dtype=np.int32),
    threshold=np.array([0.5, np.inf, 0.0]),
    left=np.array([1, -1, -1], dtype=np.int32),
    right=np.array([-3, -2, -2], dtype=np.int32),
    flags=np.array([MISSING_LEFT, 0, CATEGORICAL], dtype=np.uint8),
    values=np.array([[1.0], [2.0], [3.0], [4.0], [5.0]]),
    base=np.array([0.5]),
    sets=np.array([[6, 0, 0, 0, 0, 0, 0, 0]], dtype=np.uint32),
)


def put(name: str, place: Any, value: Any) -> Callable[[Ensemble], Ensemble]:
    def change(one: Ensemble) -> Ensemble:
        array = getattr(one, name).copy()
        array[place] = value
        return replace(one, **{name: array})

    return change


def instead(**arrays: Any) -> Callable[[Ensemble], Ensemble]:
    """Other values, of the same dtype."""
    return lambda one: replace(
        one, **{name: np.array(value, dtype=getattr(one, name).dtype) for name, value in arrays.items()}
    )


CORRUPTED = [
    pytest.param(put("left", 0, 0), "after its parent", id="a-split-is-its-own-child"),
    pytest.param(put("left", 1, 0), "after its parent", id="a-circle"),
    pytest.param(put("left", 2, 0), "after its parent", id="a-circle-in-the-second-tree"),
    pytest.param(put("left", 0, 2), "outside its tree", id="a-child-in-the-next-tree"),
    pytest.param(put("right", 1, 2**31 - 1), "outside its tree", id="a-child-outside-the-arrays"),
    pytest.param(put("right", 1, -(2**31)), "leaf lies outside", id="a-leaf-outside-the-arrays"),
    pytest.param(put("left", 1, -4), "leaf lies outside", id="a-leaf-of-the-next-tree"),
    pytest.param(put("right", 2, -3), "leaf lies outside", id="a-leaf-behind-the-last"),
    pytest.param(put("right", 0, 1), "two", id="a-split-with-two-parents"),
    pytest.param(put("right", 0, -1), "two", id="a-leaf-with-two-parents"),
    pytest.param(put("left", 0, -1), "no parent", id="a-split-without-a-parent"),
    pytest.param(put("feature", 1, 3), "reads column 3 of 3", id="a-column-too-far"),
    pytest.param(put("feature", 0, -1), "reads column", id="a-column-below-zero"),
    pytest.param(put("threshold", 0, np.nan), "threshold is no number", id="a-threshold-of-nan"),
    pytest.param(put("threshold", 0, -np.inf), "threshold is no number", id="a-threshold-of-minus-infinity"),
    pytest.param(put("threshold", 2, 1.0), "set of categories", id="a-set-behind-the-last"),
    pytest.param(put("threshold", 2, -1.0), "set of categories", id="a-set-below-zero"),
    pytest.param(put("threshold", 2, 0.5), "set of categories", id="half-a-set"),
    pytest.param(put("threshold", 2, np.nan), "set of categories", id="a-set-of-nan"),
    pytest.param(put("flags", 0, 4), "unknown flag", id="an-unknown-flag"),
    pytest.param(put("flags", 2, CATEGORICAL | MISSING_LEFT), "unknown flag", id="two-flags"),
    pytest.param(put("values", (4, 0), np.nan), "a leaf holds", id="a-leaf-of-nan"),
    pytest.param(put("values", (0, 0), np.inf), "a leaf holds", id="an-infinite-leaf"),
    pytest.param(put("base", 0, np.nan), "begins at", id="a-base-of-nan"),
    pytest.param(instead(starts=[0]), "0 trees", id="no-trees"),
    pytest.param(instead(starts=[]), "-1 trees", id="no-starts"),
    pytest.param(put("starts", 0, 1), "do not ascend", id="starts-not-at-zero"),
    pytest.param(put("starts", 1, 4), "do not ascend", id="starts-that-descend"),
    pytest.param(put("starts", 2, 4), "do not ascend", id="starts-behind-the-end"),
    pytest.param(put("starts", 1, 1), "", id="starts-that-cut-a-tree"),
    pytest.param(instead(left=[1, -1]), "differ in length", id="arrays-of-two-lengths"),
    pytest.param(instead(values=[[1.0], [2.0], [3.0], [4.0]]), "4 leaves, expected 5", id="a-leaf-too-few"),
    pytest.param(instead(values=[[1.0]] * 6), "6 leaves, expected 5", id="a-leaf-too-many"),
    pytest.param(instead(base=[0.0, 0.0, 0.0]), "2 trees for 3 outputs", id="an-output-without-its-tree"),
    pytest.param(instead(values=[[1.0, 2.0]] * 5), "2 numbers a leaf for 1", id="leaves-too-wide"),
    pytest.param(instead(base=[]), "no output", id="no-output"),
]


def test_the_sound_one_passes() -> None:
    check(SOUND)


@pytest.mark.parametrize(("corrupt", "message"), CORRUPTED)
def test_a_corrupted_ensemble_is_refused(corrupt: Callable[[Ensemble], Ensemble], message: str) -> None:
    with pytest.raises(TamperedModelError, match=f"twin: trees: .*{message}"):
        check(corrupt(SOUND))


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        pytest.param("MAX_TREES", 1, id="trees"),
        pytest.param("MAX_SPLITS", 2, id="splits"),
        pytest.param("MAX_LEAF_VALUES", 4, id="leaves"),
    ],
)
def test_sizes_are_bounded(limit: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, limit, value)
    with pytest.raises(TamperedModelError, match="twin: trees"):
        check(SOUND)


@pytest.mark.parametrize("seed", range(8))
def test_made_up_ensembles_pass(seed: int) -> None:
    check(ensembles.ensemble(seed, trees=12, outputs=3, width=1 + 2 * (seed % 2), categories=bool(seed % 3)))


# -- the operator --------------------------------------------------------------------------------

ARRAYS: dict[str, Any] = {
    name: getattr(SOUND, name)
    for name in ("starts", "feature", "threshold", "left", "right", "flags", "values", "base", "sets")
}
TREES = Trees(of=(0,), **{f"{name}_array": name for name in ARRAYS})


def shape(arrays: dict[str, Any], width: int = 3) -> Shape:
    return TREES.check((Shape("numbers", width),), Weights(arrays))


def test_the_operator_reads_its_arrays_and_gives_one_column_an_output() -> None:
    assert shape(ARRAYS) == Shape("numbers", 1)
    assert set(TREES.arrays()) == set(ARRAYS)


@pytest.mark.parametrize(
    ("arrays", "width"),
    [
        pytest.param({**ARRAYS, "left": SOUND.left.astype(np.int64)}, 3, id="a-wrong-dtype"),
        pytest.param({**ARRAYS, "values": SOUND.values[:, 0]}, 3, id="a-wrong-dimension"),
        pytest.param({**ARRAYS, "sets": SOUND.sets[:, :7].copy()}, 3, id="sets-too-short"),
        pytest.param({name: array for name, array in ARRAYS.items() if name != "base"}, 3, id="an-array-missing"),
        pytest.param({**ARRAYS, "feature": SOUND.feature + np.int32(1)}, 3, id="another-column"),
        pytest.param(ARRAYS, 2, id="an-input-too-narrow"),
    ],
)
def test_the_operator_refuses_what_does_not_fit(arrays: dict[str, Any], width: int) -> None:
    with pytest.raises(TamperedModelError, match="twin: "):
        shape(arrays, width)


def test_thresholds_are_those_of_numbers_and_finite() -> None:
    found = {column: numbers.tolist() for column, numbers in TREES.thresholds(Weights(ARRAYS))}
    assert found == {0: [0.5]}


def test_without_sets_there_is_no_categorical_split() -> None:
    plain = msgspec.structs.replace(TREES, sets_array=None)
    with pytest.raises(TamperedModelError, match="set of categories"):
        plain.check((Shape("numbers", 3),), Weights(ARRAYS))


@pytest.mark.parametrize(
    "weights",
    [
        pytest.param([1.0, 2.0], id="too-few"),
        pytest.param([1.0, -1.0, 2.0], id="negative"),
        pytest.param([0.0, 0.0, 0.0], id="all-zero"),
        pytest.param([1.0, np.nan, 1.0], id="nan"),
    ],
)
def test_a_median_needs_sound_weights(weights: list[float]) -> None:
    with pytest.raises(TamperedModelError):
        Median(weights_array="w").check((Shape("numbers", 3),), Weights({"w": np.array(weights)}))
