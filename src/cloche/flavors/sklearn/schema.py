"""
`schema.json` of a skops file, read as plain data: which types and loaders it names, and where.

Used on both sides: at save to say what could not be opened elsewhere, at load to refuse it.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cloche.errors import TamperedModelError, WrongFormatError
from cloche.integrity.archive import check_archive

SCHEMA = "schema.json"
PROTOCOL = 2
_MEMBER = re.compile(r"\d+\.npy|\d+\.npz|[0-9a-f-]{36}\.bin")


@dataclass(frozen=True, slots=True)
class Named:
    """A type or function that a file names: its qualified name, the loader asked for, and its place."""

    name: str
    loader: str
    where: str


def read_schema(raw: bytes, name: str) -> dict[str, Any]:
    """
    The schema of the archive *raw*, after the limits and the shape of every array in it were checked.

    Raises:
        WrongFormatError, ArchiveLimitError, TamperedModelError
    """
    check_archive(raw, name)
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            _check_members(archive, name)
            text = archive.read(SCHEMA)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
        raise WrongFormatError(f"{name}: a damaged zip archive: {exc}") from exc
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise WrongFormatError(f"{name}: {SCHEMA}: not JSON: {exc}") from exc
    protocol = schema.get("protocol") if isinstance(schema, dict) else None
    if type(protocol) is not int or protocol < PROTOCOL:
        raise WrongFormatError(f"{name}: {SCHEMA}: expected skops protocol {PROTOCOL} or later, got {protocol!r}")
    return dict(schema)


def _check_members(archive: zipfile.ZipFile, name: str) -> None:
    names = archive.namelist()
    if SCHEMA not in names:
        raise WrongFormatError(f"{name}: expected a skops archive with a {SCHEMA}, which is missing")
    for member in names:
        if member == SCHEMA:
            continue
        if not _MEMBER.fullmatch(member):
            raise WrongFormatError(f"{name}: a skops archive holds no member like {member!r}")
        if member.endswith(".npy"):
            _check_npy(archive, member, f"{name}: {member}")
        elif member.endswith(".npz"):
            _check_npz(archive.read(member), f"{name}: {member}")


def _check_npz(raw: bytes, name: str) -> None:
    check_archive(raw, name)
    with zipfile.ZipFile(io.BytesIO(raw)) as inner:
        for member in inner.namelist():
            _check_npy(inner, member, f"{name}: {member}")


def _check_npy(archive: zipfile.ZipFile, member: str, where: str) -> None:
    """A header may declare any shape, and numpy allocates it first: it must fit the bytes that are there."""
    size = archive.getinfo(member).file_size
    with archive.open(member) as file:
        try:
            version = np.lib.format.read_magic(file)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
            shape, _, dtype = read(file)
        except (ValueError, KeyError, EOFError) as exc:
            raise WrongFormatError(f"{where}: expected a numpy array: {exc}") from exc
        header = file.tell()
    if dtype.hasobject:
        raise WrongFormatError(f"{where}: an array of Python objects would be a pickle")
    declared = dtype.itemsize
    for length in shape:
        declared *= length
    if any(length < 0 for length in shape) or declared != size - header:
        raise TamperedModelError(f"{where}: declares shape {shape} of {dtype}, and holds {size - header} bytes")


def named(schema: dict[str, Any], root: str = "model") -> Iterator[Named]:
    """Every type, function and loader that *schema* names, with its place (`model.steps[1].func`)."""
    pending: list[tuple[Any, str]] = [(schema, root)]
    while pending:
        node, where = pending.pop()
        if isinstance(node, list):
            pending.extend((child, f"{where}[{i}]") for i, child in enumerate(node))
        elif isinstance(node, dict):
            is_node = isinstance(node.get("__loader__"), str)
            if is_node:
                yield Named(f"{node.get('__module__')}.{node.get('__class__')}", node["__loader__"], where)
            pending.extend(_children(node, where, is_node))


def _children(node: dict[str, Any], where: str, is_node: bool) -> Iterator[tuple[Any, str]]:
    for key, child in node.items():
        if isinstance(child, (dict, list)):
            structural = is_node and key in ("content", "key_types", "attrs", "__reduce__", "shape")
            yield child, where if structural else f"{where}.{key}"
