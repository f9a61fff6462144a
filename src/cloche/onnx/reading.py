"""
An ONNX file as graphs, nodes and tensors: what the rules in `checks.py` look at.

Field numbers are those of onnx.proto3 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3). Nothing is copied
but names: a tensor's numbers stay bytes of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cloche.errors import ArchiveLimitError, TamperedModelError
from cloche.onnx import protobuf as wire
from cloche.onnx.protobuf import Message

MAX_NODES = 100_000
_MAX_DEPTH = 8
_WHERE = "model.onnx"


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor that the file holds: its ONNX type number, and its fields for who wants its numbers."""

    name: str
    dtype: int
    dims: tuple[int, ...]
    message: Message


@dataclass(frozen=True, slots=True)
class Node:
    """One operation; an attribute is its message."""

    domain: str
    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Message]
    graphs: tuple[Graph, ...]


@dataclass(frozen=True, slots=True)
class Declared:
    """An input or output of a graph: its element type (0: no tensor) and shape, None where it is not fixed."""

    name: str
    dtype: int
    dims: tuple[int | None, ...] | None


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in their order, the tensors stored with them and in their attributes."""

    nodes: tuple[Node, ...]
    stored: tuple[Stored, ...]
    inputs: tuple[Declared, ...]
    outputs: tuple[Declared, ...]

    def all_nodes(self) -> Iterator[Node]:
        """The nodes of this graph and of those inside its nodes."""
        for node in self.nodes:
            yield node
            for graph in node.graphs:
                yield from graph.all_nodes()


@dataclass(frozen=True, slots=True)
class File:
    """A model: its graph, opset by domain, and what it holds besides that a rule may forbid."""

    graph: Graph
    opsets: dict[str, int]
    ir_version: int
    functions: int = 0
    training: int = 0
    constants: tuple[Stored, ...] = ()


@dataclass(slots=True)
class _Reader:
    """Counts while it reads: a small file can hold graphs in graphs in graphs."""

    nodes: int = 0
    constants: list[Stored] = field(default_factory=list)

    def graph(self, found: Message, depth: int) -> Graph:
        if depth > _MAX_DEPTH:
            raise ArchiveLimitError(f"{_WHERE}: expected at most {_MAX_DEPTH} graphs inside each other")
        if 14 in found or 15 in found:
            raise TamperedModelError(f"{_WHERE}: quantization annotations and sparse tensors are not read here")
        stored = [self.tensor(wire.message(one)) for one in found.get(5, ())]
        nodes = [self.node(wire.message(one), depth) for one in found.get(1, ())]
        return Graph(
            tuple(nodes),
            tuple(stored),
            tuple(_declared(wire.message(one)) for one in found.get(11, ())),
            tuple(_declared(wire.message(one)) for one in found.get(12, ())),
        )

    def node(self, found: Message, depth: int) -> Node:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise ArchiveLimitError(f"{_WHERE}: expected at most {MAX_NODES} nodes")
        attributes: dict[str, Message] = {}
        graphs: list[Graph] = []
        for one in found.get(5, ()):
            attribute = wire.message(one)
            name = wire.text(wire.only(attribute, 1, b""))
            if name in attributes:
                raise TamperedModelError(f"{_WHERE}: a node has the attribute {name!r} twice")
            attributes[name] = attribute
            if 22 in attribute or 23 in attribute:
                raise TamperedModelError(f"{_WHERE}: sparse tensors are not read here")
            self.constants += [
                self.tensor(wire.message(part)) for part in (*attribute.get(5, ()), *attribute.get(10, ()))
            ]
            inner = (*attribute.get(6, ()), *attribute.get(11, ()))
            graphs += [self.graph(wire.message(part), depth + 1) for part in inner]
        return Node(
            wire.text(wire.only(found, 7, b"")),
            wire.text(wire.only(found, 4, b"")),
            wire.text(wire.only(found, 3, b"")),
            tuple(wire.text(one) for one in found.get(1, ())),
            tuple(wire.text(one) for one in found.get(2, ())),
            attributes,
            tuple(graphs),
        )

    def tensor(self, found: Message) -> Stored:
        dims = tuple(wire.integers(found.get(1, [])).tolist())
        return Stored(wire.text(wire.only(found, 8, b"")), wire.whole(found, 2), dims, found)


def read(raw: bytes) -> File:
    """
    The model in *raw*.

    Raises:
        TamperedModelError: it is no ONNX file, is cut off, or holds what is not read here.
        ArchiveLimitError: it holds too much.
    """
    found = wire.fields(memoryview(raw))
    graph = wire.only(found, 7)
    if graph is None:
        raise TamperedModelError(f"{_WHERE}: expected an ONNX model; there is no graph in it")
    reader = _Reader()
    return File(
        reader.graph(wire.message(graph), 0),
        dict(_opset(wire.message(one)) for one in found.get(8, ())),
        wire.whole(found, 1),
        functions=len(found.get(25, ())),
        training=len(found.get(20, ())),
        constants=tuple(reader.constants),
    )


def _opset(found: Message) -> tuple[str, int]:
    domain = wire.text(wire.only(found, 1, b""))
    return "" if domain == "ai.onnx" else domain, wire.whole(found, 2)


def _declared(found: Message) -> Declared:
    name = wire.text(wire.only(found, 1, b""))
    tensor = wire.only(wire.message(wire.only(found, 2, memoryview(b""))), 1)
    if tensor is None:
        return Declared(name, 0, None)
    inside = wire.message(tensor)
    shape = wire.only(inside, 2)
    dims = None if shape is None else tuple(_dim(wire.message(one)) for one in wire.message(shape).get(1, ()))
    return Declared(name, wire.whole(inside, 1), dims)


def _dim(found: Message) -> int | None:
    return wire.whole(found, 1) if 1 in found else None


def attribute_integers(node: Node, name: str) -> Any:
    """The whole numbers of an attribute; none where it is not there."""
    return wire.integers(node.attributes.get(name, {}).get(8, []))
