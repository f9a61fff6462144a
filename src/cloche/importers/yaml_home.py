"""YAML of other tools, read as plain data: no tags, no anchors, no key twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cloche.errors import ImportRefusedError
from cloche.integrity import read_plain

_MAX_BYTES = 1 << 20


class _Plain(yaml.SafeLoader):  # type: ignore[misc]
    """
    `SafeLoader` builds no object from a tag; this one takes no anchors either (a few lines of them stand for
    gigabytes).
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if getattr(event, "anchor", None) is not None:
            raise yaml.YAMLError(f"an anchor or alias{event.start_mark}")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.value in seen:
                raise yaml.YAMLError(f"the key '{key.value}' stands twice{node.start_mark}")
            seen.update([key.value] if isinstance(key.value, str) else [])
        return super().construct_mapping(node, deep)


def read(path: Path) -> dict[str, Any]:
    """
    The mapping in the YAML file *path*.

    Raises:
        ImportRefusedError: it is no YAML, no mapping, or holds what only its own tool may read.
    """
    raw = read_plain(path, limit=_MAX_BYTES)
    if len(raw) > _MAX_BYTES:
        raise ImportRefusedError(f"{path.name}: expected at most {_MAX_BYTES} bytes")
    try:
        document = yaml.load(raw, _Plain)  # noqa: S506  a SafeLoader that takes less
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as exc:
        why = " ".join(str(exc).split())[:300]
        raise ImportRefusedError(f"{path.name}: not plain YAML, so it was not read: {why}") from exc
    if not isinstance(document, dict):
        raise ImportRefusedError(f"{path.name}: expected a YAML mapping, got {type(document).__name__}")
    return document


def write(path: Path, document: dict[str, Any]) -> None:
    """Write *document* as YAML, its keys in their order."""
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
