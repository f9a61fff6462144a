"""Reports of hosts: create-only, the last three stay, the silent are forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloche.registry import reports
from cloche.registry.reports import AgentReport, ModelReport, ReportWriter
from cloche.store import Store

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def report(host: str = "a", *, age_s: float = 0.0, **more: object) -> AgentReport:
    at = reports.rfc3339(NOW - timedelta(seconds=age_s))
    return AgentReport(host=host, machine=host, pid=1, url="http://a", cloche="0", at=at, **more)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open("store", tmp_path)


def test_the_last_three_stay(store: Store) -> None:
    writer = ReportWriter(store, "a")
    for pid in range(5):
        writer.write(report(models=(ModelReport(name="m", route="live", event=pid, wanted={1: 1}, serving={1: 1}),)))
    assert store.list("agents") == [f"agents/a/{number:012d}.json" for number in (3, 4, 5)]
    assert [one.models[0].event for one in reports.latest(store, NOW)] == [4]


def test_numbers_go_on_and_a_second_writer_takes_the_next(store: Store) -> None:
    first, second = ReportWriter(store, "a"), ReportWriter(store, "a")
    first.write(report())
    second.write(report())
    first.write(report(ended=True))
    assert store.list("agents")[-1] == "agents/a/000000000003.json"
    assert [one.ended for one in reports.latest(store, NOW)] == [True]


def test_who_is_counted_on() -> None:
    known = [report("new"), report("old", age_s=91), report("ended", ended=True), report("limit", age_s=90)]
    assert [one.host for one in reports.current(known, NOW)] == ["new", "limit"]


def test_the_silent_are_forgotten(store: Store) -> None:
    ReportWriter(store, "old").write(report("old", age_s=8 * 86400))
    ReportWriter(store, "new").write(report("new"))
    assert [one.host for one in reports.latest(store, NOW)] == ["new"]
    reports.forget_silent(store, NOW)
    assert store.folders("agents") in (["new"], ["new", "old"])  # a folder may stay, its objects do not
    assert all("/new/" in path for path in store.list("agents"))


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"host": 1}', b"\xff"], ids=["empty", "no-field", "type", "bytes"])
def test_a_damaged_report_is_none(store: Store, raw: bytes) -> None:
    store.create("agents/a/000000000001.json", raw)
    assert reports.latest(store, NOW) == []
