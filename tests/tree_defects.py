"""
Defects as a careless hand would plant them in lowered trees: each has to be caught by the guard's rows.

A defect takes a graph's nodes and arrays and gives them back with one thing wrong; `None` says that the trees have no
place for it (no categories, a single output). The result is still a valid graph: content checks do not see it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from cloche.graph import Graph
from cloche.graph.operators.trees import Trees
from cloche.graph.trees import CATEGORICAL, MISSING_LEFT

Array = np.ndarray[Any, Any]
Arrays = dict[str, Any]
Planted = tuple[Graph, Arrays] | None
Defect = Callable[[Graph, Arrays], Planted]


def planted(name: str, graph: Graph, arrays: Arrays) -> Planted:
    """*graph* with the defect *name* in its first node of trees that has a place for it."""
    for place, node in enumerate(graph.nodes):
        if isinstance(node, Trees):
            changed = DEFECTS[name](node, {key: arrays[getattr(node, f"{key}_array")].copy() for key in _keys(node)})
            if changed is not None:
                return _with(graph, arrays, place, node, *changed)
    return None


def _keys(node: Trees) -> list[str]:
    names = ("starts", "feature", "threshold", "left", "right", "flags", "values", "base", "sets")
    return [name for name in names if getattr(node, f"{name}_array") is not None]


def _with(graph: Graph, arrays: Arrays, place: int, old: Trees, node: Trees, parts: Arrays) -> Planted:
    nodes = (*graph.nodes[:place], node, *graph.nodes[place + 1 :])
    own = {getattr(old, f"{key}_array"): array for key, array in parts.items()}
    return msgspec.structs.replace(graph, nodes=nodes), {**arrays, **own}


def _numbers(parts: Arrays) -> Array:
    finite = np.isfinite(parts["threshold"])
    found: Array = (parts["flags"] != CATEGORICAL) & finite
    return found


def _outputs(parts: Arrays) -> int:
    return len(parts["base"])


# -- comparisons ---------------------------------------------------------------------------------


def less_for_less_or_equal(node: Trees, parts: Arrays) -> Any:
    """Rounded numbers meet only thresholds that are float32s themselves; extra trees have none."""
    numbers, before = _numbers(parts), parts["threshold"]
    met = numbers & (before.astype(np.float32) == before) if node.float32 else numbers
    parts["threshold"] = np.where(numbers, np.nextafter(before, -np.inf), before)
    return (node, parts) if met.any() else None


def thresholds_a_step_up(node: Trees, parts: Arrays) -> Any:
    """What a forest cannot notice, whose numbers are rounded to float32, it need not: there a float32 step is taken."""
    numbers = _numbers(parts)
    if node.float32:
        up = np.nextafter(parts["threshold"][numbers].astype(np.float32), np.float32(np.inf))
    else:
        up = np.nextafter(parts["threshold"][numbers], np.inf)
    parts["threshold"][numbers] = up
    return (node, parts) if numbers.any() else None


def thresholds_rounded_to_float32(node: Trees, parts: Arrays) -> Any:
    numbers = _numbers(parts)
    before = parts["threshold"][numbers].copy()
    parts["threshold"][numbers] = before.astype(np.float32)
    #: Between a threshold and the float32 below it lies no float32: rounding down changes nothing there.
    wrong = parts["threshold"][numbers] > before if node.float32 else parts["threshold"][numbers] != before
    return (node, parts) if wrong.sum() > 2 else None


def thresholds_in_six_digits(node: Trees, parts: Arrays) -> Any:
    numbers = _numbers(parts)
    parts["threshold"][numbers] = [float(f"{x:.6g}") for x in parts["threshold"][numbers].tolist()]
    return (node, parts) if numbers.any() else None


def a_lost_float32_cast(node: Trees, parts: Arrays) -> Any:
    return (msgspec.structs.replace(node, float32=False), parts) if node.float32 else None


def a_float32_cast_too_many(node: Trees, parts: Arrays) -> Any:
    return None if node.float32 else (msgspec.structs.replace(node, float32=True), parts)


# -- which way ----------------------------------------------------------------------------------


def missing_goes_the_other_way(node: Trees, parts: Arrays) -> Any:
    numbers = parts["flags"] != CATEGORICAL
    parts["flags"][numbers] ^= MISSING_LEFT
    return (node, parts) if numbers.any() and node.accepts != "finite" else None


def missing_always_goes_right(node: Trees, parts: Arrays) -> Any:
    had = (parts["flags"] == MISSING_LEFT).any()
    parts["flags"][parts["flags"] == MISSING_LEFT] = 0
    return (node, parts) if had and node.accepts != "finite" else None


def children_of_a_root_swapped(node: Trees, parts: Arrays) -> Any:
    if not len(parts["left"]):
        return None
    parts["left"][0], parts["right"][0] = parts["right"][0], parts["left"][0]
    return node, parts


def columns_shifted_by_one(node: Trees, parts: Arrays) -> Any:
    top = int(parts["feature"].max(initial=0))
    parts["feature"] = np.where(parts["feature"] == top, 0, parts["feature"] + 1).astype(np.int32)
    return (node, parts) if top else None


def two_columns_swapped(node: Trees, parts: Arrays) -> Any:
    used = np.unique(parts["feature"])
    if len(used) < 2:
        return None
    first, second = parts["feature"] == used[0], parts["feature"] == used[1]
    parts["feature"][first], parts["feature"][second] = used[1], used[0]
    return node, parts


# -- categories ---------------------------------------------------------------------------------


def a_category_lost_from_a_set(node: Trees, parts: Arrays) -> Any:
    if not _root_set(parts):
        return None
    member = int(np.flatnonzero(_bits(parts["sets"]).any(axis=0))[0])
    parts["sets"][:, member // 32] &= ~np.uint32(1 << (member % 32))
    return node, parts


def categories_one_too_far(node: Trees, parts: Arrays) -> Any:
    if not _root_set(parts):
        return None
    moved = np.roll(_bits(parts["sets"]), 1, axis=1)
    parts["sets"] = np.packbits(moved, axis=1, bitorder="little").view("<u4").astype(np.uint32)
    return node, parts


def unknown_categories_go_left(node: Trees, parts: Arrays) -> Any:
    """As if missing and unknown ones went with the set: the set turned round, its children not."""
    if not _root_set(parts):
        return None
    categorical = parts["flags"] == CATEGORICAL
    left = parts["left"][categorical].copy()
    parts["left"][categorical], parts["right"][categorical] = parts["right"][categorical], left
    used = _bits(parts["sets"]).any(axis=0)
    known = np.packbits(used[None, :], axis=1, bitorder="little").view("<u4").astype(np.uint32)
    parts["sets"] = known & ~parts["sets"]
    return node, parts


def _root_set(parts: Arrays) -> bool:
    return "sets" in parts and bool(_bits(parts["sets"]).any())


def _bits(sets: Array) -> Array:
    return np.unpackbits(np.ascontiguousarray(sets.astype("<u4")).view(np.uint8), axis=1, bitorder="little")


# -- sums ---------------------------------------------------------------------------------------


def the_last_tree_left_out(node: Trees, parts: Arrays) -> Any:
    """A whole round of trees where each output has its own; its leaves count nothing."""
    width = parts["values"].shape[1]
    trees = _outputs(parts) if width != _outputs(parts) else 1
    start = int(parts["starts"][-1 - trees]) + len(parts["starts"]) - 1 - trees
    changed = bool(parts["values"][start:].any())
    parts["values"][start:] = 0.0
    return (node, parts) if changed else None


def the_base_left_out(node: Trees, parts: Arrays) -> Any:
    had = parts["base"].any()
    parts["base"][:] = 0.0
    return (node, parts) if had else None


def the_base_counted_twice(node: Trees, parts: Arrays) -> Any:
    had = parts["base"].any()
    parts["base"] *= 2
    return (node, parts) if had else None


def a_sum_for_a_mean(node: Trees, parts: Arrays) -> Any:
    several = len(parts["starts"]) > 2
    return (msgspec.structs.replace(node, mean=not node.mean), parts) if several else None


def leaves_rounded_to_float32(node: Trees, parts: Arrays) -> Any:
    before = parts["values"].copy()
    parts["values"] = before.astype(np.float32).astype(np.float64)
    return (node, parts) if np.abs(before - parts["values"]).max() > 1e-7 * np.abs(before).max() / 4 else None


def two_outputs_swapped(node: Trees, parts: Arrays) -> Any:
    outputs = _outputs(parts)
    if outputs < 2 or parts["values"].shape[1] != outputs:
        return None
    parts["values"][:, [0, 1]] = parts["values"][:, [1, 0]]
    return node, parts


def trees_of_two_outputs_swapped(node: Trees, parts: Arrays) -> Any:
    """Trees go to their outputs in another turn, as if classes and rounds had been mixed up."""
    outputs, width = _outputs(parts), parts["values"].shape[1]
    if outputs < 2 or width == outputs:
        return None
    parts["base"] = np.roll(parts["base"], 1)
    return node, parts


def leaves_of_two_trees_swapped(node: Trees, parts: Arrays) -> Any:
    if len(parts["starts"]) < 3:
        return None
    first = slice(0, int(parts["starts"][1]) + 1)
    parts["values"][first] = parts["values"][first][::-1].copy()
    return (node, parts) if first.stop > 1 else None


def an_input_rule_lost(node: Trees, parts: Arrays) -> Any:
    return None if node.accepts == "any" else (msgspec.structs.replace(node, accepts="any"), parts)


DEFECTS: dict[str, Callable[[Trees, Arrays], Any]] = {
    function.__name__: function
    for function in (
        less_for_less_or_equal,
        thresholds_a_step_up,
        thresholds_rounded_to_float32,
        thresholds_in_six_digits,
        a_lost_float32_cast,
        a_float32_cast_too_many,
        missing_goes_the_other_way,
        missing_always_goes_right,
        children_of_a_root_swapped,
        columns_shifted_by_one,
        two_columns_swapped,
        a_category_lost_from_a_set,
        categories_one_too_far,
        unknown_categories_go_left,
        the_last_tree_left_out,
        the_base_left_out,
        the_base_counted_twice,
        a_sum_for_a_mean,
        leaves_rounded_to_float32,
        two_outputs_swapped,
        trees_of_two_outputs_swapped,
        leaves_of_two_trees_swapped,
        an_input_rule_lost,
    )
}
