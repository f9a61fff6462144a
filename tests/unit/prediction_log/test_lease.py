"""The lease: one holder at a time, taken over when it runs out."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from cloche.prediction_log import layout, lease
from cloche.prediction_log.lease import Lease, Record
from cloche.store import Store

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open((tmp_path / "store").as_uri(), Path("/"))


@pytest.mark.parametrize(
    ("age_s", "ttl_s", "valid"),
    [
        pytest.param(0.0, 30.0, True, id="new"),
        pytest.param(29.9, 30.0, True, id="nearly-over"),
        pytest.param(30.0, 30.0, False, id="over"),
        pytest.param(0.0, 0.0, False, id="given-back"),
        pytest.param(-20.0, 30.0, True, id="clock-a-little-ahead"),
        pytest.param(-3600.0, 30.0, False, id="clock-far-ahead"),
    ],
)
def test_when_a_record_holds(age_s: float, ttl_s: float, valid: bool) -> None:
    record = Record(number=1, holder="a", at=(NOW - dt.timedelta(seconds=age_s)).isoformat(), ttl_s=ttl_s)
    assert record.valid(NOW) is valid


def test_one_holds_until_it_is_silent(store: Store) -> None:
    clock = Clock()
    a, b = (Lease(store, name, ttl_s=30.0, clock=clock) for name in "ab")
    assert a.hold()
    assert not b.hold()
    clock.forward(11)
    assert a.hold(), "renewed"
    clock.forward(25)
    assert not b.hold()
    clock.forward(10)
    assert b.hold(), "taken over"
    assert not a.hold()


def test_a_lease_that_is_given_back_is_free_at_once(store: Store) -> None:
    clock = Clock()
    a, b = (Lease(store, name, ttl_s=30.0, clock=clock) for name in "ab")
    assert a.hold()
    a.release()
    assert b.hold()
    a.release()
    assert b.hold()


def test_renewing_leaves_one_object(store: Store) -> None:
    clock = Clock()
    a = Lease(store, "a", ttl_s=30.0, clock=clock)
    for _ in range(5):
        assert a.hold()
        clock.forward(12)
    assert len(store.list(layout.LEASE)) == 1
    current = lease.current(store)
    assert current is not None
    assert (current.holder, current.number) == ("a", 5)


def test_a_record_that_cannot_be_read_holds_nobody(store: Store) -> None:
    store.create(layout.lease(7), b"?")
    assert Lease(store, "a", clock=Clock()).hold()
    assert store.list(layout.LEASE) == [layout.lease(8)]


def test_a_renewal_costs_nothing_while_it_is_young(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    a = Lease(store, "a", ttl_s=30.0, clock=Clock())
    assert a.hold()
    monkeypatch.setattr(Store, "list", None)
    assert a.hold()
