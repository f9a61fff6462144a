"""
Whose trace a request belongs to: the headers `traceparent` and `tracestate` (W3C Trace Context). Pure.

What is malformed counts as absent: a caller's tracing never costs it an answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_FORBIDDEN_VERSION = "ff"
_SAMPLED = 1
#: Section 3.3.1.3: a key, or `tenant@vendor`; a value of printable ASCII that does not end in a space.
_KEY = r"[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13}"
_VALUE = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_MEMBER = re.compile(f"({_KEY})=({_VALUE})")
_MOST_MEMBERS = 32
_LONGEST_STATE = 512


@dataclass(frozen=True, slots=True)
class Parent:
    """The span that a request was sent from; `state` is what `tracestate` said, not yet looked at."""

    trace_id: int
    span_id: int
    sampled: bool
    state: str = ""
    remote: bool = True


def parent_of(headers: Mapping[str, str]) -> Parent | None:
    """The caller's span, where the headers (lower-case names) tell a valid one."""
    text = headers.get("traceparent")
    if text is None:
        return None
    found = _TRACEPARENT.fullmatch(text.strip(" \t"))
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == _FORBIDDEN_VERSION or (version == "00" and more is not None):
        return None
    parent = Parent(int(trace_id, 16), int(span_id, 16), bool(int(flags, 16) & _SAMPLED), headers.get("tracestate", ""))
    return parent if parent.trace_id and parent.span_id else None


def members_of(state: str) -> tuple[tuple[str, str], ...]:
    """The key and value of each member of a `tracestate`; nothing where one is malformed, twice, or one too many."""
    texts = [text for text in (one.strip(" \t") for one in state.split(",")) if text]
    found = [_MEMBER.fullmatch(text) for text in texts]
    members = tuple((one[1], one[2]) for one in found if one is not None)
    if len(members) < len(texts) or len(members) > _MOST_MEMBERS or len(state) > _LONGEST_STATE:
        return ()
    return members if len(dict(members)) == len(members) else ()
