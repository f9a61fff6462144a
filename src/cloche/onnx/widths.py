"""How many columns a tensor of an ONNX graph has, as far as a few operators tell; None where they do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cloche.onnx import protobuf as wire
from cloche.onnx.reading import Graph, Node, attribute_integers

Widths = dict[str, int]
#: As wide as their first input.
_SAME = frozenset(
    "Cast Identity Scaler Normalizer Imputer Binarizer Clip Relu Sigmoid Tanh Exp Log Sqrt Abs Neg Softmax Floor Ceil "
    "Round Erf Reciprocal Sign IsNaN Not LeakyRelu Elu".split()
)
#: As wide as the wider of their inputs.
_BROADCAST = frozenset("Add Sub Mul Div Pow Min Max And Or Less Greater Equal".split())


def of(graph: Graph) -> Widths:
    """The width of each two-dimensional tensor that can be told, by name."""
    found: Widths = {}
    for one in graph.inputs:
        if one.dims is not None and len(one.dims) == 2 and one.dims[1] is not None:
            found[one.name] = one.dims[1]
    for tensor in graph.stored:
        found[tensor.name] = tensor.dims[-1] if tensor.dims else 1
    for node in graph.nodes:
        width = _width(node, found)
        if width is not None and node.outputs:
            found[node.outputs[0]] = width
    return found


def _width(node: Node, known: Mapping[str, int]) -> int | None:
    inputs = [known.get(name) for name in node.inputs if name]
    if node.op == "Where":
        return _widest(inputs[1:])
    if node.op in _SAME:
        return inputs[0] if inputs else None
    if node.op in _BROADCAST:
        return _widest(inputs)
    rule = _RULES.get(node.op)
    return None if rule is None else rule(node, inputs)


def _widest(inputs: list[int | None]) -> int | None:
    found = [one for one in inputs if one is not None]
    return max(found) if found and len(found) == len(inputs) else None


def _joined(node: Node, inputs: list[int | None]) -> int | None:
    axis = wire.whole(node.attributes.get("axis", {}), 3)
    found = [one for one in inputs if one is not None]
    return sum(found) if axis in (1, -1) and len(found) == len(inputs) else None


def _summed(node: Node, inputs: list[int | None]) -> int | None:
    """FeatureVectorizer says itself how wide its inputs are."""
    given = attribute_integers(node, "inputdimensions")
    return int(given.sum()) if len(given) == len(inputs) and given.tolist() == inputs else None


def _picked(_: Node, inputs: list[int | None]) -> int | None:
    return inputs[1] if len(inputs) == 2 else None


def _matrix(_: Node, inputs: list[int | None]) -> int | None:
    return inputs[1] if len(inputs) == 2 else None


_RULES: dict[str, Callable[[Node, list[int | None]], int | None]] = {
    "Concat": _joined,
    "FeatureVectorizer": _summed,
    "ArrayFeatureExtractor": _picked,
    "MatMul": _matrix,
}
