"""
Whether the trees of an ONNX file are trees: onnxruntime follows the numbers of children, and sees no circle.

Of `TreeEnsembleClassifier` and `TreeEnsembleRegressor`: every node is there once, has its two children in its own tree,
and is reached once from its root. That a feature is one of the input's, onnxruntime checks at each call (seen in 1.32).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cloche.errors import TamperedModelError
from cloche.onnx import protobuf as wire
from cloche.onnx.reading import Graph, Node, attribute_integers

_OPS = frozenset({"TreeEnsembleClassifier", "TreeEnsembleRegressor"})
_LEAF = b"LEAF"
_MODES = frozenset({b"LEAF", b"BRANCH_LEQ", b"BRANCH_LT", b"BRANCH_GTE", b"BRANCH_GT", b"BRANCH_EQ", b"BRANCH_NEQ"})
_PER_NODE = ("nodes_nodeids", "nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids")


def check(graph: Graph) -> None:
    """
    Raises:
        TamperedModelError: a tree points outside itself or outside its input.
    """
    for node in graph.all_nodes():
        if node.op in _OPS:
            _check(node)


def _check(node: Node) -> None:
    where = f"model.onnx: {node.op} {node.name!r}"
    trees = attribute_integers(node, "nodes_treeids")
    ids, features, yes, no = (attribute_integers(node, name) for name in _PER_NODE)
    modes = [bytes(one) for one in node.attributes.get("nodes_modes", {}).get(9, [])]
    if not (len(trees) == len(ids) == len(features) == len(yes) == len(no) == len(modes)) or not len(trees):
        raise TamperedModelError(f"{where}: its arrays of nodes differ in length")
    if not _MODES.issuperset(modes):
        raise TamperedModelError(f"{where}: an unknown mode of a node")
    leaf = np.array([mode == _LEAF for mode in modes])
    places = _places(trees, ids, where)
    children = [_children(places, trees, side, ~leaf, where) for side in (yes, no)]
    _check_reached(np.concatenate(children), leaf, trees, where)
    if (features < 0).any():
        raise TamperedModelError(f"{where}: looks at feature {features.min()}")
    _check_targets(node, places, trees[leaf], ids[leaf], where)


def _places(trees: Any, ids: Any, where: str) -> dict[tuple[int, int], int]:
    places = {pair: place for place, pair in enumerate(zip(trees.tolist(), ids.tolist(), strict=True))}
    if len(places) != len(trees):
        raise TamperedModelError(f"{where}: a node is there twice")
    return places


def _children(places: dict[tuple[int, int], int], trees: Any, ids: Any, inner: Any, where: str) -> Any:
    pairs = zip(trees[inner].tolist(), ids[inner].tolist(), strict=True)
    try:
        return np.array([places[pair] for pair in pairs], dtype=np.int64)
    except KeyError as exc:
        raise TamperedModelError(f"{where}: the child {exc} is not there") from exc


def _check_reached(children: Any, leaf: Any, trees: Any, where: str) -> None:
    """Each node but one root a tree has one parent; with as many edges as that, and no circle, all are reached."""
    parents = np.bincount(children, minlength=len(leaf))
    roots = np.flatnonzero(parents == 0)
    if parents.max(initial=0) > 1 or len(np.unique(trees[roots])) != len(roots):
        raise TamperedModelError(f"{where}: a node has two parents, or a tree two roots")
    if len(roots) != len(np.unique(trees)):
        raise TamperedModelError(f"{where}: a tree goes round in circles")
    inner = np.flatnonzero(~leaf)
    under = np.full((len(leaf), 2), -1)
    under[inner] = children.reshape(2, -1).T
    seen, level = len(roots), roots
    while level.size:
        level = under[level].ravel()
        level = level[level >= 0]
        seen += len(level)
    if seen != len(leaf):
        raise TamperedModelError(f"{where}: a tree goes round in circles")


def _check_targets(node: Node, places: dict[tuple[int, int], int], trees: Any, ids: Any, where: str) -> None:
    """What the leaves answer: for existing leaves, for existing outputs, as many weights as places."""
    side = "class" if node.op.endswith("Classifier") else "target"
    of_trees, of_nodes, of_outputs = (
        attribute_integers(node, f"{side}_{what}") for what in ("treeids", "nodeids", "ids")
    )
    weights = wire.numbers(node.attributes.get(f"{side}_weights", {}).get(7, []), "<f4")
    if not (len(of_trees) == len(of_nodes) == len(of_outputs)):
        raise TamperedModelError(f"{where}: its arrays of answers differ in length")
    as_tensor = f"{side}_weights_as_tensor" in node.attributes
    if not as_tensor and len(weights) != len(of_trees):
        raise TamperedModelError(f"{where}: expected {len(of_trees)} weights, got {len(weights)}")
    leaves = set(zip(trees.tolist(), ids.tolist(), strict=True))
    if not leaves.issuperset(zip(of_trees.tolist(), of_nodes.tolist(), strict=True)):
        raise TamperedModelError(f"{where}: an answer of a leaf that is not there")
    outputs = _outputs(node, side)
    if of_outputs.size and (of_outputs.min() < 0 or of_outputs.max() >= outputs):
        raise TamperedModelError(f"{where}: an answer for output {of_outputs.max()} of {outputs}")


def _outputs(node: Node, side: str) -> int:
    if side == "target":
        return wire.whole(node.attributes.get("n_targets", {}), 3)
    labels = node.attributes.get("classlabels_int64s", {}).get(8), node.attributes.get("classlabels_strings", {}).get(9)
    return len(wire.integers(labels[0])) if labels[0] else len(labels[1] or ())
