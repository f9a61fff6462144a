"""Plain data as YAML: blocks of maps and lists, every text in quotes as JSON spells it, which YAML reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def dump(value: Mapping[str, Any]) -> str:
    """*value* as a document."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, one in value.items():
            yield from _entry(f"{key}:", one)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        for one in value:
            inner = list(_lines(one))
            if _is_block(one):
                yield f"- {inner[0]}"
                yield from (f"  {line}" for line in inner[1:])
            else:
                yield f"- {_scalar(one)}"
    else:
        yield _scalar(value)


def _entry(key: str, value: Any) -> Iterator[str]:
    if _is_block(value):
        yield key
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{key} {_scalar(value)}"


def _is_block(value: Any) -> bool:
    return isinstance(value, Mapping | Sequence) and not isinstance(value, str) and bool(value)


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
