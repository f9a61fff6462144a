"""
Whether an ONNX file may be opened: what it says it holds, it holds, and nothing in it reaches out of it.

Only operators of the ONNX standard are let through: no library of custom operators is ever loaded, no tensor lies in
another file, no loop runs until it likes to stop.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cloche.errors import ArchiveLimitError, TamperedModelError, UntrustedTypeError, WrongFormatError
from cloche.onnx import protobuf as wire
from cloche.onnx import reading, trees
from cloche.onnx.reading import File, Graph, Node, Stored

#: Protobuf itself ends at 2 GiB.
MAX_BYTES = (1 << 31) - 1
MAX_TENSOR = 1 << 31
_MAX_TIES = 1_000
#: Domains, and the versions of their operators that are known here.
OPSETS: Final[Mapping[str, tuple[int, int]]] = {"": (7, 26), "ai.onnx.ml": (1, 5)}
_DOMAINS = {"": "", "ai.onnx": "", "ai.onnx.ml": "ai.onnx.ml"}
#: Operators that are refused, and why.
REFUSED: Final[Mapping[str, str]] = {
    "Loop": "may run for ever",
    "RandomNormal": "answers differently each time",
    "RandomNormalLike": "answers differently each time",
    "RandomUniform": "answers differently each time",
    "RandomUniformLike": "answers differently each time",
    "Multinomial": "answers differently each time",
    "Bernoulli": "answers differently each time",
    "ImageDecoder": "reads images, not fields",
    "TreeEnsemble": "its trees are not checked here; convert for ai.onnx.ml 3",
}
#: ONNX's numbers for element types: bytes each, 0 for text.
_SIZES: Final[Mapping[int, int]] = {
    1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 8: 0, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2,
}  # fmt: skip
#: Where a tensor's numbers are when not in `raw_data`: the field, and its bytes a number (0: varints).
_TYPED: Final[Mapping[int, tuple[int, str]]] = {
    1: (4, "<f4"), 11: (10, "<f8"), 7: (7, ""), 12: (11, ""), 13: (11, ""), 8: (6, "text"),
}  # fmt: skip
#: Operators that make a tensor as large as one of their inputs says, and which.
_SHAPED: Final[Mapping[str, int]] = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1}
_WHERE = "model.onnx"


def check_model(raw: bytes, *, functions: bool = False) -> File:
    """
    Check the bytes of an `.onnx` file, and give what was read; *functions* may stand in a file that is only imported.

    Raises:
        WrongFormatError: it is something else: a pickle, an archive.
        ArchiveLimitError: it is too large, or would be once opened.
        TamperedModelError: it is broken, cut off, or lies about what it holds.
        UntrustedTypeError: it uses operators that are not ONNX's own, or data outside of it.
    """
    _check_beginning(raw)
    found = reading.read(raw)
    _check_file(found, functions=functions)
    stored = (*_stored(found.graph), *found.constants)
    for tensor in stored:
        _check_tensor(tensor)
    _check_total(stored)
    for node in found.graph.all_nodes():
        _check_node(node, functions=functions)
    _check_declared(found.graph)
    _check_sizes(found)
    trees.check(found.graph)
    return found


def _check_beginning(raw: bytes) -> None:
    if len(raw) > MAX_BYTES:
        raise ArchiveLimitError(f"{_WHERE}: expected at most {MAX_BYTES} bytes, got {len(raw)}")
    if raw[:1] == b"\x80" or raw[:4] == b"PK\x03\x04" or raw[4:8] == b"ORTM":
        what = {b"\x80": "a pickle", b"P": "a zip archive"}.get(raw[:1], "a file for onnxruntime alone")
        raise WrongFormatError(f"{_WHERE}: expected an ONNX model, got {what}; it was not opened")


def _check_file(found: File, *, functions: bool) -> None:
    if found.functions and not functions:
        raise UntrustedTypeError(
            f"{_WHERE}: holds {found.functions} functions of its own; write them into the graph "
            "(onnx.inliner.inline_local_functions)"
        )
    if found.training:
        raise UntrustedTypeError(f"{_WHERE}: holds graphs for training, which no server needs")
    for domain, version in found.opsets.items():
        if domain in OPSETS and not OPSETS[domain][0] <= version <= OPSETS[domain][1]:
            low, high = OPSETS[domain]
            name = domain or "ai.onnx"
            raise UntrustedTypeError(f"{_WHERE}: expected {name} in version {low} to {high}, got {version}")


def _check_node(node: Node, *, functions: bool) -> None:
    """Of a function's domain nothing is known before it is written into the graph; what results is checked again."""
    if node.domain not in _DOMAINS and not functions:
        raise UntrustedTypeError(
            f"{_WHERE}: the operator {node.domain}::{node.op} is not one of ONNX's own; only ai.onnx and ai.onnx.ml are"
        )
    if node.op in REFUSED:
        raise UntrustedTypeError(f"{_WHERE}: the operator {node.op} {REFUSED[node.op]}")


def _check_declared(graph: Graph) -> None:
    names = [one.name for one in (*graph.inputs, *graph.outputs)]
    if len(names) > _MAX_TIES:
        raise ArchiveLimitError(f"{_WHERE}: expected at most {_MAX_TIES} inputs and outputs, got {len(names)}")
    if not graph.outputs:
        raise TamperedModelError(f"{_WHERE}: has no output")
    for one in (*graph.inputs, *graph.outputs):
        if any(dim is not None and (dim < 0 or dim > MAX_TENSOR) for dim in one.dims or ()):
            raise TamperedModelError(f"{_WHERE}: {one.name}: a shape of {one.dims}")


# -- tensors ----------------------------------------------------------------------------------------


def _stored(graph: Graph) -> Iterable[Stored]:
    yield from graph.stored
    for node in graph.nodes:
        for inner in node.graphs:
            yield from _stored(inner)


def _check_tensor(tensor: Stored) -> None:
    where = f"{_WHERE}: the tensor {tensor.name!r}"
    if 13 in tensor.message or any(tensor.message.get(14, ())):
        raise UntrustedTypeError(
            f"{where} lies in another file; put it into the model (onnx.save_model does by itself)"
        )
    if 3 in tensor.message:
        raise TamperedModelError(f"{where} is a part of a tensor")
    if tensor.dtype not in _SIZES:
        raise TamperedModelError(f"{where} is of element type {tensor.dtype}, which is not read here")
    if any(dim < 0 for dim in tensor.dims):
        raise TamperedModelError(f"{where} has the shape {tensor.dims}")
    count = math.prod(tensor.dims)
    if count * max(_SIZES[tensor.dtype], 1) > MAX_TENSOR:
        raise ArchiveLimitError(f"{where} declares {tensor.dims}: more than {MAX_TENSOR} bytes")
    held = _held(tensor)
    if held != count:
        raise TamperedModelError(f"{where} declares {tensor.dims}, {count} numbers, and holds {held}")


def _held(tensor: Stored) -> int:
    """How many numbers the tensor holds; -1 for a part of one."""
    raw = wire.only(tensor.message, 9)
    if raw is not None:
        size = _SIZES[tensor.dtype]
        if isinstance(raw, int) or not size or any(tensor.message.get(number) for number, _ in _TYPED.values()):
            return -1
        return len(raw) // size if len(raw) % size == 0 else -1
    number, how = _TYPED.get(tensor.dtype, (5, ""))
    values = tensor.message.get(number, [])
    if how == "text":
        return len(values)
    return len(wire.numbers(values, how) if how else wire.integers(values))


def _check_total(tensors: Iterable[Stored]) -> None:
    total = sum(math.prod(one.dims) * max(_SIZES[one.dtype], 1) for one in tensors)
    if total > MAX_TENSOR:
        raise ArchiveLimitError(f"{_WHERE}: its tensors take {total} bytes, more than {MAX_TENSOR}")


def _check_sizes(found: File) -> None:
    """A shape that the file itself holds must not ask for more memory than any model of fields needs."""
    constants = {one.name: one for one in _stored(found.graph)}
    for node in found.graph.all_nodes():
        if node.op == "Constant" and node.outputs and "value" in node.attributes:
            tensor = node.attributes["value"].get(5)
            if tensor:
                message = wire.message(tensor[0])
                dims = tuple(wire.integers(message.get(1, [])).tolist())
                constants[node.outputs[0]] = Stored(node.outputs[0], wire.whole(message, 2), dims, message)
    for node in found.graph.all_nodes():
        place = _SHAPED.get(node.op)
        if place is None or len(node.inputs) <= place or node.inputs[place] not in constants:
            continue
        asked = math.prod(max(one, 1) for one in _whole_numbers(constants[node.inputs[place]]))
        if asked > MAX_TENSOR // 8:
            raise ArchiveLimitError(f"{_WHERE}: {node.op} {node.name!r} would make {asked} numbers")


def _whole_numbers(tensor: Stored) -> list[int]:
    raw = wire.only(tensor.message, 9)
    if tensor.dtype != 7:
        return []
    values: Any = wire.integers(tensor.message.get(7, [])) if raw is None else wire.numbers([raw], "<i8")
    found: list[int] = values.tolist()
    return found
