"""
How deep a body may be nested and how long a text in it may be, told from its bytes before anything parses them.

Almost every body is cleared by its length and by counting brackets; only the others are looked at closely.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cloche.errors import MalformedBodyError, TooLargeError

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NO_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a body has to keep."""

    max_depth: int
    max_text_bytes: int

    def check(self, body: bytes, *, json: bool = True) -> None:
        """
        Raises:
            MalformedBodyError: brackets inside more brackets than that.
            TooLargeError: a text, or the name of a field, is longer.
        """
        if json and body.count(b"[") + body.count(b"{") > self.max_depth:
            self._check_depth(body)
        if len(body) > self.max_text_bytes:
            self._check_texts(body, json)

    def check_values(self, rows: Iterable[Sequence[Any]]) -> None:
        """
        The same of rows whose bytes were no text.

        Raises:
            TooLargeError: a text in them is longer.
        """
        longest = max((len(one.encode()) for row in rows for one in row if isinstance(one, str)), default=0)
        if longest > self.max_text_bytes:
            raise TooLargeError(f"text: at most {self.max_text_bytes} bytes, got {longest}")

    def _check_depth(self, body: bytes) -> None:
        left = _brackets(body)
        for _ in range(self.max_depth):
            inner = left.replace(b"[]", b"")
            if inner == left:
                break
            left = inner
        if left.count(b"[") > self.max_depth or b"[]" in left:
            raise MalformedBodyError(f"the body is nested too deeply: at most {self.max_depth} levels, got more")

    def _check_texts(self, body: bytes, json: bool) -> None:
        parts = body.split(b'"') if b"\\" not in body or not json else None
        quoted = parts[1::2] if parts is not None else _STRING.findall(body)
        longest = max(map(len, quoted), default=0)
        if not json and parts is not None:
            bare = b"\n".join(parts[::2]).replace(b",", b"\n").split(b"\n")
            longest = max(longest, *map(len, bare))
        if longest > self.max_text_bytes:
            raise TooLargeError(f"text: at most {self.max_text_bytes} bytes, got {longest}")


def _brackets(body: bytes) -> bytes:
    """The brackets of *body* that stand in no text, all as square ones."""
    if b"\\" in body:
        return _STRING.sub(b"", body).translate(_ONE_KIND, _NO_BRACKETS)
    left = body.translate(_ONE_KIND, _NO_STRUCTURE).replace(b'""', b"")  # most texts hold no brackets
    return left if b'"' not in left else b"".join(left.split(b'"')[::2])
