"""
The content of an XGBoost model, checked before XGBoost sees it.

Its predictor follows the indices of a tree without looking; its reader takes lengths at their word. Every index and
length is therefore looked at here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cloche.errors import TamperedModelError, WrongFormatError
from cloche.flavors.boosted import expect, refuse_pickle
from cloche.flavors.xgboost import ubjson

Array = np.ndarray[Any, Any]

MAX_BYTES: Final = 1 << 30
MAX_FEATURES: Final = 1_000_000
MAX_CATEGORY: Final = 1 << 24
_NODE_ARRAYS = ("left_children", "right_children", "parents", "split_indices", "split_conditions", "default_left")


@dataclass(frozen=True, slots=True)
class Model:
    """
    What a checked file says of the model.

    `outputs` are the numbers that the trees add up to; `classes` 0 but for several classes. `levels` are each feature's
    categories, None where it is a number. `best` is the best iteration of early stopping.
    """

    booster: str
    objective: str
    features: int
    outputs: int
    classes: int
    rounds: int
    names: tuple[str, ...]
    types: tuple[str, ...]
    levels: tuple[tuple[Any, ...] | None, ...]
    best: int | None = None

    @property
    def answering(self) -> int:
        """How many iterations answer; 0 is all of them."""
        return 0 if self.best is None else self.best + 1


def parse(raw: bytes, name: str) -> Model:
    """
    The model of the file *raw*, which messages call *name*.

    Raises:
        WrongFormatError: it is no such file.
        TamperedModelError: it is, and does not hold what it says of itself.
    """
    refuse_pickle(raw, name, "an XGBoost model (.ubj)")
    if len(raw) > MAX_BYTES or not raw.startswith(b"{"):
        raise WrongFormatError(f"{name}: expected an XGBoost model in UBJSON (model.ubj) of at most 1 GiB")
    document = ubjson.parse(raw, name)
    try:
        return _model(document)
    except TamperedModelError as exc:
        raise TamperedModelError(f"{name}: {exc}") from exc
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as exc:
        raise TamperedModelError(f"{name}: not as XGBoost writes it: {type(exc).__name__}: {exc}") from exc


def _model(document: Any) -> Model:
    learner = document["learner"]
    shape = learner["learner_model_param"]
    features, classes, targets = (_whole(shape, key) for key in ("num_feature", "num_class", "num_target"))
    expect(1 <= features <= MAX_FEATURES, f"{features} features")
    expect(classes <= 100_000 and 1 <= targets <= 100_000 and (classes < 2 or targets == 1), "too many outputs")
    outputs = max(classes, targets)
    scores = re.findall(r"[^\[\],]+", shape["base_score"])
    expect(len(scores) in (1, outputs), f"{len(scores)} base scores for {outputs} outputs")
    booster = learner["gradient_booster"]
    kind, objective = booster["name"], learner["objective"]["name"]
    softmax = learner["objective"].get("softmax_multiclass_param")
    expect(softmax is None or _whole(softmax, "num_class") == classes, "an objective of another number of classes")
    names, types = (tuple(map(str, learner.get(key, ()))) for key in ("feature_names", "feature_types"))
    expect(len(names) in (0, features) and len(types) in (0, features), "names or types of other features")
    levels: tuple[tuple[Any, ...] | None, ...] = (None,) * features
    if kind == "gblinear":
        linear = booster["model"]
        expect(len(linear["weights"]) == (features + 1) * outputs, "another number of linear weights")
        rounds = int(linear["boosted_rounds"])
    else:
        expect(kind in ("gbtree", "dart"), f"a booster of kind {str(kind)[:40]!r}")
        rounds, levels = _trees(booster if kind == "gbtree" else booster["gbtree"], features, outputs, targets)
        count = len((booster if kind == "gbtree" else booster["gbtree"])["model"]["trees"])
        expect(kind != "dart" or len(booster["weight_drop"]) == count, "weights of another number of trees")
    attributes = learner.get("attributes", {})
    expect(all(isinstance(one, str) for one in attributes.values()), "an attribute that is no text")
    best = _whole(attributes, "best_iteration") if "best_iteration" in attributes else None
    expect(best is None or best < max(rounds, 1), "a best iteration that is none")
    return Model(kind, str(objective), features, outputs, classes, rounds, names, types, levels, best)


def _whole(values: Any, key: str) -> int:
    found = values[key]
    expect(isinstance(found, str) and re.fullmatch("[0-9]{1,9}", found) is not None, f"{key}: {str(found)[:20]!r}")
    return int(found)


def _integers(values: Any, what: str) -> Array:
    found = np.asarray(values)
    found = found if found.size else np.zeros(0, dtype=np.int64)
    expect(found.ndim == 1 and found.dtype.kind in "iu", f"{what}: expected whole numbers")
    return found.astype(np.int64)


# -- trees ----------------------------------------------------------------------------------------


def _trees(booster: Any, features: int, outputs: int, targets: int) -> tuple[int, tuple[tuple[Any, ...] | None, ...]]:
    model = booster["model"]
    trees, shape = model["trees"], model["gbtree_model_param"]
    expect(isinstance(trees, list) and _whole(shape, "num_trees") == len(trees), f"{len(trees)} trees were expected")
    _whole(shape, "num_parallel_tree")
    groups = _integers(model["tree_info"], "tree_info")
    expect(len(groups) == len(trees) and _inside(groups, outputs), "trees of an output that is not there")
    bounds = _integers(model.get("iteration_indptr", [0, len(trees)]), "iteration_indptr")
    ascending = len(bounds) > 0 and bounds[0] == 0 and bounds[-1] == len(trees) and bool((np.diff(bounds) >= 0).all())
    expect(ascending, f"iterations that do not ascend to {len(trees)} trees")
    for place, tree in enumerate(trees):
        try:
            _tree(tree, place, features, targets)
        except TamperedModelError as exc:
            raise TamperedModelError(f"tree {place}: {exc}") from exc
    return len(bounds) - 1, _levels(model.get("cats"), features)


def _inside(values: Array, below: int) -> bool:
    return not values.size or (int(values.min()) >= 0 and int(values.max()) < below)


def _tree(tree: Any, place: int, features: int, targets: int) -> None:
    shape = tree["tree_param"]
    nodes, width = _whole(shape, "num_nodes"), _whole(shape, "size_leaf_vector")
    expect(_whole(shape, "num_feature") == features and tree["id"] == place, "made for another model")
    expect(nodes >= 1, "no nodes")
    for key in _NODE_ARRAYS:
        expect(len(tree[key]) == nodes, f"{key}: expected {nodes}, got {len(tree[key])}")
    _check_weights(tree, nodes, width, targets)
    left, right = _integers(tree["left_children"], "children"), _integers(tree["right_children"], "children")
    inner = left != -1
    expect(width > 1 or bool((inner == (right != -1)).all()), "a node has one child")
    reached = _reached(left, right, inner)
    _check_parents(_integers(tree["parents"], "parents"), left, right, reached & inner)
    split = _integers(tree["split_indices"], "split_indices")[reached & inner]
    expect(_inside(split, features), "a split reads a column that is not there")
    _check_categories(tree, nodes)


def _check_weights(tree: Any, nodes: int, width: int, targets: int) -> None:
    """A leaf holds one number, or in trees of several outputs a row of `leaf_weights` that its right child names."""
    expect(width <= 1 or width == targets, f"{width} numbers a leaf for {targets} outputs")
    expect(len(tree["base_weights"]) == nodes * max(width, 1), "another number of weights")
    for key in ("loss_changes", "sum_hessian"):
        expect(key not in tree or len(tree[key]) == nodes, f"{key}: expected {nodes}")
    if width > 1:
        left, right = _integers(tree["left_children"], "children"), _integers(tree["right_children"], "children")
        leaves = int((left == -1).sum())
        expect(len(tree["leaf_weights"]) == leaves * width, "another number of weights of leaves")
        expect(_inside(right[left == -1], leaves), "a leaf whose weights are not there")


def _reached(left: Array, right: Array, inner: Array) -> Array:
    """Every node that a row can come to has one parent; nodes that pruning left behind are never reached."""
    nodes = len(left)
    seen = np.zeros(nodes, dtype=bool)
    front = np.zeros(1, dtype=np.int64)
    while front.size:
        expect(_inside(front, nodes), "a child lies outside its tree")
        twice = len(np.unique(front)) != len(front) or bool(seen[front].any())
        expect(not twice, "a node has two parents")
        seen[front] = True
        parents = front[inner[front]]
        front = np.concatenate([left[parents], right[parents]])
    return seen


def _check_parents(parents: Array, left: Array, right: Array, inner: Array) -> None:
    """Every node names the one it is the child of; the root names none (2³¹ - 1, or -1)."""
    at = np.flatnonzero(inner)
    named = bool((parents[left[at]] == at).all()) and bool((parents[right[at]] == at).all())
    expect(named and int(parents[0]) in (-1, 2**31 - 1), "a node names another parent")
    others = parents[(parents != 2**31 - 1) & (parents != -1)]
    expect(_inside(others, len(parents)), "a parent lies outside its tree")


def _check_categories(tree: Any, nodes: int) -> None:
    kinds = np.asarray(tree.get("split_type", np.zeros(nodes, dtype=np.int64)))
    at, starts, sizes, codes = (
        _integers(tree.get(f"categories{key}", []), "categories") for key in ("_nodes", "_segments", "_sizes", "")
    )
    expect(len(kinds) == nodes and bool(np.isin(kinds, (0, 1)).all()), "an unknown kind of split")
    expect(np.array_equal(at, np.flatnonzero(kinds == 1)), "categories for other splits")
    expect(len(starts) == len(sizes) == len(at), "categories of another length")
    expect(bool((sizes > 0).all()) and bool((starts >= 0).all()), "categories that are none")
    expect(bool((starts + sizes <= len(codes)).all()), "categories that are not there")
    expect(_inside(codes, MAX_CATEGORY), f"a category beyond {MAX_CATEGORY}")


# -- categories of the training table -------------------------------------------------------------


def _levels(cats: Any, features: int) -> tuple[tuple[Any, ...] | None, ...]:
    if not cats or not len(cats["enc"]):
        return (None,) * features
    expect(len(cats["enc"]) == features, "categories of other features")
    found = [_encoded(one) for one in cats["enc"]]
    counts = [len(one or ()) for one in found]
    bounds = _integers(cats["feature_segments"], "feature_segments")
    expect(np.array_equal(bounds, np.cumsum([0, *counts])), "categories of another number")
    order = _integers(cats["sorted_idx"], "sorted_idx")
    expect(len(order) == sum(counts), "an order of other categories")
    for start, count in zip(bounds[:-1].tolist(), counts, strict=True):
        expect(np.array_equal(np.sort(order[start : start + count]), np.arange(count)), "categories out of order")
    return tuple(found)


def _encoded(one: Any) -> tuple[Any, ...] | None:
    values: Sequence[Any] = one["values"]
    if "offsets" not in one:
        return tuple(np.asarray(values).tolist()) or None
    offsets = _integers(one["offsets"], "offsets")
    if not offsets.size:
        expect(not len(values), "categories without a place")
        return None
    raw = np.asarray(values, dtype=np.int64)
    expect(not raw.size or (int(raw.min()) >= -128 and int(raw.max()) < 256), "the text of a category is none")
    ascending = offsets[0] == 0 and offsets[-1] == len(raw) and bool((np.diff(offsets) >= 0).all())
    expect(ascending, "the text of a category lies elsewhere")
    text = raw.astype(np.uint8).tobytes()
    return tuple(
        text[a:b].decode("utf-8", "replace") for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    )
