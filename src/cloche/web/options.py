"""What the query of a predict request asks for: `probabilities=false`, `top=K`. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from cloche.errors import RequestError


@dataclass(frozen=True, slots=True)
class Options:
    """How the answer is shaped."""

    probabilities: bool = True
    top: int | None = None


def options_of(query: str) -> Options:
    """
    Raises:
        RequestError: an unknown option, one given twice, or a value it does not take.
    """
    given: dict[str, Any] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise RequestError("query: at most 20 options") from None
    for name, text in pairs:
        if name not in _READERS:
            raise RequestError(_unknown(name))
        if name in given:
            raise RequestError(f"query: '{name}' is given twice")
        given[name] = _READERS[name](text)
    return Options(**given)


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, _READERS, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(_READERS)}"
    return f"query: unknown option '{name[:64]}'; {hint}"


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise RequestError(f"query: probabilities: expected true or false, got '{text[:64]}'")
    return text == "true"


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) >= 1):
        raise RequestError(f"query: top: expected a whole number from 1, got '{text[:64]}'")
    return int(text)


_READERS: dict[str, Callable[[str], Any]] = {"probabilities": _boolean, "top": _count}
