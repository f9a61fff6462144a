"""Every version that is asked is judged, against its own reference and by its own labels; it costs what is new."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import handmade
import logged
from cloche.contract.model import Output
from cloche.manifest import Metric
from cloche.monitoring import shelf
from cloche.monitoring.documents import ModelDocument, asked
from cloche.monitoring.drift import DriftSettings
from cloche.monitoring.judging import BACK_S, Judging
from cloche.monitoring.observing import Observer
from cloche.monitoring.quality.watch import QualityWatch
from cloche.monitoring.reference import FieldReference, Reference
from cloche.monitoring.rollups import RollUp, counting
from cloche.monitoring.rollups.recent import Recent
from cloche.monitoring.tallies import FieldTally, Tally
from cloche.prediction_log.folding import Folder
from cloche.prediction_log.frames import Label, LoggedField
from cloche.profile import numbers
from cloche.records import Outputs
from cloche.registry import Registry
from cloche.saving import reference as saved
from cloche.saving.estimation import estimation
from cloche.store import Store

NUMBER = Output(task="regression", type="number")
FIELDS = (LoggedField("x", "number", "input"),)
MINUTE_US = 60_000_000
NOON = logged.NOON.timestamp()


def reference_json(mean: float, error: float) -> bytes:
    """Of a version that was trained on rows around *mean*, and answers them with that mean error."""
    rng = np.random.default_rng(1)
    x = rng.normal(mean, 1, 2_000)
    answers = Outputs((2 * x).tolist())
    told = saved.predictions(NUMBER, answers)
    truth = (2 * x + rng.choice([-error, error], 2_000)).tolist()
    return saved.to_json(
        {"x": {"type": "number", "role": "input", "n": 2_000, "missing": 0, **numbers(x)}},
        told,
        quality=[Metric("mae", error, "test", 2_000, interval=(error * 0.95, error * 1.05))],
        estimation=estimation(NUMBER, answers, truth, told),
    )


class World:
    """A store with version 1 (trained around 0) and version 2 (around 5), and its monitor by hand."""

    def __init__(self, folder: Path) -> None:
        self.store = Store.open(str(folder / "store"), folder)
        self.registry = Registry(self.store)
        for version, mean in ((1, 0.0), (2, 5.0)):
            made = handmade.artifact(
                folder / str(version), content=str(version).encode(), reference=reference_json(mean, float(version))
            )
            self.registry.publish(made, name="penguins", contract=handmade.contract(), contract_number=1, by="ada")
        self.now = NOON
        self.numbers = iter(range(1, 1_000))
        self.observer = self.started()

    def started(self) -> Observer:
        """A monitor that has just begun."""
        self.recent = Recent(self.store)
        watch = QualityWatch(self.registry, clock=lambda: self.now)
        return Observer(self.registry, recent=self.recent, quality_of=watch, news_of=watch.news, clock=lambda: self.now)

    def land(self, *frames: Any) -> None:
        schemas = [logged.schema(id=one, version=one, fields=FIELDS, output=NUMBER) for one in (1, 2, 3)]
        logged.land(self.store, [*schemas, *frames], number=next(self.numbers))
        Folder(self.store, "me", derive=counting(self.registry, self.recent)).all()

    def asked(self, version: int, *, minutes: range, rows: int = 20, mean: float = 0.0) -> list[Any]:
        """Rows around *mean*, so many a minute, answered by *version*."""
        rng = np.random.default_rng(version)
        x = [rng.normal(mean, 1, rows) for _ in minutes]
        requests = [
            logged.request(
                [[one] for one in those.tolist()],
                prediction=(2 * those).tolist(),
                time_us=logged.NOON_US + at * MINUTE_US,
                schema=version,
            )
            for at, those in zip(minutes, x, strict=True)
        ]
        self.land(*requests)
        return requests

    def labelled(self, requests: list[Any], error: float, *, minute: int) -> None:
        rng = np.random.default_rng(9)
        given = [
            Label(answer + rng.choice([-error, error]), id=one.request_id, row=row)
            for one in requests
            for row, answer in enumerate(one.prediction)
        ]
        self.land(logged.labels(*given, time_us=logged.NOON_US + minute * MINUTE_US))

    def look(self, minute: float) -> None:
        self.now = NOON + minute * 60
        self.observer.look()

    def document(self, range_: str, version: int | None = None) -> ModelDocument:
        found = shelf.read(self.store, "penguins", range_, version=version)
        assert found is not None
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def drift(document: ModelDocument) -> dict[str, tuple[str, int]]:
    return {one.name: (one.state, one.reference_n) for one in document.drift}


def test_each_version_is_judged_against_its_own_reference_and_labels(world: World) -> None:
    first = world.asked(1, minutes=range(130))
    world.registry.promote("penguins", 2, by="ada")
    second = world.asked(2, minutes=range(135, 265))
    world.labelled(first[:30], 1.0, minute=266)
    world.labelled(second[:30], 4.0, minute=267)
    world.look(270)
    whole, old, new = (world.document("24h", one) for one in (None, 1, 2))
    assert (whole.live, asked(whole)) == (2, [2, 1])
    assert drift(old) == {"x": ("ok", 2_000), "prediction": ("ok", 2_000)}
    assert drift(new) == {"x": ("drift", 2_000), "prediction": ("drift", 2_000)} == drift(whole)
    mae = {one.version: next(metric for metric in one.quality if metric.name == "mae") for one in (old, new)}
    assert (mae[1].baseline, mae[1].value, mae[1].state) == (1.0, pytest.approx(1.0), "ok")
    assert (mae[2].baseline, mae[2].value, mae[2].state) == (2.0, pytest.approx(4.0), "warn")
    assert mae[2].why == "live mae 4, when it was saved 2; more labels are expected"
    assert mae[1].expected == pytest.approx(1.0, abs=0.05)
    assert [one.version for one in (old.concept, new.concept) if one] == [1, 2]
    assert whole.lamps == old.lamps, "the lamps are of the live version"
    assert sum(value or 0 for value in old.traffic[0].values) == 130
    assert {one.version for one in new.recent} == {2}


def test_a_version_that_callers_pinned_is_judged_beside_the_live_one(world: World) -> None:
    world.asked(1, minutes=range(130))
    world.asked(2, minutes=range(130), mean=5.0)
    world.look(131)
    assert drift(world.document("24h", 1)) == drift(world.document("24h"))
    assert drift(world.document("24h", 2)) == {"x": ("ok", 2_000), "prediction": ("ok", 2_000)}


def test_a_monitor_that_has_just_begun_says_the_same(world: World) -> None:
    world.asked(1, minutes=range(130))
    world.registry.promote("penguins", 2, by="ada")
    world.asked(2, minutes=range(131, 261))
    world.look(262)
    before = [world.document("24h", one) for one in (None, 1, 2)]
    world.observer = world.started()
    world.look(262)
    again = [world.document("24h", one) for one in (None, 1, 2)]
    assert [one.drift for one in again] == [one.drift for one in before]
    assert [one.recent for one in again] == [one.recent for one in before]
    assert before[0].recent


def test_a_version_that_was_asked_weeks_ago_is_judged_where_the_range_holds_it(world: World) -> None:
    world.asked(2, minutes=range(130), mean=5.0)
    world.asked(1, minutes=range(20 * 1_440, 20 * 1_440 + 5))
    world.look(20 * 1_440 + 6)
    assert drift(world.document("30d", 2)) == {"x": ("ok", 2_000), "prediction": ("ok", 2_000)}
    assert shelf.read(world.store, "penguins", "7d", version=2) is None


def test_only_what_is_new_of_a_version_is_made_anew(world: World) -> None:
    made: list[tuple[str, int | None]] = []
    world.observer._shelf.put = lambda one: made.append((one.range, one.version))  # type: ignore[method-assign]
    world.asked(1, minutes=range(3))
    world.asked(2, minutes=range(3))
    world.look(3.5)
    assert made[:3] == [("1h", None), ("1h", 2), ("1h", 1)]
    made.clear()
    world.asked(1, minutes=range(4, 6))
    world.look(6.5)
    assert [one for one in made if one[1] == 1] == [(one, 1) for one in ("1h", "6h", "24h")]
    assert [one for one in made if one[1] == 2] == [], "it was not asked since"
    made.clear()
    world.asked(1, minutes=range(13, 14))
    world.look(14.5)
    assert ("1h", 2) in made, "time went on, though nobody asked it"


def test_where_the_live_version_alone_was_asked_its_page_is_that_of_all(world: World) -> None:
    world.asked(1, minutes=range(3))
    world.look(4)
    assert asked(world.document("1h")) == []
    assert world.document("1h", 1).version == 1
    assert shelf.read(world.store, "penguins", "1h", version=2) is None


def test_a_version_whose_rows_have_left_the_range_has_no_page_there(world: World) -> None:
    world.asked(1, minutes=range(3))
    world.asked(2, minutes=range(3))
    world.look(4)
    assert world.document("1h", 2).version == 2
    world.asked(1, minutes=range(90, 92))
    world.look(93)
    assert shelf.read(world.store, "penguins", "1h", version=2) is None
    assert world.document("6h", 2).version == 2
    assert world.store.list("monitor/penguins/1h@2/") == []


# -- what is read and kept ------------------------------------------------------------------------


REFERENCE = Reference(
    fields={"x": FieldReference("x", "number", "input", 900, edges=(0.0, 1.0, 2.0), counts=(450, 450))}
)


class History:
    """Roll-ups of a minute each, and what was asked for."""

    def __init__(self) -> None:
        self.held: list[RollUp] = []
        self.asked: list[tuple[float, float, int | None]] = []

    def add(self, version: int, start: float, n: int = 600) -> None:
        tally = Tally(requests=n, rows=n, fields={"x": FieldTally(n=n, counts=[n // 2, n // 2])})
        self.held.append(RollUp(int(start), 60, version, 1, "live", tally))

    def __call__(self, start: float, end: float, version: int | None) -> Iterator[RollUp]:
        self.asked.append((start, end, version))
        those = sorted(self.held, key=lambda one: one.start)
        return iter([one for one in those if start <= one.start < end and version in (None, one.version)])

    def minutes(self, now: float) -> list[RollUp]:
        return [one for one in self.held if one.start >= now - 900]


def judging(history: History) -> Judging:
    return Judging(DriftSettings(window_minutes=1), lambda _version: REFERENCE, history)


def states(found: Judging, version: int, now: float) -> list[tuple[str, int]]:
    return [(one.state, len(one.trend)) for one in found.of(version, now, now)]


def test_the_history_is_read_once_and_then_only_what_is_new() -> None:
    history, now = History(), 1_800_000_000.0
    found = judging(history)
    for version in (1, 2):
        history.add(version, now - 3_600)
    found.look(2, history.minutes(now), now)
    assert history.asked == [(now - BACK_S, now, None)]
    for minute in range(1, 10):
        at = now + 60 * minute
        history.add(1, at - 120)
        found.look(2, history.minutes(at), at)
    assert len(history.asked) == 2, "and once from the last window on, which lay before the minutes given"
    assert states(found, 1, now) == [("ok", 10)]
    assert states(found, 2, now) == [("ok", 1)]


def test_where_rows_are_sampled_the_samples_are_read_too() -> None:
    class Sampled(Reference):
        sampled = True

    history, now = History(), 1_800_000_000.0
    found = Judging(DriftSettings(window_minutes=1), lambda _version: Sampled(fields=REFERENCE.fields), history)
    for at in (now, now + 60):
        history.add(1, at - 120)
        found.look(1, history.minutes(at), at)
    assert len(history.asked) == 2, "the minutes given hold none"
    assert states(found, 1, now) == [("ok", 2)]


def test_what_is_folded_late_is_judged_too() -> None:
    history, now = History(), 1_800_000_000.0
    found = judging(history)
    history.add(1, now - 600)
    found.look(1, history.minutes(now), now)
    history.add(2, now - 900)  # of another host, that was cut off
    history.add(1, now - 60)
    found.look(1, history.minutes(now + 60), now + 60)
    assert states(found, 1, now) == [("ok", 2)]
    assert states(found, 2, now) == [("ok", 1)]


def test_a_version_at_rest_gives_its_windows_away_and_finds_them_again() -> None:
    history, now = History(), 1_800_000_000.0
    found = judging(history)
    history.add(1, now - 600)
    history.add(2, now - 600)
    found.look(1, history.minutes(now), now)
    now += 2 * 86_400
    history.add(1, now - 300)
    found.look(1, history.minutes(now), now)
    assert found._versions[2].keeper is None
    assert found._versions[1].keeper is not None
    assert states(found, 2, now) == [("ok", 1)]
    history.add(2, now - 60)
    now += 120
    found.look(1, history.minutes(now), now)
    assert states(found, 2, now) == [("ok", 2)], "with the window of two days ago"


def test_of_many_versions_at_rest_the_oldest_is_forgotten() -> None:
    history, now = History(), 1_800_000_000.0
    found = judging(history)
    for version in range(1, 60):
        history.add(version, now - 6 * 86_400 + version * 60)
    found.look(None, [], now)
    assert min(found._versions) == 28
    assert len(found._versions) == 32
    assert [one.state for one in found.of(3, now - 30 * 86_400, now)] == ["ok"]


@pytest.mark.parametrize(
    ("rows", "n", "why"),
    [
        pytest.param(0, 900, "0 rows in the first window", id="nothing-yet"),
        pytest.param(1, 900, "1 row in the first window, which is full with 500 after 1 minutes, or 50", id="one"),
        pytest.param(31, 120, "the reference has 120 rows, 200 are needed", id="small-reference-before-a-window"),
        pytest.param(900, 120, "the reference has 120 rows, 200 are needed", id="small-reference"),
    ],
)
def test_what_is_missing_for_a_verdict_is_said_precisely(rows: int, n: int, why: str) -> None:
    history, now = History(), 1_800_000_000.0
    field = FieldReference("x", "number", "input", n, edges=(0.0, 1.0, 2.0), counts=(n // 2, n // 2))
    found = Judging(DriftSettings(window_minutes=1), lambda _: Reference(fields={"x": field}), history)
    if rows:
        history.add(1, now - 120, rows)
    found.look(1, history.minutes(now), now)
    (one,) = found.of(1, now, now)
    assert one.state == "insufficient"
    assert why in one.why
    assert (one.effect, one.p) == (None, None)
    assert (one.histogram is not None) == (rows == 900), "what is seen is shown all the same"
