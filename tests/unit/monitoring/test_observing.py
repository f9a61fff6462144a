"""The observer and alerts: every look decides them, and what they become is shown at once."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import logged
from cloche.monitoring import shelf
from cloche.monitoring.alerts.rules import Owner
from cloche.monitoring.documents import RANGES, AlertPhase, AlertRow, Lamps
from cloche.monitoring.observing import Observer
from cloche.monitoring.reference import Reference
from cloche.monitoring.rollups import rolled_up
from cloche.monitoring.seen import Quality, Seen
from cloche.prediction_log.folding import Folder
from cloche.prediction_log.monitoring import Monitor
from cloche.registry import Registry, RouteEvent, RouteState, VersionRecord
from cloche.store import Store


class OneModel(Registry):
    """A registry that knows one model of which no version is live."""

    def models(self) -> list[str]:
        return ["penguins"]

    def history(self, name: str) -> list[RouteEvent]:
        return []

    def versions(self, name: str) -> list[VersionRecord]:
        return []

    def routes(self, name: str) -> RouteState | None:
        return None


class Rule:
    """Alerts that are told what to be."""

    phase: AlertPhase = "ok"
    asked: list[Seen]

    def __init__(self) -> None:
        self.asked = []

    def __call__(self, seen: Seen, _quality: Quality, _lamps: Lamps) -> list[AlertRow]:
        self.asked.append(seen)
        return [AlertRow(rule="x", expression="ready", phase=self.phase)]


def test_a_quiet_look_decides_alerts_too_and_shows_what_they_became(tmp_path: Path) -> None:
    store, rule, now = Store.open(str(tmp_path), tmp_path), Rule(), [1_800_000_000.0]
    observer = Observer(
        OneModel(store), alerts_of=rule, owner_of=lambda _model: Owner(owner="ada"), clock=lambda: now[0]
    )

    def looked(after_s: float) -> tuple[float, AlertPhase]:
        now[0] += after_s
        observer.look()
        document = shelf.read(store, "penguins", "1h")
        assert document is not None
        assert document.owner == "ada"
        return document.made, document.alerts[0].phase

    assert looked(0) == (now[0], "ok")
    made = now[0]
    assert looked(20) == (made, "ok"), "nothing new: the document stays"
    rule.phase = "pending"
    assert looked(5) == (now[0], "pending")
    assert [one.now for one in rule.asked] == [made, made + 20, made + 25]


def test_the_next_monitor_keeps_since_when_lamps_show_what_they_show(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path), tmp_path)

    def looked(at: float) -> Lamps:
        Observer(OneModel(store), clock=lambda: at).look()
        document = shelf.read(store, "penguins", "1h")
        assert document is not None
        return document.lamps

    before = looked(1_800_000_000.0)
    assert before.data.since == 1_800_000_000.0
    assert looked(1_800_000_900.0) == before


def test_no_range_goes_on_saying_that_nobody_asked(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path), tmp_path)
    now = [logged.NOON.timestamp() - 30]
    observer = Observer(OneModel(store), clock=lambda: now[0])
    observer.look()
    logged.land(store, [logged.schema(), logged.request(time_us=logged.NOON_US)])
    Folder(store, "me", derive=lambda parts: rolled_up(parts, lambda *_: Reference())).all()
    now[0] += 40
    observer.look()
    for range_ in RANGES:
        document = shelf.read(store, "penguins", range_)
        assert document is not None
        assert sum(one or 0 for one in document.traffic[0].values) == 1, range_


def test_requests_are_not_counted_beyond_now(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path), tmp_path)
    frames = [logged.schema(), logged.request(time_us=logged.NOON_US)]
    logged.land(store, frames)
    Folder(store, "me", derive=lambda parts: rolled_up(parts, lambda *_: Reference())).all()
    now = logged.NOON.timestamp() + 20
    Observer(OneModel(store), clock=lambda: now).look()
    document = shelf.read(store, "penguins", "1h")
    assert document is not None
    assert document.folded_until == now


@pytest.mark.parametrize(
    ("within_s", "looks"),
    [
        pytest.param(math.inf, 60, id="at-rest"),
        pytest.param(60.0, 720, id="hosts-are-watched"),
        pytest.param(0.0, 1_440, id="something-fires"),
    ],
)
def test_a_monitor_looks_on_where_alerts_want_it(tmp_path: Path, within_s: float, looks: int) -> None:
    now, seen = [0.0], []

    def sleep(_pause_s: float) -> None:
        now[0] += 59.0

    def observe() -> float:
        seen.append(now[0])
        return within_s

    store = Store.open(str(tmp_path), tmp_path)
    monitor = Monitor(store, "me", observe=observe, clock=lambda: now[0], sleep=sleep)
    monitor._idle_at = 3_600.0  # something was folded just before
    monitor.run(lambda: now[0] >= 86_400.0)
    assert len(seen) == pytest.approx(looks, abs=35), "and once an hour, when there is other work"
