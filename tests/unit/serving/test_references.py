"""What a server was told to serve, as a table."""

from __future__ import annotations

import pytest

from cloche.errors import UsageError
from cloche.serving.references import Follows, check_default, named


@pytest.mark.parametrize(
    ("references", "everything", "found"),
    [
        pytest.param(["a"], [], {"a": Follows()}, id="followed"),
        pytest.param(["a@live"], [], {"a": Follows()}, id="followed-by-route"),
        pytest.param(["a@3"], [], {"a": Follows((3,), route=False)}, id="pinned"),
        pytest.param(["a", "a@3"], [], {"a": Follows((3,))}, id="both"),
        pytest.param(["a@3", "a", "a@3"], [], {"a": Follows((3,))}, id="twice"),
        pytest.param(["a@3"], ["a", "b"], {"a": Follows((3,)), "b": Follows()}, id="all-and-a-pinned-one"),
        pytest.param([], [], {}, id="nothing"),
    ],
)
def test_named(references: list[str], everything: list[str], found: dict[str, Follows]) -> None:
    assert named(references, everything) == found


def test_a_default_that_is_not_served() -> None:
    check_default({"a": 1}, "a")
    check_default({}, None)
    with pytest.raises(UsageError, match="'b' is not among the served models: a"):
        check_default({"a": 1}, "b")
