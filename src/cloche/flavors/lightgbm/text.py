"""
The text of a LightGBM model, read as data and checked before LightGBM's own parser sees it.

That parser follows what the text says about itself: a length that is not so, an index that points outside, or a size of
a tree that is another one end the process. What passes here is written again without the sizes of the trees, so that it
is read in one thread.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cloche.errors import WrongFormatError
from cloche.flavors.boosted import expect, refuse_pickle
from cloche.graph.trees import Ensemble, check

Array = np.ndarray[Any, Any]

MAX_BYTES: Final = 1 << 30
MAX_FEATURES: Final = 1_000_000
#: Lines that LightGBM reads of one tree (`max_num_line` in its tree.cpp).
_MAX_TREE_LINES: Final = 22
_KNOWN_VERSIONS: Final = ("v2", "v3", "v4")
#: What belongs to fitting: told of numbers only.
_STATISTICS: Final = {
    "split_gain": -1, "internal_value": -1, "internal_weight": -1, "internal_count": -1, "leaf_weight": 0,
    "leaf_count": 0,
}  # fmt: skip
_INTEGERS = re.compile(r"[-0-9 ]*")
_FLOATS = re.compile(r"(?:-?(?:[0-9][0-9.eE+-]*|inf)(?: |$))*")
_ANY_FLOATS = re.compile(r"[-+0-9.eEinfa ]*")
_PARAMETER = re.compile(r"\[[a-z0-9_]+: [^\x00-\x1f\x7f]*\]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """One tree; children, features and kinds of splits as LightGBM numbers them."""

    feature: Array
    threshold: Array
    kind: Array
    left: Array
    right: Array
    values: Array
    boundaries: Array
    words: Array
    linear: bool


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """
    A checked model: `text` is what LightGBM is given.

    `objective` is its name and parameters; empty where the model answers raw scores. `infos` tell each feature's range
    (`[0:4]`) or categories (`0:2:1`); `categorical` are the places that were declared categories.
    """

    text: str
    names: tuple[str, ...]
    infos: tuple[str, ...]
    objective: tuple[str, ...]
    outputs: int
    averaged: bool
    trees: tuple[Tree, ...]
    categorical: tuple[int, ...] = ()
    levels: tuple[tuple[Any, ...], ...] = ()

    @property
    def rounds(self) -> int:
        """How many iterations there are, each of as many trees as outputs."""
        return len(self.trees) // self.outputs


def parse(raw: bytes, name: str) -> Model:
    """
    The model of the text *raw*, which messages call *name*.

    Raises:
        WrongFormatError: it is no such text.
        TamperedModelError: it is, and does not hold what it says of itself.
    """
    refuse_pickle(raw, name, "a LightGBM model (.txt)")
    if len(raw) > MAX_BYTES or not raw.startswith(b"tree\n"):
        raise WrongFormatError(f"{name}: expected a LightGBM model, whose first line is 'tree', of at most 1 GiB")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise WrongFormatError(f"{name}: expected the text of a LightGBM model: {exc}") from exc
    expect(_CONTROL.search(text) is None, f"{name}: a control character in the text")
    body, end, rest = text.partition("\nend of trees\n")
    expect(bool(end), f"{name}: 'end of trees' is missing: the file was cut short")
    head_text, *tree_texts = re.split(r"\n+Tree=(?=[0-9]+\n)", body)
    head = _head(head_text, name)
    names, infos = tuple(head["feature_names"].split(" ")), tuple(head["feature_infos"].split(" "))
    features = _whole(head, "max_feature_idx", name) + 1
    expect(1 <= features <= MAX_FEATURES, f"{name}: {features} features")
    expect(len(names) == features and len(infos) == features, f"{name}: names or ranges for another number of features")
    outputs = _outputs(head, name)
    trees = tuple(_tree(one, place, features, name) for place, one in enumerate(tree_texts))
    expect(len(trees) > 0 and len(trees) % outputs == 0, f"{name}: {len(trees)} trees for {outputs} outputs")
    categorical, levels = _rest(rest, features, name)
    return Model(
        _again(head_text, tree_texts, rest), names, infos, tuple(head.get("objective", "").split()), outputs,
        "average_output" in head, trees, categorical, levels,
    )  # fmt: skip


def _again(head: str, trees: list[str], rest: str) -> str:
    """The text without the sizes of the trees: with them LightGBM would look for each where they say."""
    kept = "\n".join(line for line in head.split("\n") if not line.startswith("tree_sizes="))
    body = "".join(f"Tree={text.rstrip()}\n\n\n" for text in trees)
    return f"{kept}\n\n{body}end of trees\n{rest}"


def _head(text: str, name: str) -> dict[str, str]:
    head: dict[str, str] = {}
    for line in text.rstrip("\n").split("\n")[1:]:
        key, _, value = line.partition("=")
        expect(bool(re.fullmatch("[a-z_]+", key)) and key not in head, f"{name}: a line of the head: {line[:60]!r}")
        head[key] = value
    for key in ("version", "num_class", "num_tree_per_iteration", "max_feature_idx", "feature_names", "feature_infos"):
        expect(key in head, f"{name}: {key} is missing")
    expect(head["version"] in _KNOWN_VERSIONS, f"{name}: expected version v4, got {head['version'][:20]!r}")
    return head


def _whole(values: Mapping[str, str], key: str, name: str) -> int:
    found = values.get(key, "")
    expect(re.fullmatch("[0-9]{1,9}", found) is not None, f"{name}: {key}: expected a number, got {found[:20]!r}")
    return int(found)


def _outputs(head: Mapping[str, str], name: str) -> int:
    """As many trees an iteration as classes, and as the objective says: it writes so many numbers unasked."""
    outputs, classes = _whole(head, "num_tree_per_iteration", name), _whole(head, "num_class", name)
    expect(1 <= outputs <= 100_000 and classes == outputs, f"{name}: {outputs} trees an iteration, {classes} classes")
    objective = head.get("objective", "").split()
    if not objective:
        return outputs
    several = objective[0] in ("multiclass", "multiclassova")
    said = [one for one in objective if one.startswith("num_class:")]
    expect(several or outputs == 1, f"{name}: {objective[0]} of {outputs} outputs")
    expect(not several or said == [f"num_class:{outputs}"], f"{name}: {' '.join(objective)[:60]} of {outputs} outputs")
    return outputs


# -- trees ----------------------------------------------------------------------------------------


def _tree(text: str, place: int, features: int, name: str) -> Tree:
    where = f"{name}: tree {place}"
    number, _, rest = text.partition("\n")
    expect(number == str(place), f"{where}: its number is {number[:20]}")
    lines = rest.strip("\n").split("\n")
    values = dict(line.partition("=")[::2] for line in lines)
    expect(len(values) == len(lines) <= _MAX_TREE_LINES, f"{where}: a line stands twice, or there are too many")
    leaves, sets = _whole(values, "num_leaves", where), _whole(values, "num_cat", where)
    expect(leaves >= 1 and sets < leaves, f"{where}: {leaves} leaves and {sets} sets of categories")
    for key, less in _STATISTICS.items():
        if key in values and leaves > 1:
            _count(values[key], leaves + less, _ANY_FLOATS, f"{where}: {key}")
    _count(values.get("shrinkage", "1"), 1, _ANY_FLOATS, f"{where}: shrinkage")
    linear = values.get("is_linear", "0")
    expect(linear in ("0", "1"), f"{where}: is_linear={linear[:20]}")
    if linear == "1":
        _check_linear(values, leaves, features, where)
    splits = leaves - 1 if leaves > 1 else 0
    tree = Tree(
        feature=_integers(values, "split_feature", splits, where),
        threshold=_floats(values, "threshold", splits, where),
        kind=_integers(values, "decision_type", splits, where),
        left=_integers(values, "left_child", splits, where),
        right=_integers(values, "right_child", splits, where),
        values=_floats(values, "leaf_value", leaves, where),
        boundaries=_integers(values, "cat_boundaries", sets + 1 if sets else 0, where),
        words=_integers(values, "cat_threshold", None if sets else 0, where),
        linear=linear == "1",
    )
    _check_tree(tree, features, sets, where)
    return tree


def _check_tree(tree: Tree, features: int, sets: int, where: str) -> None:
    expect(bool(((tree.kind >= 0) & (tree.kind < 12)).all()), f"{where}: an unknown kind of split")
    categorical = (tree.kind & 1) == 1
    places = tree.threshold[categorical]
    expect(bool((np.isin(places, np.arange(sets))).all()), f"{where}: a split names a set of categories that is none")
    if sets:
        lengths = np.diff(tree.boundaries)
        proper = tree.boundaries[0] == 0 and bool((lengths > 0).all()) and tree.boundaries[-1] == len(tree.words)
        expect(proper, f"{where}: the bounds of its sets of categories do not ascend to {len(tree.words)}")
        expect(bool(((tree.words >= 0) & (tree.words < 2**32)).all()), f"{where}: a set of categories is none")
    splits = len(tree.feature)
    structure = Ensemble(
        features=features,
        starts=np.array([0, splits]),
        feature=tree.feature,
        threshold=np.where(categorical, 0.0, tree.threshold),
        left=tree.left,
        right=tree.right,
        flags=np.zeros(splits, dtype=np.uint8),
        values=tree.values.reshape(-1, 1),
        base=np.zeros(1),
        sets=np.zeros((0, 8), dtype=np.uint32),
    )
    check(structure)


def _count(value: str, count: int, form: re.Pattern[str], where: str) -> list[str]:
    expect(form.fullmatch(value) is not None, f"{where}: expected numbers, got {value[:40]!r}")
    found = value.split()
    expect(len(found) == count, f"{where}: expected {count} numbers, got {len(found)}")
    return found


def _integers(values: Mapping[str, str], key: str, count: int | None, where: str) -> Array:
    text = values.get(key, "")
    found = _count(text, len(text.split()) if count is None else count, _INTEGERS, f"{where}: {key}")
    try:
        return np.array([int(one) for one in found], dtype=np.int64)
    except (ValueError, OverflowError):
        expect(False, f"{where}: {key}: a number that is none")
        raise


def _floats(values: Mapping[str, str], key: str, count: int, where: str) -> Array:
    found = _count(values.get(key, ""), count, _FLOATS, f"{where}: {key}")
    try:
        return np.array([float(one) for one in found], dtype=np.float64)
    except ValueError:
        expect(False, f"{where}: {key}: a number that is none")
        raise


def _check_linear(values: Mapping[str, str], leaves: int, features: int, where: str) -> None:
    _floats(values, "leaf_const", leaves, where)
    counts = _integers(values, "num_features", leaves, where)
    expect(bool((counts >= 0).all()), f"{where}: num_features below zero")
    read = _integers(values, "leaf_features", int(counts.sum()), where)
    expect(bool(((read >= 0) & (read < features)).all()), f"{where}: a leaf reads a column that is not there")
    _floats({"leaf_coeff": " ".join(values.get("leaf_coeff", "").split())}, "leaf_coeff", int(counts.sum()), where)


# -- what stands behind the trees -------------------------------------------------------------------


def _rest(text: str, features: int, name: str) -> tuple[tuple[int, ...], tuple[tuple[Any, ...], ...]]:
    """The columns that were declared categories, and the categories of those that were pandas Categoricals."""
    categorical: tuple[int, ...] = ()
    _, begun, parameters = text.partition("\nparameters:\n")
    if begun:
        block, ended, text = parameters.partition("\nend of parameters\n")
        expect(bool(ended), f"{name}: 'end of parameters' is missing: the file was cut short")
        for line in block.strip("\n").split("\n"):
            expect(not line or _PARAMETER.fullmatch(line) is not None, f"{name}: a parameter: {line[:60]!r}")
            if line.startswith("[categorical_feature: "):
                categorical = _declared(line[len("[categorical_feature: ") : -1], features)
    return categorical, _levels(text, name)


def _declared(text: str, features: int) -> tuple[int, ...]:
    found = [int(one) for one in text.split(",") if re.fullmatch("[0-9]{1,9}", one)]
    return tuple(place for place in found if place < features)


def _levels(text: str, name: str) -> tuple[tuple[Any, ...], ...]:
    _, begun, said = text.rpartition("pandas_categorical:")
    try:
        found = json.loads(said.split("\n")[0]) if begun else None
    except (ValueError, RecursionError):
        expect(False, f"{name}: pandas_categorical: expected JSON")
        raise
    if found is None:
        return ()
    plain = isinstance(found, list) and all(
        isinstance(one, list) and all(isinstance(level, (str, int, float, bool)) for level in one) for one in found
    )
    expect(plain, f"{name}: pandas_categorical: expected lists of levels")
    return tuple(tuple(one) for one in found)
