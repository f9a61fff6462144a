"""Contract numbers beside each other: which is live, the default, deprecated, on its way out; and what changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloche.errors import NotFoundError, RefusedError, UsageError
from cloche.registry import Notice, Registry, VersionRecord
from cloche.store import Store
from handmade import artifact, contract

Publish = Callable[..., VersionRecord]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry whose clock goes on by a second with every look."""
    clock = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n) for n in range(1000))
    return Registry(
        Store.open(str(tmp_path / "store"), tmp_path),
        now=lambda: next(clock).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )


@pytest.fixture(autouse=True)
def publish(registry: Registry, tmp_path: Path) -> Publish:
    """`publish(contract, number)`; versions 1 (contract 1) and 2 (contract 2) of `m` are there already."""

    def publish_one(made: Any, number: int, *, promote: bool = False) -> VersionRecord:
        folder = tmp_path / "artifacts" / str(len(registry.versions("m")))
        artifact(folder, name="m", made=made, content=folder.name.encode())
        return registry.publish(folder, name="m", contract=made, contract_number=number, by="me", promote=promote)

    publish_one(contract("x"), 1)
    publish_one(contract("y"), 2)
    return publish_one


def live(registry: Registry) -> tuple[dict[int, int], int]:
    state = registry.routes("m")
    assert state is not None
    return state.live, state.default_contract


def test_a_new_number_is_live_at_once_beside_the_old_one(registry: Registry, publish: Publish) -> None:
    assert live(registry) == ({1: 1, 2: 2}, 1)
    publish(contract("y"), 2)
    assert live(registry) == ({1: 1, 2: 2}, 1)


def test_the_default_deprecates_lower_numbers(registry: Registry) -> None:
    event = registry.set_default("m", 2, by="me", why="everybody moved")
    assert str(event.change) == "contract 2 is the default (was 1)"
    assert live(registry) == ({1: 1, 2: 2}, 2)
    assert event.routes.notice(1) == Notice(deprecated=event.at)
    assert event.routes.notice(2) == Notice()
    assert registry.set_default("m", 2, by="me").event == event.event
    back = registry.set_default("m", 1, by="me")
    assert back.routes.notices is msgspec.UNSET


def test_a_sunset_is_kept_and_taken_back(registry: Registry) -> None:
    event = registry.set_sunset("m", 1, "2027-06-30", by="me")
    assert str(event.change) == "contract 1 is served until 2027-06-30"
    moved = registry.set_default("m", 2, by="me")
    assert moved.routes.notice(1) == Notice(deprecated=moved.at, sunset="2027-06-30")
    again = registry.set_sunset("m", 1, None, by="me")
    assert str(again.change) == "contract 1 is served without an end"
    assert again.routes.notice(1) == Notice(deprecated=moved.at)


def test_notices_outlive_promotions(registry: Registry, publish: Publish) -> None:
    registry.set_sunset("m", 1, "2027-06-30", by="me")
    publish(contract("y"), 2, promote=True)
    state = registry.routes("m")
    assert state is not None
    assert (state.notice(1).sunset, state.live) == ("2027-06-30", {1: 1, 2: 3})


@pytest.mark.parametrize(
    ("number", "until", "error"),
    [
        pytest.param(3, "2027-06-30", NotFoundError, id="no-such-contract"),
        pytest.param(1, "soon", UsageError, id="no-day"),
        pytest.param(1, "2027-02-30", UsageError, id="no-day-of-the-calendar"),
    ],
)
def test_a_sunset_that_makes_no_sense(registry: Registry, number: int, until: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        registry.set_sunset("m", number, until, by="me")


def test_nothing_can_be_the_default_that_is_not_live(registry: Registry) -> None:
    with pytest.raises(NotFoundError, match=r"under contract 3 \(live: 1, 2\)"):
        registry.set_default("m", 3, by="me")


def test_rollback_of_one_contract_leaves_the_others(registry: Registry, publish: Publish) -> None:
    publish(contract("y"), 2, promote=True)
    registry.set_default("m", 2, by="me")
    publish(contract("x"), 1, promote=True)
    registry.rollback("m", contract=2, by="me")
    assert live(registry) == ({1: 4, 2: 2}, 2)
    registry.rollback("m", by="me")
    assert live(registry) == ({1: 1, 2: 2}, 2)


def test_the_default_contract_is_not_rolled_back_to_nothing(registry: Registry) -> None:
    registry.set_default("m", 2, by="me")
    with pytest.raises(RefusedError, match="contract 2 is the default"):
        registry.rollback("m", by="me")
    registry.set_default("m", 1, by="me")
    registry.rollback("m", by="me")
    assert live(registry) == ({1: 1}, 1)


def test_the_state_of_a_name_without_notices_is_as_it_always_was(tmp_path: Path) -> None:
    [first, *_] = sorted((tmp_path / "store" / "models" / "m" / "routes").iterdir())
    assert "notices" not in msgspec.json.decode(first.read_bytes())["routes"]


def test_revisions_say_what_changed(registry: Registry, publish: Publish) -> None:
    publish(contract("y", "z", z={"required": False, "nullable": True}), 2)
    first, second, third = registry.revisions("m")
    assert (first.label, first.version, first.breaks, first.additions) == ("1", 1, (), ())
    assert (second.label, second.version) == ("2", 2)
    assert any("'x' was removed" in one for one in second.breaks)
    assert (third.label, third.version, third.breaks) == ("2.1", 3, ())
    assert third.additions == ("'z' is new and optional",)
