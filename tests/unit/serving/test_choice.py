"""What a host holds after a route event: a table over numbers, nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cloche.registry import RouteState
from cloche.serving.choice import Choice, choose

ONE = Choice("m", answering={1: 1}, default_number=1, wanted={1: 1}, event=1)


def chosen(
    before: Choice,
    live: dict[int, int],
    *,
    broken: tuple[int, ...] = (),
    pinned: tuple[int, ...] = (),
    earlier: Mapping[int, list[int]] | None = None,
) -> tuple[Choice, list[int]]:
    """The choice, and the versions that were asked to be loaded."""
    choosing = choose(before, RouteState(default_contract=1, live=live), event=9, pinned=pinned, earlier=earlier)
    asked: list[int] = []
    try:
        version = next(choosing)
        while True:
            asked.append(version)
            version = choosing.send("broken" if version in broken else None)
    except StopIteration as done:
        return done.value, asked


@pytest.mark.parametrize(
    ("before", "live", "options", "answering", "warm", "refused", "loads"),
    [
        pytest.param(Choice("m"), {1: 1}, {}, {1: 1}, (), [], [1], id="first"),
        pytest.param(ONE, {1: 2}, {}, {1: 2}, (1,), [], [2], id="promote-keeps-the-previous-warm"),
        pytest.param(
            Choice("m", answering={1: 2}, warm=(1,)), {1: 1}, {}, {1: 1}, (2,), [], [], id="rollback-loads-nothing"
        ),
        pytest.param(
            Choice("m", answering={1: 2}, warm=(1,)), {1: 3}, {}, {1: 3}, (2,), [], [3], id="only-one-is-kept-warm"
        ),
        pytest.param(ONE, {1: 2}, {"broken": (2,)}, {1: 1}, (), [2], [2], id="refused-and-the-old-one-goes-on"),
        pytest.param(
            Choice("m", answering={1: 2}, warm=(1,)), {1: 3}, {"broken": (3,)}, {1: 2}, (1,), [3], [3],
            id="refused-keeps-what-is-warm",
        ),
        pytest.param(ONE, {1: 1}, {}, {1: 1}, (), [], [], id="an-event-that-changes-nothing"),
        pytest.param(ONE, {1: 1, 2: 2}, {}, {1: 1, 2: 2}, (), [], [2], id="a-second-contract"),
        pytest.param(
            ONE, {1: 1, 2: 2}, {"broken": (2,)}, {1: 1}, (), [2], [2], id="a-second-contract-that-will-not-load"
        ),
        pytest.param(
            Choice("m", answering={1: 1, 2: 2}), {1: 1}, {}, {1: 1}, (2,), [], [], id="a-contract-that-ends"
        ),
        pytest.param(
            Choice("m"), {1: 3}, {"broken": (3, 2), "earlier": {1: [3, 2, 1]}}, {1: 1}, (), [2, 3], [3, 2, 1],
            id="start-falls-back-to-the-last-that-loads",
        ),
        pytest.param(
            Choice("m"), {1: 3}, {"broken": (1, 3), "earlier": {1: [1]}}, {}, (), [1, 3], [3, 1],
            id="start-where-nothing-loads",
        ),
        pytest.param(
            Choice("m", warm=(1,)), {1: 2}, {"pinned": (1,)}, {1: 2}, (1,), [], [2], id="pinned-beside-followed"
        ),
        pytest.param(
            Choice("m", answering={1: 2}, warm=(1,)), {1: 3}, {"pinned": (1,)}, {1: 3}, (1, 2), [], [3],
            id="pinned-and-previous",
        ),
    ],
)  # fmt: skip
def test_choice(before, live, options, answering, warm, refused, loads):  # type: ignore[no-untyped-def]
    after, asked = chosen(before, live, **options)
    assert (after.answering, after.warm, sorted(after.refused), asked) == (answering, warm, refused, loads)
    assert (after.wanted, after.event, after.default_number) == (live, 9, 1)
