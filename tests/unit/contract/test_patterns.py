"""Patterns: none that a client can make the server hang with, and an example of each."""

from __future__ import annotations

import pytest

from cloche.contract.patterns import compile_pattern, example_of, is_portable
from cloche.errors import UsageError


@pytest.mark.parametrize(
    ("pattern", "length"),
    [
        pytest.param(r"[A-Z]{2}-\d{3,5}(?:-[a-z]+)?", 1000, id="article-number"),
        pytest.param(r"(?:red|green|blue)", 1000, id="alternatives"),
        pytest.param(r"[^@]+@[^@]+\.[a-z]{2,}", 250, id="mail-address"),
        pytest.param(r"(?:\d{1,3}\.){3}\d{1,3}", 1000, id="internet-address"),
        pytest.param(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", 1000, id="uuid"),
        pytest.param(r"\w*", 1000, id="one-repeat"),
    ],
)
def test_ordinary_patterns_are_taken_and_have_an_example(pattern: str, length: int) -> None:
    compiled, limit = compile_pattern(pattern, "f", None)
    assert limit == length
    example = example_of(compiled, limit)
    assert example is not None
    assert compiled.fullmatch(example)


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(r"(a+)+b", id="repeat-in-a-repeat"),
        pytest.param(r"(a|a)*b", id="alternatives-in-a-repeat"),
        pytest.param(r"(?:a?){40}a{40}", id="many-options"),
        pytest.param(r"a*a*a*a*a*a*a*b", id="many-repeats"),
        pytest.param("(", id="no-pattern"),
        pytest.param("(?u)a", id="unicode-flag"),
    ],
)
def test_dangerous_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="^f: the pattern"):
        compile_pattern(pattern, "f", None)


@pytest.mark.parametrize(
    ("pattern", "portable"),
    [
        pytest.param("(?:a|b)(?=c)", True, id="groups"),
        pytest.param("(?P<name>a)", False, id="named-group"),
        pytest.param("(?i)a", False, id="flags"),
        pytest.param(r"\Aa\Z", False, id="anchors"),
        pytest.param("a++", False, id="possessive"),
    ],
)
def test_portable(pattern: str, portable: bool) -> None:
    assert is_portable(pattern) is portable
