"""
Patterns of text fields: compiled so that no client's text can hold the server, and examples made from them.

Python's `re` backtracks and cannot be interrupted. So the ways a text of n characters can be tried are
counted before (a repeat multiplies, a repeat inside a repeat is a power), and n is chosen so that they stay few;
a pattern for which no useful n is left (`(a+)+`) is refused when the contract is compiled.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterable
from typing import Any

from cloche.errors import UsageError

#: Lengths tried, longest first: text beyond the chosen one never meets the pattern.
MAX_LENGTHS = (1_000, 250, 100, 50, 20)
#: About a second of a backtracking matcher at worst; ordinary patterns need a thousandth of it.
MAX_WAYS = math.log(2e7)

# The parse tree of `re` has no public name; this one is that of Python 3.11 and later.
_parser = importlib.import_module("re._parser")
_REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})
_CATEGORY_EXAMPLES = {"CATEGORY_DIGIT": "0", "CATEGORY_WORD": "a", "CATEGORY_SPACE": " "}
_PYTHON_ONLY = re.compile(r"\(\?(?!:|=|!|<=|<!)|\\[AZ]|[*+?}]\+")
_CANDIDATES = "a0A -_.b1Z~é"


def compile_pattern(pattern: str, field: str, max_length: int | None) -> tuple[re.Pattern[str], int]:
    """
    Compile the *pattern* of *field* for `fullmatch`, and say how long a text may meet it.

    `\\d` and `\\w` are ASCII, as in JSON Schema and JavaScript: a pattern has to mean the same to every client.

    Raises:
        UsageError: it is no regular expression, or one that could take exponential time.
    """
    try:
        compiled = re.compile(pattern, re.ASCII)
        tree = _parser.parse(pattern, re.ASCII)
    except (re.error, RecursionError, OverflowError, ValueError) as exc:
        raise UsageError(f"{field}: the pattern {pattern!r} is not a regular expression: {exc}") from exc
    for length in MAX_LENGTHS:
        length = length if max_length is None else min(length, max_length)
        if _log_ways(tree, length) <= MAX_WAYS:
            return compiled, length
    raise UsageError(
        f"{field}: the pattern {pattern!r} could take exponential time; "
        "a repeated group should not itself repeat or hold alternatives"
    )


def _log_ways(tree: Iterable[Any], length: int) -> float:
    """The logarithm of how many ways a text of *length* characters can be tried against *tree*."""
    total = 0.0
    for op, argument in tree:
        name = str(op)
        inner = [_log_ways(child, length) for child in _children(name, argument)]
        if name == "BRANCH":
            total += math.log(sum(math.exp(min(ways, 2 * MAX_WAYS)) for ways in inner))
        elif name in _REPEATS:
            most = max(min(argument[1], length), argument[0])
            total += math.log(most - argument[0] + 1) + most * inner[0]
        else:
            total += sum(inner)
    return total


def _children(name: str, argument: Any) -> list[Any]:
    if name in _REPEATS:
        return [argument[2]]
    if name == "BRANCH":
        return list(argument[1])
    if name == "SUBPATTERN":
        return [argument[3]]
    if name in ("ASSERT", "ASSERT_NOT"):
        return [argument[1]]
    if name == "ATOMIC_GROUP":
        return [argument]
    if name == "GROUPREF_EXISTS":
        return [branch for branch in argument[1:] if branch is not None]
    return []


def is_portable(pattern: str) -> bool:
    """Whether JSON Schema's dialect of regular expressions (ECMA 262) has everything that *pattern* uses."""
    return _PYTHON_ONLY.search(pattern) is None


def example_of(pattern: re.Pattern[str], max_length: int | None) -> str | None:
    """A short text that matches the whole *pattern*, or None where none is found by simple means."""
    tree = _parser.parse(pattern.pattern, pattern.flags)
    for extra in (0, 1, 2, 5):
        text = _example(tree, extra)
        if pattern.fullmatch(text) and (max_length is None or len(text) <= max_length):
            return text
    return None


def _example(tree: Iterable[Any], extra: int) -> str:
    return "".join(_part(str(op), argument, extra) for op, argument in tree)


def _part(name: str, argument: Any, extra: int) -> str:
    if name == "LITERAL":
        return chr(argument)
    if name == "IN":
        return _one_of(argument)
    if name == "ANY":
        return "a"
    if name == "NOT_LITERAL":
        return next(c for c in _CANDIDATES if ord(c) != argument)
    if name in _REPEATS:
        times: int = min(argument[0] + extra, argument[1])
        return _example(argument[2], extra) * times
    if name in ("ASSERT", "ASSERT_NOT"):
        return ""
    return next((_example(child, extra) for child in _children(name, argument)), "")


def _one_of(members: list[Any]) -> str:
    op, argument = members[0]
    name = str(op)
    if name == "LITERAL":
        return chr(argument)
    if name == "RANGE":
        return chr(argument[0])
    if name == "CATEGORY" and str(argument) in _CATEGORY_EXAMPLES:
        return _CATEGORY_EXAMPLES[str(argument)]
    return next((c for c in _CANDIDATES if not _excluded(c, members[1:])), "a")


def _excluded(char: str, members: list[Any]) -> bool:
    for op, argument in members:
        name = str(op)
        if name == "LITERAL" and ord(char) == argument:
            return True
        if name == "RANGE" and argument[0] <= ord(char) <= argument[1]:
            return True
        if name == "CATEGORY" and _in_category(char, str(argument)):
            return True
    return False


def _in_category(char: str, category: str) -> bool:
    if category == "CATEGORY_DIGIT":
        return char.isdigit()
    if category == "CATEGORY_WORD":
        return char.isalnum() or char == "_"
    return category == "CATEGORY_SPACE" and char.isspace()
