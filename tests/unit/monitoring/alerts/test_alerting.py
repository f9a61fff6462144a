"""Alerts over time: told once, whoever is killed; silenced, tried again. The clock is ours, sockets are real."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cloche.errors import ObjectExistsError, StoreUnreachableError
from cloche.monitoring.alerts import memory as memories
from cloche.monitoring.alerts import silences, telling
from cloche.monitoring.alerts.alerting import Alerts
from cloche.monitoring.alerts.facts import Facts
from cloche.monitoring.alerts.rules_file import RulesFile
from cloche.monitoring.documents import AlertRow, FieldDrift
from cloche.store import Store
from listeners import Listener, listening

RULES = """
[alerts]
defaults = false
[[alert]]
name = "age"
when = "drift(age) for 1m"
severity = "critical"
[sinks.hook]
kind = "webhook"
url = "{url}"
[models.penguins]
owner = "ada"
"""


@dataclass
class World:
    """A store, a rules file, a receiver, and monitors that come and go."""

    store: Store
    file: Path
    receiver: Listener
    now: float = 1_800_000_000.0
    rows: list[AlertRow] = field(default_factory=list)
    monitors: int = 0

    def monitor(self) -> Alerts:
        self.monitors += 1
        return Alerts(self.store, RulesFile(self.file, {}), f"monitor {self.monitors}")

    def look(self, alerts: Alerts, state: str, after_s: float = 10.0, model: str = "penguins") -> str:
        """One look, so long after the last one: what the alert is."""
        self.now += after_s
        drift = () if state == "none" else (FieldDrift(name="age", type="number", state=state),)  # type: ignore[arg-type]
        self.rows = alerts.look(Facts(model, self.now, live=3, drift=drift))
        return self.rows[0].phase if self.rows else ""

    def rules(self, text: str) -> None:
        self.file.write_text(text.replace("{url}", self.receiver.url))

    def statuses(self) -> list[str]:
        return [status for status, _ in self.receiver.told()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with listening() as receiver:
        made = World(Store.open(str(tmp_path / "store"), tmp_path), tmp_path / "cloche.toml", receiver)
        made.rules(RULES)
        yield made


def test_from_drift_to_the_webhook_and_back(world: World) -> None:
    alerts = world.monitor()
    assert world.look(alerts, "ok") == "ok"
    assert alerts.again_within_s == math.inf
    assert world.look(alerts, "drift") == "pending"
    assert alerts.again_within_s == 0
    assert world.look(alerts, "drift", 59) == "pending"
    assert world.receiver.raw == []
    assert world.look(alerts, "drift", 1) == "firing"
    assert [world.look(alerts, "drift") for _ in range(5)] == ["firing"] * 5
    assert world.statuses() == ["firing"]
    assert world.rows[0].deliveries == {"hook": "200"}
    assert world.look(alerts, "ok") == "resolved"
    assert world.statuses() == ["firing", "resolved"]
    firing, resolved = world.receiver.bodies
    assert firing["fingerprint"] == resolved["fingerprint"]
    assert firing["id"] != resolved["id"]
    assert (firing["owner"], firing["version"], firing["severity"]) == ("ada", 3, "critical")
    assert (resolved["started"], firing["ended"] is None, resolved["ended"] > resolved["started"]) == (
        firing["started"], True, True,
    )  # fmt: skip
    assert world.look(alerts, "ok", 900) == "ok"
    assert alerts.again_within_s == math.inf
    assert len(world.receiver.raw) == 2


@pytest.mark.parametrize("killed_after", range(6))
def test_a_new_monitor_goes_on_and_tells_nothing_twice(world: World, killed_after: int) -> None:
    alerts = world.monitor()
    for place, (state, after_s) in enumerate(
        [("drift", 5), ("drift", 60), ("drift", 5), ("ok", 5), ("ok", 5), ("ok", 5)]
    ):
        if place == killed_after:
            alerts = world.monitor()
        world.look(alerts, state, after_s)
    assert world.statuses() == ["firing", "resolved"]


def test_a_restart_does_not_begin_the_duration_anew(world: World) -> None:
    world.look(world.monitor(), "drift")
    assert world.look(world.monitor(), "drift", 60) == "firing"


def test_of_two_monitors_at_once_one_tells(world: World) -> None:
    one, other = world.monitor(), world.monitor()
    for state, after_s in (("drift", 5), ("drift", 60), ("drift", 5), ("ok", 5), ("ok", 5)):
        world.look(one, state, after_s)
        world.look(other, state, 0)
    assert world.statuses() == ["firing", "resolved"]


def test_a_monitor_that_slept_tells_nothing_old(world: World) -> None:
    sleeper, awake = world.monitor(), world.monitor()
    world.look(sleeper, "drift")
    for state, after_s in (("ok", 5), ("drift", 5), ("ok", 5), ("drift", 5), ("ok", 900), ("ok", 5)):
        world.look(awake, state, after_s)
    assert world.look(sleeper, "drift", 5) == "ok", "its numbers are gone: the other's word counts"
    assert world.receiver.raw == []


def test_killed_between_sending_and_keeping_it_is_sent_again_as_the_same(world: World) -> None:
    dead = Alerts(Flaky(world.store, 3, for_good=True), RulesFile(world.file, {}), "dead")  # type: ignore[arg-type]
    world.look(dead, "drift")
    world.look(dead, "drift", 60)
    assert world.statuses() == ["firing"]
    alerts = world.monitor()
    assert world.look(alerts, "drift", telling.STALE_S - 1) == "firing"
    assert (world.rows[0].deliveries, world.statuses()) == ({"hook": "being sent"}, ["firing"]), "it may have arrived"
    world.look(alerts, "drift", 1)
    assert world.rows[0].deliveries == {"hook": "200"}
    assert len({one for _, one in world.receiver.told()}) == 1, "under the same id"
    assert len(world.receiver.raw) == 2


def test_a_sink_that_fails_is_tried_again_more_and_more_rarely(world: World) -> None:
    world.receiver.answers = [503, 503, 200]
    alerts = world.monitor()
    world.look(alerts, "drift")
    world.look(alerts, "drift", 60)
    assert world.rows[0].deliveries == {"hook": "failed: 503"}
    assert alerts.again_within_s == 0
    world.look(alerts, "drift", 9)
    assert len(world.receiver.raw) == 1
    world.look(alerts, "drift", 1)
    assert world.rows[0].deliveries == {"hook": "failed: 503 (2 times)"}
    world.look(world.monitor(), "drift", 19)
    assert len(world.receiver.raw) == 2
    world.look(world.monitor(), "drift", 1)
    assert world.rows[0].deliveries == {"hook": "200"}
    assert len({one for _, one in world.receiver.told()}) == 1, "the same notice"


def test_a_sink_that_hangs_keeps_no_look_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloche.monitoring.alerts.alerting.WAIT_S", 0.05)
    world.receiver.hang = True
    alerts = world.monitor()
    world.look(alerts, "drift")
    assert world.look(alerts, "drift", 60) == "firing"
    assert world.rows[0].deliveries == {"hook": "being sent"}
    assert world.look(alerts, "ok") == "resolved", "what is new waits for the end of what is under way"
    world.receiver.hang = False
    world.receiver.release.set()
    monkeypatch.setattr("cloche.monitoring.alerts.alerting.WAIT_S", 5.0)
    while world.statuses() != ["firing", "resolved"]:
        world.look(alerts, "ok", 0.01)
    assert world.statuses() == ["firing", "resolved"]


def test_an_end_is_told_to_nobody_who_was_not_told_of_the_beginning(world: World) -> None:
    hold(world, 3_600.0)
    alerts = world.monitor()
    for state, after_s in (("drift", 5), ("drift", 60), ("ok", 5)):
        world.look(alerts, state, after_s)
    assert world.rows[0].silenced_until is not None
    silences.end(world.store, silences.all_of(world.store))
    world.look(alerts, "ok", 10)
    assert world.receiver.raw == []


def hold(world: World, for_s: float, *, rule: str = "age", model: str = "*") -> None:
    silences.add(world.store, rule=rule, model=model, begin=world.now, until=world.now + for_s, by="ada", reason="why")


def test_a_silence_holds_notices_back_until_it_ends(world: World) -> None:
    hold(world, 300.0)
    alerts = world.monitor()
    world.look(alerts, "drift")
    assert world.look(alerts, "drift", 60) == "firing", "measured and shown all the same"
    assert world.rows[0].deliveries == {"hook": "silenced"}
    assert world.rows[0].silenced_until == pytest.approx(world.now + 230.0)
    assert world.receiver.raw == []
    world.look(alerts, "drift", 240)
    assert world.statuses() == ["firing"]


@pytest.mark.parametrize(
    ("rule", "model", "told"),
    [
        pytest.param("a*", "*", 0, id="pattern"),
        pytest.param("age", "penguins", 0, id="this-model"),
        pytest.param("age", "others", 1, id="another-model"),
        pytest.param("mass", "*", 1, id="another-rule"),
    ],
)
def test_what_a_silence_is_about(world: World, rule: str, model: str, told: int) -> None:
    hold(world, 3_600.0, rule=rule, model=model)
    alerts = world.monitor()
    world.look(alerts, "drift")
    world.look(alerts, "drift", 60)
    assert len(world.receiver.raw) == told


def test_a_rule_may_be_silent_itself(world: World) -> None:
    world.rules(RULES.replace('severity = "critical"', "silence = true"))
    alerts = world.monitor()
    world.look(alerts, "drift")
    assert world.look(alerts, "drift", 60) == "firing"
    assert world.receiver.raw == []


def test_long_ended_silences_are_taken_away(world: World) -> None:
    hold(world, 10.0)
    world.look(world.monitor(), "ok", 8 * 86_400)
    assert silences.all_of(world.store) == []


def test_no_data_is_told_and_so_is_its_end(world: World) -> None:
    alerts = world.monitor()
    for state, after_s in (("drift", 5), ("drift", 60), ("none", 5), ("none", 1_800), ("none", 5), ("ok", 5)):
        world.look(alerts, state, after_s)
    assert world.statuses() == ["firing", "no_data", "resolved"]


def test_no_data_of_what_was_well_is_only_shown(world: World) -> None:
    alerts = world.monitor()
    assert [world.look(alerts, "none", after_s) for after_s in (5, 1_800)] == ["ok", "no_data"]
    assert alerts.again_within_s == math.inf
    assert world.receiver.raw == []


def test_it_is_repeated_where_the_rule_says_so(world: World) -> None:
    world.rules(RULES.replace('severity = "critical"', 'repeat = "1h"'))
    alerts = world.monitor()
    for after_s in (5, 60, 3_599, 1, 5):
        world.look(alerts, "drift", after_s)
    assert world.statuses() == ["firing", "firing"]
    assert [one["repeated"] for one in world.receiver.bodies] == [False, True]


def test_a_rule_that_is_taken_away_ends_its_alert(world: World) -> None:
    alerts = world.monitor()
    world.look(alerts, "drift")
    world.look(alerts, "drift", 60)
    world.rules(RULES.replace('name = "age"', 'name = "other"'))
    world.look(alerts, "ok")
    assert world.statuses() == ["firing", "resolved"]
    assert world.receiver.bodies[1]["why"] == "the rule was taken away"
    world.look(alerts, "ok")
    assert memories.Memories(world.store).of("penguins").alerts.keys() == {"other"}


def test_a_sink_that_is_taken_away_is_waited_for_no_more(world: World) -> None:
    world.receiver.answers = [503]
    alerts = world.monitor()
    world.look(alerts, "drift")
    world.look(alerts, "drift", 60)
    world.rules(RULES.replace("[sinks.hook]", "[sinks.other]"))
    world.look(alerts, "drift")
    assert world.rows[0].deliveries == {}


def test_each_model_has_its_own(world: World) -> None:
    alerts = world.monitor()
    for model, state in (("penguins", "drift"), ("irises", "ok")) * 2:
        world.look(alerts, state, 60, model)
    assert [one["model"] for one in world.receiver.bodies] == ["penguins"]


def test_a_rule_about_the_store_is_told_once_for_all_models(world: World) -> None:
    world.rules(RULES.replace("drift(age) for 1m", "log_waiting_s > 1m"))
    alerts = world.monitor()
    for model in ("penguins", "irises", "penguins", "irises"):
        world.now += 5
        rows = alerts.look(Facts(model, world.now, log_waiting_s=lambda: 90.0))
        assert [(one.rule, one.phase) for one in rows] == [("age", "firing")]
    assert [one["model"] for one in world.receiver.bodies] == [""]


@pytest.mark.parametrize(
    ("ready", "within_s"),
    [pytest.param(True, 60.0, id="a-host-may-fall-silent"), pytest.param(None, math.inf, id="there-is-no-host")],
)
def test_hosts_are_looked_at_although_nobody_asks(world: World, ready: bool | None, within_s: float) -> None:
    world.rules(RULES.replace("drift(age) for 1m", "not ready for 1m"))
    alerts = world.monitor()
    alerts.look(Facts("penguins", world.now, ready=lambda: ready))
    assert alerts.again_within_s == within_s


def test_alertmanager_is_told_again_and_again(world: World) -> None:
    world.rules(RULES.replace('kind = "webhook"', 'kind = "alertmanager"'))
    alerts = world.monitor()
    for after_s in (5, 60, 30, 30, 60):
        world.look(alerts, "drift", after_s)
    while len(world.receiver.raw) < 3:
        world.look(alerts, "drift", 0.01)
    assert all("resolved" not in str(body) for body in world.receiver.bodies)
    before = sorted(world.store.list(memories.ROOT))
    world.look(alerts, "drift", 0.01)
    assert sorted(world.store.list(memories.ROOT)) == before, "nothing is kept of a repetition"


@pytest.mark.parametrize("failing", range(1, 5))
def test_a_store_that_is_away_for_a_moment_costs_no_notice_and_doubles_none(world: World, failing: int) -> None:
    flaky = Flaky(world.store, failing)
    alerts = Alerts(flaky, RulesFile(world.file, {}), "me")  # type: ignore[arg-type]
    for state, after_s in (("ok", 5), ("drift", 5), ("drift", 60), ("drift", 5), ("drift", 5), ("ok", 5), ("ok", 5)):
        try:
            world.look(alerts, state, after_s)
        except StoreUnreachableError:
            world.look(alerts, state, 1)
    assert world.statuses() == ["firing", "resolved"]


class Flaky:
    """A store whose n-th write fails, or with *for_good* every one from then on."""

    def __init__(self, store: Store, failing: int, *, for_good: bool = False) -> None:
        self._store, self._failing, self._for_good, self._writes = store, failing, for_good, 0

    def __getattr__(self, name: str) -> Callable[..., object]:
        found: Callable[..., object] = getattr(self._store, name)
        return found

    def create(self, path: str, data: bytes) -> None:
        self._writes += 1
        if self._writes == self._failing or (self._for_good and self._writes > self._failing):
            raise StoreUnreachableError("away")
        self._store.create(path, data)


def test_memory_is_numbered_and_old_ones_go(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path), tmp_path)
    kept = memories.Memories(store)
    for told in range(1, 8):
        assert kept.keep("penguins", memories.Memory(alerts={"age": memories.Alert(told=told)}))
    assert [path.rpartition("/")[2] for path in store.list(memories.ROOT)] == [f"{n:012d}.json" for n in (5, 6, 7)]
    assert memories.Memories(store).of("penguins").alerts["age"].told == 7
    with pytest.raises(ObjectExistsError):
        store.create(f"{memories.ROOT}/penguins/{7:012d}.json", b"")


def test_giving_up_after_a_day(world: World) -> None:
    world.receiver.answers = [500]
    alerts = world.monitor()
    world.look(alerts, "drift")
    for after_s in (60, 1_000, 86_400):
        world.look(alerts, "drift", after_s)
    assert world.rows[0].deliveries == {"hook": "given up: 500"}
    assert telling.fails(world.rows[0].deliveries["hook"])
    world.look(alerts, "drift", 86_400)
    assert len(world.receiver.raw) == 3
