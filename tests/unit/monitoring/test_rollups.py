"""Roll-ups: what a fold counts is what the rows say, once, whatever is killed; and it merges as it ages."""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from pathlib import Path

import pytest

import logged
from cloche.contract.model import Output
from cloche.monitoring import service
from cloche.monitoring.reference import FieldReference, Reference
from cloche.monitoring.rollups import RollUp, history, rolled_up
from cloche.monitoring.rollups.table import age
from cloche.monitoring.tallies import MOST_CLASSES, OutputTally, Tally, summed
from cloche.prediction_log import layout
from cloche.prediction_log.folding import Folder
from cloche.store import Store

MINUTE_US = 60_000_000
REFERENCE = Reference(
    fields={
        "mass": FieldReference(
            "mass", "number", "input", 100, edges=(3000.0, 3500.0, 4000.0), counts=(50, 50), mean=3500.0, variance=1.0
        ),
        "island": FieldReference("island", "category", "input", 100, levels=("Biscoe", "Dream"), counts=(60, 40)),
        "customer": FieldReference("customer", "string", "key", 100),
    },
    classes=FieldReference("prediction", "category", "output", 50, levels=("Adelie", "Gentoo"), counts=(25, 25)),
    confidence=FieldReference("confidence", "number", "output", 50, edges=(0.5, 0.7, 1.0), counts=(20, 30), mean=0.5),
)
ROWS = ((3250.0, "Dream", "ann"), (3750.0, "Biscoe", "bob"), (9000.0, "Atlantis", "cyd"), (None, None, "dan"))


def reference_of(model: str, version: int) -> Reference:
    return REFERENCE


def folder(store: Store, **more: object) -> Folder:
    return Folder(store, "me", derive=lambda parts: rolled_up(parts, reference_of), **more)  # type: ignore[arg-type]


def folded(tmp_path: Path) -> Store:
    """Two minutes of version 3 (three requests of seven rows, one refusal), and one row of version 4."""
    store = Store.open(str(tmp_path), tmp_path)
    frames = [
        logged.schema(),
        logged.request(ROWS, time_us=logged.NOON_US),
        logged.request(ROWS[:2], time_us=logged.NOON_US + MINUTE_US, prediction=["Adelie", "Gentoo"]),
        logged.request(ROWS[:1], time_us=logged.NOON_US + MINUTE_US, route="pinned"),
        logged.failed(time_us=logged.NOON_US),
        logged.schema(id=2, version=4),
        logged.request(ROWS[:1], schema=2, time_us=logged.NOON_US),
    ]
    logged.land(store, frames)
    folder(store).all()
    return store


def all_of(store: Store, **wanted: object) -> list[RollUp]:
    noon = logged.NOON.timestamp()
    return list(history(store, "penguins", noon - 86_400, noon + 86_400, **wanted))  # type: ignore[arg-type]


def test_a_fold_counts_by_version_route_and_minute(tmp_path: Path) -> None:
    found = all_of(folded(tmp_path))
    noon = int(logged.NOON.timestamp())
    assert [(one.start - noon, one.version, one.route, one.tally.requests, one.tally.rows) for one in found] == [
        (0, 3, "live", 2, 4),
        (0, 4, "live", 1, 1),
        (60, 3, "live", 1, 2),
        (60, 3, "pinned", 1, 1),
    ]


def test_what_is_counted_of_a_minute(tmp_path: Path) -> None:
    tally = all_of(folded(tmp_path), version=3)[0].tally
    assert tally.status == {"200": 1, "400": 1}
    assert sum(tally.latency.values()) == 2
    assert tally.problems == {"mass:wrong_type": 1, ":missing": 1}
    mass, island = tally.fields["mass"], tally.fields["island"]
    assert (mass.n, mass.missing, mass.below, mass.above, mass.finite, mass.counts) == (4, 1, 0, 1, 3, [1, 2])
    assert (mass.total, mass.squares) == (-250 + 250 + 5500, 250**2 * 2 + 5500**2)
    assert (island.n, island.missing, island.unseen, island.counts) == (4, 1, 1, [1, 1])
    assert "customer" not in tally.fields
    assert tally.output.classes == {"Adelie": 4}
    assert tally.output.confidence is not None
    assert tally.output.confidence.counts == [0, 4]


STEPS = ["listed", "created", "committed", "folded", "deleted"]


@pytest.mark.parametrize("step", STEPS)
def test_a_fold_that_is_cut_off_anywhere_is_counted_once(tmp_path: Path, step: str) -> None:
    class Cut(Exception):
        pass

    def reached(name: str) -> None:
        if name.startswith(step):
            raise Cut

    store = Store.open(str(tmp_path), tmp_path)
    logged.land(store, [logged.schema(), logged.request(ROWS), logged.request(ROWS[:1])])
    with pytest.raises(Cut):
        folder(store, reached=reached).all()
    folder(store).all()
    logged.land(store, [logged.schema(), logged.request(ROWS[:2])], number=2)
    folder(store).all()
    whole = summed(one.tally for one in all_of(store))
    assert (whole.requests, whole.rows) == (3, 7)


def test_old_minutes_become_hours_and_days_and_nothing_is_lost(tmp_path: Path) -> None:
    store = folded(tmp_path)
    before = summed(one.tally for one in all_of(store))
    noon = logged.NOON.timestamp()
    assert age(store, "penguins", noon) == 0
    for days, seconds in ((4, 3_600), (70, 86_400)):
        later = (logged.NOON + dt.timedelta(days=days)).timestamp()
        assert age(store, "penguins", later) == 1
        assert age(store, "penguins", later) == 0
        found = all_of(store)
        assert {one.seconds for one in found} == {seconds}
        assert Counter((one.version, one.route) for one in found) == {(3, "live"): 1, (3, "pinned"): 1, (4, "live"): 1}
        assert summed(one.tally for one in found) == before


def test_a_version_without_reference_is_counted_by_requests_and_answers(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path), tmp_path)
    logged.land(store, [logged.schema(), logged.request(ROWS)])
    Folder(store, "me", derive=lambda parts: rolled_up(parts, lambda *_: Reference())).all()
    (one,) = all_of(store)
    assert (one.tally.rows, one.tally.fields, one.tally.output.classes) == (4, {}, {"Adelie": 4})


HOURS = Output(task="regression", type="number")
VECTORS = Output(task="embedding", type="number")


@pytest.mark.parametrize(
    ("output", "answers", "classes", "mean"),
    [
        pytest.param(HOURS, [1.25, 2.75, None], {}, 2.0, id="numbers-are-no-classes"),
        pytest.param(VECTORS, [[0.125] * 99, [0.5] * 99, [1.0]], {"(other)": 2, "[1.0]": 1}, None, id="nor-are-lists"),
    ],
)
def test_answers_of_a_version_without_a_test_set_leave_no_value_in_the_table(
    tmp_path: Path, output: Output, answers: list[object], classes: dict[str, int], mean: float | None
) -> None:
    store = Store.open(str(tmp_path), tmp_path)
    frames = [logged.schema(output=output), logged.request(ROWS[:3], prediction=answers)]
    logged.land(store, frames)
    Folder(store, "me", derive=lambda parts: rolled_up(parts, lambda *_: Reference())).all()
    (one,) = all_of(store)
    assert one.tally.output.classes == classes
    (shown,) = service.answers(service.Steps(0.0, 60, [one.tally]), Reference())[:1]
    assert mean is None or (shown.name, shown.values) == ("mean", [mean])


def test_a_tally_of_answers_stays_small_whatever_is_answered() -> None:
    whole = OutputTally(rows=1, classes={"often": 5})
    for start in range(0, 5_000, 500):
        whole = whole.plus(OutputTally(rows=500, classes={f"answer {start + one}": 1 for one in range(500)}))
    assert len(whole.classes) <= MOST_CLASSES
    assert whole.classes["often"] == 5
    assert sum(whole.classes.values()) == 5_005


def test_no_value_stands_in_the_table(tmp_path: Path) -> None:
    store = folded(tmp_path)
    held = b"".join(store.get(path) for path in store.list(layout.rollups("penguins")))
    assert b"ann" not in held
    assert b"Atlantis" not in held
    assert os.fsencode("3250") not in held


def test_nothing_counted_is_nothing_read(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path), tmp_path)
    assert list(history(store, "penguins", 0, 1e12)) == []
    assert summed(()) == Tally()


def test_the_shares_of_many_classes_sum_to_one() -> None:
    answered = OutputTally(rows=90, classes={f"class {place}": place for place in range(1, 13)} | {"class 13": 12})
    lines = service.answers(service.Steps(0.0, 60, [Tally(rows=90, output=answered), Tally()]), Reference())
    assert [one.name for one in lines][-1] == "2 others"
    assert sum(one.values[0] or 0.0 for one in lines) == pytest.approx(1.0)
    assert lines[-1].values[1] is None
