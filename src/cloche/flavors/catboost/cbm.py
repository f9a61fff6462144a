"""
The content of a CatBoost model (`.cbm`), checked before CatBoost sees it.

The format is `CBM1`, a length, FlatBuffers (`model.fbs` of CatBoost), and behind them the tables of target statistics.
CatBoost verifies the buffers themselves, and follows the indices in them without looking: they are looked at here.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from cloche.errors import TamperedModelError, WrongFormatError
from cloche.flavors.boosted import expect, refuse_pickle
from cloche.flavors.catboost import statistics
from cloche.flavors.catboost.flat import Array, Table

MAX_BYTES: Final = 1 << 30
MAX_FEATURES: Final = 1_000_000
MAX_DEPTH: Final = 16
#: Borders or values that share a byte of a row's binary features (MAX_VALUES_PER_BIN).
_PER_BYTE: Final = 254
_REPACKED: Final = np.dtype([("feature", "<u2"), ("mask", "u1"), ("split", "u1")])
_STEP: Final = np.dtype([("left", "<u2"), ("right", "<u2")])
_MISSING: Final = ("as_is", "false", "true")


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """A feature of numbers: its place in the row, its borders, and what a missing value is taken for."""

    place: int
    borders: Array
    missing: str


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """
    A checked model. `splits` count the borders of all numbers, then values of categories, then statistics; `starts`
    and `sizes` say which of them a tree has. `symmetric` trees ask one of them a level.
    """

    features: int
    names: tuple[str, ...]
    numbers: tuple[Numbers, ...]
    categories: tuple[int, ...]
    values: int
    outputs: int
    splits: Array
    starts: Array
    sizes: Array
    leaves: Array
    scale: float
    bias: Array
    symmetric: bool
    info: Mapping[str, str] = field(default_factory=dict)

    @property
    def loss(self) -> str:
        """The name of the loss function that the model was fitted with; empty where it does not say."""
        try:
            found = json.loads(self.info["params"])["loss_function"]["type"]
        except (KeyError, TypeError, ValueError, RecursionError):
            return ""
        return str(found)


def parse(raw: bytes, name: str) -> Model:
    """
    The model of the file *raw*, which messages call *name*.

    Raises:
        WrongFormatError: it is no such file.
        TamperedModelError: it is, and does not hold what it says of itself.
    """
    refuse_pickle(raw, name, "a CatBoost model (.cbm)")
    if len(raw) > MAX_BYTES or not raw.startswith(b"CBM1") or len(raw) < 16:
        raise WrongFormatError(f"{name}: expected a CatBoost model, which begins with CBM1, of at most 1 GiB")
    size = struct.unpack_from("<I", raw, 4)[0]
    if size > len(raw) - 8:
        raise TamperedModelError(f"{name}: the file was cut short")
    try:
        return _model(Table.root(raw[8 : 8 + size]), raw[8 + size :])
    except TamperedModelError as exc:
        raise TamperedModelError(f"{name}: {exc}") from exc
    except (struct.error, ValueError, IndexError, OverflowError, MemoryError) as exc:
        raise TamperedModelError(f"{name}: not as CatBoost writes it: {exc}") from exc


def _model(core: Table, rest: bytes) -> Model:
    trees = core.table(1)
    if trees is None:
        raise TamperedModelError("no trees")
    expect(not (trees.tables(12) or trees.tables(13) or trees.tables(18)), "features of text or embeddings")
    floats = [_float(one) for one in trees.tables(5)]
    categories = [(one.number(0, "<i", -1), one.number(1, "<i", -1)) for one in trees.tables(4)]
    places = [place for _, place, _, _ in floats] + [place for _, place in categories]
    features = len(places)
    expect(1 <= features <= MAX_FEATURES and sorted(places) == list(range(features)), "features out of place")
    for indices in ([index for index, *_ in floats], [index for index, _ in categories]):
        expect(sorted(indices) == list(range(len(indices))), "features out of order")
    values = _one_hot(trees, len(categories))
    statistic = statistics.check(trees, core.texts(3), rest, len(categories))
    counts = [len(borders) for _, _, borders, _ in floats] + values + statistic
    outputs = trees.number(0, "<i", 0)
    expect(1 <= outputs <= 100_000, f"{outputs} outputs")
    splits, sizes, starts = (trees.array(place, "<i4").astype(np.int64) for place in (1, 2, 3))
    starts = starts if starts.size else np.cumsum(sizes) - sizes
    _check_sizes(splits, sizes, starts, sum(counts))
    _check_repacked(trees, splits, counts)
    leaves = trees.array(8, "<f8")
    expect(bool(np.isfinite(leaves).all()), "a leaf holds no finite number")
    steps, ids = trees.array(10, _STEP), trees.array(11, "<u4").astype(np.int64)
    if steps.size or ids.size:
        _check_paths(steps, ids, splits, starts, len(leaves), outputs)
    else:
        expect(not sizes.size or int(sizes.max()) <= MAX_DEPTH, f"a tree deeper than {MAX_DEPTH}")
        expect(int((1 << sizes).sum()) * outputs == len(leaves), f"{len(leaves)} leaf values")
    info = {one.text(0): one.text(1) for one in core.tables(2)}
    _check_classes(info, outputs)
    names = _names(trees, floats, categories)
    numbers = tuple(Numbers(place, borders, _MISSING[missing]) for _, place, borders, missing in floats)
    scale = float(trees.number(14, "<d", 1.0))
    return Model(
        features, names, numbers, tuple(sorted(place for _, place in categories)), sum(values), outputs, splits,
        starts, sizes, leaves, scale, _bias(trees, outputs), not steps.size, info,
    )  # fmt: skip


def _float(one: Table) -> tuple[int, int, Array, int]:
    """Index among the numbers, place in the row, borders, what a missing value is."""
    borders, missing = one.array(3, "<f4"), one.number(5, "<b", 0)
    finite = bool(np.isfinite(borders).all()) and bool((np.diff(borders) > 0).all())
    expect(finite, "borders of a feature that do not ascend")
    expect(0 <= missing < len(_MISSING), "an unknown treatment of missing values")
    return one.number(1, "<i", -1), one.number(2, "<i", -1), borders, missing


def _one_hot(trees: Table, categories: int) -> list[int]:
    found = []
    for one in trees.tables(6):
        expect(0 <= one.number(0, "<i", -1) < categories, "values of a category that is not there")
        found.append(len(one.array(1, "<i4")))
        expect(len(one.texts(2)) in (0, found[-1]), "values of a category without their text")
    return found


def _check_sizes(splits: Array, sizes: Array, starts: Array, binary: int) -> None:
    expect(sizes.size > 0 and len(starts) == len(sizes) and bool((sizes >= 0).all()), "trees of no size")
    expect(np.array_equal(starts, np.cumsum(sizes) - sizes), "trees that do not follow each other")
    expect(int(sizes.sum()) == len(splits), f"{len(splits)} splits, and trees of {int(sizes.sum())}")
    inside = not splits.size or (int(splits.min()) >= 0 and int(splits.max()) < binary)
    expect(inside, f"a split asks what is none of {binary}")


def _check_repacked(trees: Table, splits: Array, counts: list[int]) -> None:
    """The same splits as the bytes they read: what CatBoost follows where they are there."""
    repacked = trees.array(17, _REPACKED)
    expect(len(repacked) in (0, len(splits)), "splits of another number of bytes")
    size = sum(-(-count // _PER_BYTE) for count in counts)
    expect(not repacked.size or int(repacked["feature"].max()) < size, "a split reads a byte that is not there")


def _check_paths(steps: Array, ids: Array, splits: Array, starts: Array, leaves: int, outputs: int) -> None:
    """From every node of a tree forward, to one that holds a leaf."""
    expect(len(steps) == len(ids) == len(splits), "nodes of another number")
    at = np.arange(len(steps))
    ends = np.append(starts[1:], len(steps))[np.searchsorted(starts, at, side="right") - 1]
    for side in ("left", "right"):
        expect(bool((at + steps[side] < ends).all()), "a child lies outside its tree")
    stops = (steps["left"] == 0) | (steps["right"] == 0)
    expect(bool((ids[stops] + outputs <= leaves).all()), "a leaf that is not there")


def _check_classes(info: Mapping[str, str], outputs: int) -> None:
    try:
        names = json.loads(info.get("class_params", "{}")).get("class_names", [])
    except (ValueError, AttributeError, RecursionError) as exc:
        raise TamperedModelError("class_params: expected JSON") from exc
    expect(isinstance(names, list), "class names that are no list")
    expect(len(names) in (0, 2 if outputs == 1 else outputs), f"{len(names)} class names for {outputs} outputs")


def _names(trees: Table, floats: list[Any], categories: list[tuple[int, int]]) -> tuple[str, ...]:
    found = {place: one.text(4) for one, (_, place, *_) in zip(trees.tables(5), floats, strict=True)}
    found |= {place: one.text(2) for one, (_, place) in zip(trees.tables(4), categories, strict=True)}
    return tuple(found[place] or str(place) for place in sorted(found))


def _bias(trees: Table, outputs: int) -> Array:
    several = trees.array(16, "<f8")
    bias = several if several.size else np.full(outputs, trees.number(15, "<d", 0.0))
    expect(len(bias) == outputs and bool(np.isfinite(bias).all()), f"{len(bias)} starts for {outputs} outputs")
    return bias
