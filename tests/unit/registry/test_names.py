"""Names and references."""

from __future__ import annotations

import pytest

from cloche.errors import UsageError
from cloche.registry import Reference, check_name, parse_reference


@pytest.mark.parametrize("name", ["a", "penguins", "0day", "a.b_c-d", "version", "v2x", "v", "x" * 64])
def test_names_that_are_taken(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param("", "got ''$", id="empty"),
        pytest.param("Penguins", "try 'penguins'", id="upper-case"),
        pytest.param("my model", "try 'my-model'", id="space"),
        pytest.param("a/b", "try 'a-b'", id="slash"),
        pytest.param("../etc", "try 'etc'", id="path"),
        pytest.param(".hidden", "try 'hidden'", id="dot-first"),
        pytest.param("x" * 65, "1 to 64", id="too-long"),
        pytest.param("a\n", "1 to 64", id="newline"),
        pytest.param("ünder", "1 to 64", id="not-ascii"),
        pytest.param("v2", "try 'v2-model'", id="like-a-contract"),
        pytest.param("versions", "taken by the URLs", id="versions"),
        pytest.param("models", "taken by the URLs", id="models"),
    ],
)
def test_names_that_are_refused(name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        check_name(name)


def test_a_name_that_is_no_text() -> None:
    with pytest.raises(UsageError, match="got 3"):
        check_name(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        pytest.param("penguins", Reference("penguins", route="live"), id="name"),
        pytest.param("penguins@live", Reference("penguins", route="live"), id="route"),
        pytest.param("penguins@canary", Reference("penguins", route="canary"), id="other-route"),
        pytest.param("penguins@12", Reference("penguins", version=12), id="version"),
    ],
)
def test_references(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("penguins@v3", "did you mean 'penguins@3'", id="v3"),
        pytest.param("penguins@lvie", "did you mean 'live'", id="misspelt"),
        pytest.param("penguins@", None, id="nothing-behind-the-at"),
        pytest.param("penguins@0", "expected NAME", id="zero"),
        pytest.param("penguins@latest", "expected NAME", id="latest"),
        pytest.param("penguins@1@2", "expected NAME", id="two"),
        pytest.param("@3", "model name", id="no-name"),
    ],
)
def test_what_is_no_reference(text: str, says: str | None) -> None:
    with pytest.raises(UsageError, match=says):
        parse_reference(text)
