"""
A `.skops` file as skops itself writes it: brought to the form that we store, then opened as any other; and written.

skops also writes what belongs to fitting or can be built again (random states, neighbour trees). Our own files leave
these out, and our list does not allow them; here each is replaced by null before anything is built.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import skops.io

from cloche.errors import UntrustedTypeError
from cloche.flavors.sklearn.boosters import EMBEDDED
from cloche.flavors.sklearn.schema import SCHEMA, named, read_schema
from cloche.flavors.sklearn.storage import loads
from cloche.trust import TrustPolicy

_LEFT_OUT_LOADERS = frozenset({"RandomStateNode", "RandomGeneratorNode"})
_LEFT_OUT_CLASSES = frozenset({"KDTree", "BallTree"})


def open_file(path: Path, trust: TrustPolicy) -> Any:
    """
    The model in the file *path*.

    Raises:
        WrongFormatError, ArchiveLimitError, UntrustedTypeError, TamperedModelError: as for our own files.
    """
    raw = path.read_bytes()
    schema = read_schema(raw, path.name)
    _refuse_boosters(schema, trust, path.name)
    slimmed = _without(schema)
    return loads(raw if slimmed == schema else _repacked(raw, slimmed), trust, path.name)


def _refuse_boosters(schema: dict[str, Any], trust: TrustPolicy, name: str) -> None:
    """skops keeps the library's own bytes, which its parser would be handed unchecked."""
    found = next((one.name for one in named(schema) if one.name.partition(".")[0] in EMBEDDED), None)
    if found is not None and found not in trust.allowed_types:
        raise UntrustedTypeError(
            f"{name}: holds {found}, whose library would read it here unchecked; not opened. In the program that "
            "made it call cloche.save(model, NAME, inputs=X), which keeps boosters in their own format; or pickle the "
            "model, and convert it: cloche import model.pkl --trust"
        )


def write_file(model: Any, path: Path) -> list[str]:
    """
    Write *model* as skops itself would, with all that a reader without cloche needs.

    The result are the types that skops does not trust by itself; whoever opens the file has to say that he does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = skops.io.dumps(model)
    path.write_bytes(raw)
    return sorted(skops.io.get_untrusted_types(data=raw))


def _without(node: Any) -> Any:
    """The schema with null in place of every node that our own files leave out; its id stays for later references."""
    if isinstance(node, list):
        return [_without(one) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("__loader__") in _LEFT_OUT_LOADERS or (
        node.get("__class__") in _LEFT_OUT_CLASSES and "__loader__" in node and node["__loader__"] != "TypeNode"
    ):
        null = {
            "__class__": "str",
            "__module__": "builtins",
            "__loader__": "JsonNode",
            "content": "null",
            "is_json": True,
        }
        return null | {"__id__": node.get("__id__")}
    return {key: _without(value) for key, value in node.items()}


def _repacked(raw: bytes, schema: dict[str, Any]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(packed, "w") as target:
        for member in source.namelist():
            target.writestr(member, json.dumps(schema) if member == SCHEMA else source.read(member))
    return packed.getvalue()
