"""Uptime: what hosts say, what is seen from outside, and that a monitor that is gone leaves it behind."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

import logged
from cloche.monitoring.uptime import ROOT, Uptime, Uptimes, answers
from cloche.registry.reports import AgentReport, ModelReport, ReportWriter, rfc3339
from cloche.store import Store

NOON = logged.NOON.timestamp()


def report(
    age_s: float = 0.0, *, serving: bool = True, ended: bool = False, host: str = "a", now: float = NOON
) -> AgentReport:
    model = ModelReport(name="penguins", route="live", event=1, wanted={1: 3}, serving={1: 3} if serving else {})
    at = rfc3339(dt.datetime.fromtimestamp(now - age_s, dt.UTC))
    return AgentReport(host=host, machine=host, pid=1, url="", cloche="0", at=at, models=(model,), ended=ended)


@pytest.mark.parametrize(
    ("found", "up"),
    [
        pytest.param([report()], True, id="serves"),
        pytest.param([report(serving=False)], False, id="loads-yet"),
        pytest.param([report(120.0)], False, id="silent"),
        pytest.param([report(120.0), report(host="b")], True, id="one-of-two"),
        pytest.param([report(ended=True)], None, id="stopped-in-order"),
        pytest.param([], None, id="never-served"),
    ],
)
def test_whether_a_host_answers(found: list[AgentReport], up: bool | None) -> None:
    assert answers(found, "penguins", NOON) is up


def test_minutes_outlive_the_monitor(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path), tmp_path)
    hosts = ReportWriter(store, "a")
    uptimes = Uptimes(store)
    for minute in range(10):
        now = NOON + minute * 60
        if minute < 6:
            hosts.write(report(now=now))
        if minute == 5:
            uptimes = Uptimes(store)  # another monitor goes on; the minute that was not written is lost
        uptimes.sample(["penguins", "others"], now + 20)
        uptimes.sample(["penguins", "others"], now + 40)
    found = uptimes("penguins", NOON, 60, 12)
    assert found == [1.0] * 4 + [None, 1.0, 0.5] + [0.0] * 3 + [None] * 2
    assert Uptimes(store)("penguins", NOON, 300, 2)[1] == pytest.approx(1.5 / 4), "what is written, by another reader"
    assert uptimes("others", NOON, 60, 2) == [None, None]


def test_what_is_seen_from_outside_counts_first(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path), tmp_path)
    for source, up in (("agents", True), ("probe-b", False), ("probe-c", True)):
        seen = Uptime(store, "penguins", source)
        seen.add(up, NOON + 5)
        if source == "agents":
            seen.add(up, NOON + 65)
        seen.write()
    assert Uptimes(store)("penguins", NOON, 60, 3) == [0.5, 1.0, None]


def test_days_meet_at_midnight_and_old_ones_go(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path), tmp_path)
    midnight = dt.datetime(2026, 11, 25, tzinfo=dt.UTC).timestamp()
    seen = Uptime(store, "penguins", "probe")
    for at in (midnight - 100 * 86_400, midnight - 61, midnight - 1, midnight, midnight + 61):
        seen.add(True, at)
    seen.write()
    assert Uptimes(store)("penguins", midnight - 120, 60, 4) == [1.0] * 4
    kept = {path.split("/")[-2] for path in store.list(f"{ROOT}/penguins/probe")}
    assert kept == {"2026-11-24", "2026-11-25"}


def test_a_damaged_day_is_begun_anew(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path), tmp_path)
    store.create(f"{ROOT}/penguins/probe/2026-11-24/000000000001.json", b"{")
    seen = Uptime(store, "penguins", "probe")
    seen.add(True, NOON)
    seen.write()
    assert Uptimes(store)("penguins", NOON, 60, 1) == [1.0]


def test_a_closed_day_is_read_once_and_not_kept_for_ever(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path), tmp_path)
    read: list[str] = []

    class Counting:
        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        def get(self, path: str) -> bytes:
            read.append(path)
            return store.get(path)

    seen = Uptime(store, "penguins", "probe")
    for day in range(5):
        seen.add(True, NOON + day * 86_400)
    seen.write()
    uptimes = Uptimes(Counting())  # type: ignore[arg-type]
    asked = NOON - 3_600, 3_600, 5 * 24
    assert uptimes("penguins", *asked) == uptimes("penguins", *asked)
    assert len(read) == 5 + 2, "the last days may still grow"
    assert sum(one.nbytes for one in uptimes._closed.values()) < 10_000 * len(uptimes._closed)
    later = NOON + 95 * 86_400
    seen.add(True, later)
    seen.write()
    uptimes("penguins", later, 86_400, 4)
    assert {date for _, _, date in uptimes._closed} <= {"2027-02-27"}
