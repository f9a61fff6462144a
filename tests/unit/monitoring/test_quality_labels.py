"""Labels as they come: which hours are counted again, once each, whatever is killed, late, corrected or missing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import logged
from cloche.contract.model import Contract, Field, Output
from cloche.monitoring.quality.labels import Log, located
from cloche.monitoring.quality.state import Remembered
from cloche.monitoring.quality.table import Measured, age, measured
from cloche.monitoring.quality.tallies import together
from cloche.monitoring.quality.watch import QualityWatch
from cloche.monitoring.reference import FieldReference, Reference
from cloche.monitoring.seen import Seen
from cloche.monitoring.tallies import Tally
from cloche.prediction_log.folding import Folder
from cloche.prediction_log.frames import Label
from cloche.prediction_log.joining import label_rows
from cloche.prediction_log.reading import LogReader
from cloche.store import Store

HOUR_US = 3_600_000_000
CONTRACT = Contract(
    fields=(
        Field(name="mass", type="number"),
        Field(name="island", type="category", levels=("Biscoe", "Dream")),
        Field(name="customer", type="string", role="key"),
    ),
    output=logged.SPECIES,
)
REFERENCE = Reference(
    fields={"island": FieldReference("island", "category", "input", 9, levels=("Biscoe", "Dream"), counts=(5, 4))},
)


class Versions:
    """What quality asks a registry for."""

    def __init__(self, store: Store, output: Output = logged.SPECIES) -> None:
        self.store = store
        self._output = output

    def contract(self, name: str, number: int) -> Contract:
        return Contract(fields=CONTRACT.fields, output=self._output)


class World:
    """A store that is folded after every landing, and a watch that follows its labels."""

    def __init__(self, folder: Path) -> None:
        self.store = Store.open(str(folder), folder)
        self.numbers = iter(range(1, 1_000))
        self.now = logged.NOON.timestamp() + 6 * 3_600

    def land(self, frames: Sequence[Any]) -> None:
        logged.land(self.store, [logged.schema(), *frames], number=next(self.numbers))
        Folder(self.store, "me").all()

    def watch(self, **more: Any) -> QualityWatch:
        return QualityWatch(Versions(self.store), reference_of=lambda *_: REFERENCE, **more)  # type: ignore[arg-type]

    def followed(self, **more: Any) -> World:
        self.now += 600
        self.watch(**more).follow("penguins", self.now)
        return self

    def rows(self, *, whole: bool = True) -> list[Measured]:
        return sorted(
            measured(self.store, "penguins", 0, 1e11, version=3, whole=whole), key=lambda one: (one.start, one.value)
        )

    def counts(self) -> tuple[int, int]:
        whole = together(one.tally for one in self.rows())
        return whole.labelled, sum(whole.confusion.get("Adelie", {}).values())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def asked(hours: int, n: int = 3, **more: Any) -> list[Any]:
    return [
        logged.request(
            [(3750.0, ("Dream", "Biscoe")[at % 2], f"c{hours}-{at}")],
            time_us=logged.NOON_US + hours * HOUR_US + at * 1_000_000,
            **more,
        )
        for at in range(n)
    ]


def told(requests: Sequence[Any], label: str = "Adelie", *, after_us: int = 60_000_000, **more: Any) -> Any:
    given = [Label(label, id=one.request_id, row=0, **more) for one in requests]
    return logged.labels(*given, time_us=max(one.time_us for one in requests) + after_us)


def test_what_is_counted_of_labelled_answers(world: World) -> None:
    requests = asked(0, 4)
    world.land([*requests, told(requests[:2]), told(requests[2:3], "Gentoo")])
    (one,) = world.followed().rows()
    assert (one.start, one.seconds, one.version) == (int(logged.NOON.timestamp()), 300, 3)
    tally = one.tally
    assert (tally.rows, tally.labelled, tally.said) == (4, 3, {"Adelie": 4})
    assert tally.confusion == {"Adelie": {"Adelie": 2}, "Gentoo": {"Adelie": 1}}
    assert sum(tally.delay.values()) == 3
    segments = {one.value: (one.tally.rows, one.tally.labelled) for one in world.rows(whole=False)}
    assert segments == {"Biscoe": (2, 1), "Dream": (2, 2)}


def test_only_the_hours_that_labels_touch_are_counted(world: World) -> None:
    early, late = asked(0), asked(2)
    world.land([*early, *late, told(early)])
    world.followed()
    assert {one.start for one in world.rows()} == {int(logged.NOON.timestamp())}
    world.land([told(late)])
    assert world.followed().counts() == (6, 6)
    assert len(world.rows()) == 2


def test_the_same_labels_again_change_nothing_and_a_correction_does(world: World) -> None:
    requests = asked(0)
    world.land([*requests, told(requests)])
    assert world.followed().counts() == (3, 3)
    world.land([told(requests, after_us=120_000_000)])
    assert world.followed().counts() == (3, 3)
    assert state(world).detectors[3].seen == 3, "nothing new was said"
    world.land([told(requests[:1], "Gentoo", after_us=180_000_000)])
    assert world.followed().counts() == (3, 2)
    assert together(one.tally for one in world.rows()).corrected == 1
    assert state(world).detectors[3].seen == 4


def state(world: World) -> Any:
    return Remembered(world.store, "penguins").read()


def test_a_label_that_was_folded_late_is_found_though_newer_ones_were_followed(world: World) -> None:
    first, second = asked(0), asked(1)
    world.land([*first, *second, told(second)])
    world.followed()
    world.land([told(first, after_us=1_000_000)])  # received before the others, landed after them
    assert world.followed().counts() == (6, 6)


def test_a_label_whose_answer_is_not_there_yet_is_looked_at_again(world: World) -> None:
    requests = asked(5)
    world.land([told(requests)])
    assert world.followed().counts() == (0, 0)
    assert len(state(world).unmatched) == 1
    world.land(requests)
    assert world.followed().counts() == (3, 3)
    assert state(world).unmatched == []


def test_labels_by_key_are_about_the_last_answer_before_the_event(world: World) -> None:
    def of(hours: int) -> Any:
        return logged.request([(1.0, "Dream", "ann")], time_us=logged.NOON_US + hours * HOUR_US)

    label = Label("Gentoo", key={"customer": "ann"}, event_us=logged.NOON_US + 3 * HOUR_US)
    world.land([of(0), of(2), of(4), logged.labels(label, time_us=logged.NOON_US + 5 * HOUR_US)])
    (one,) = world.followed().rows()
    assert one.start == logged.NOON.timestamp() + 2 * 3_600
    assert one.tally.confusion == {"Gentoo": {"Adelie": 1}}


def test_a_callers_own_id_finds_an_answer_of_weeks_ago(world: World) -> None:
    old = logged.request(time_us=logged.NOON_US - 20 * 24 * HOUR_US, client_request_id="mine")
    world.land([old, logged.labels(Label("Adelie", id="mine"), time_us=logged.NOON_US)])
    log = Log(world.store, "penguins", lambda _: CONTRACT, dt.timedelta(days=30))
    rows = list(label_rows(LogReader(world.store).labels("penguins")))
    touched, left = located(log, rows)
    assert (touched, left) == ({old.time_us // HOUR_US * 3_600}, [])


def test_work_that_is_cut_off_is_finished_by_the_next_one_and_nothing_counts_twice(world: World) -> None:
    requests = [one for hours in (0, 24, 48) for one in asked(hours)]
    world.land([*requests, told(requests)])
    world.now += 3 * 86_400

    class Cut(Exception):
        pass

    calls = iter(range(100))

    def spent() -> float:
        if next(calls) == 3:  # after a day was written, before it is remembered
            raise Cut
        return 0.0

    with pytest.raises(Cut):
        world.followed(spent=spent)
    ticks = iter(range(0, 1_000, 3))
    for _ in range(4):  # a budget for one day each
        world.followed(spent=lambda: float(next(ticks)))
    assert world.counts() == (9, 9)
    assert (state(world).dirty, state(world).detectors[3].seen) == ({}, 9)


def test_old_days_are_kept_by_the_hour_and_nothing_is_lost(world: World) -> None:
    requests = [*asked(0), *asked(0, 400)]
    world.land([*requests, told(requests)])
    world.followed()
    before = together(one.tally for one in world.rows())
    later = world.now + 4 * 86_400
    assert age(world.store, "penguins", later, "") == "2026-11-26"
    assert {one.seconds for one in world.rows()} == {3_600}
    assert together(one.tally for one in world.rows()) == before


def test_an_erased_label_is_no_new_one(world: World) -> None:
    requests = asked(0)
    world.land([*requests, told(requests)])
    world.followed()
    remembered = state(world)
    remembered.labels["2026-11-24"] = 7  # four were erased since
    Remembered(world.store, "penguins").write(remembered)
    assert world.followed().counts() == (3, 3)
    assert state(world).labels == {"2026-11-24": 3}


def test_labels_that_cannot_be_followed_hinder_nothing_else(world: World, caplog: pytest.LogCaptureFixture) -> None:
    requests = asked(0)
    world.land([*requests, told(requests)])

    def broken(model: str, version: int) -> Reference:
        raise RuntimeError("no")

    watch = QualityWatch(Versions(world.store), reference_of=broken)  # type: ignore[arg-type]
    seen = Seen("penguins", "classification", 3, world.now, REFERENCE, Tally(), [])
    assert watch(seen, "24h").metrics == []
    assert "labels of penguins cannot be followed: no" in caplog.text
    assert world.followed().counts() == (3, 3), "nothing was lost"
