"""
An `Ensemble` as the text of a LightGBM model (format v4), made from validated arrays and never stored.

Numbers are written so that they are read back as the same float64 (`repr`); `+inf` is `inf`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cloche.graph.trees import CATEGORICAL, MISSING_LEFT, SET_WORDS, Ensemble

Array = Any

#: `decision_type` of LightGBM (`include/LightGBM/tree.h`): categorical, missing goes left, "only NaN is missing".
_CATEGORICAL, _DEFAULT_LEFT, _NAN_IS_MISSING = 1, 2, 8


def model_text(one: Ensemble, *, leaves: bool) -> str:
    """
    The model text of *one*; with *leaves* only its shape, to be asked for the places of leaves.

    Without *leaves* a first round of trees of one leaf holds the base, so that sums begin there. `tree_sizes` is left
    out on purpose: with it LightGBM would read the trees in parallel, and threads do not survive a fork.
    """
    classes = 1 if leaves else one.outputs
    columns = max(one.features, 1)
    head = [
        "tree",
        "version=v4",
        f"num_class={classes}",
        f"num_tree_per_iteration={classes}",
        "label_index=0",
        f"max_feature_idx={columns - 1}",
        "feature_names=" + " ".join(f"c{column}" for column in range(columns)),
        "feature_infos=" + " ".join(["none"] * columns),
        "",
    ]
    bases = [] if leaves else [_lone(repr(float(value) + 0.0)) for value in one.base]
    trees = [*bases, *(_tree(one, number, leaves=leaves) for number in range(one.trees))]
    named = [f"Tree={number}\n{text}\n" for number, text in enumerate(trees)]
    return "\n".join([*head, *named, "end of trees", ""])


def _lone(value: str) -> str:
    return f"num_leaves=1\nnum_cat=0\nleaf_value={value}\n"


def _tree(one: Ensemble, number: int, *, leaves: bool) -> str:
    start, end = int(one.starts[number]), int(one.starts[number + 1])
    count = end - start + 1
    first = start + number
    values = "0 " * count if leaves else _numbers(one.values[first : first + count, 0])
    if count == 1:
        return _lone(values)
    return "\n".join([f"num_leaves={count}", *_splits(one, slice(start, end)), f"leaf_value={values}", ""])


def _splits(one: Ensemble, part: slice) -> Iterator[str]:
    flags, thresholds = one.flags[part], one.threshold[part].copy()
    categorical = flags == CATEGORICAL
    sets = thresholds[categorical].astype(int)
    thresholds[categorical] = range(len(sets))
    kinds = categorical * _CATEGORICAL + (flags == MISSING_LEFT) * _DEFAULT_LEFT + _NAN_IS_MISSING
    yield f"num_cat={len(sets)}"
    yield f"split_feature={_numbers(one.feature[part])}"
    yield f"threshold={_numbers(thresholds)}"
    yield f"decision_type={_numbers(kinds)}"
    yield f"left_child={_numbers(one.left[part])}"
    yield f"right_child={_numbers(one.right[part])}"
    if len(sets):
        yield f"cat_boundaries={' '.join(str(SET_WORDS * place) for place in range(len(sets) + 1))}"
        yield f"cat_threshold={_numbers(one.sets[sets].reshape(-1))}"


def _numbers(values: Array) -> str:
    return " ".join(map(repr, values.tolist()))
