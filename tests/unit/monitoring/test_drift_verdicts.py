"""What is called drift and what is not: each change as a case, on windows counted from real rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cloche.monitoring.documents import FieldDrift
from cloche.monitoring.drift import DriftSettings, field_cells, verdicts
from cloche.monitoring.drift.windows import Slot, windows
from cloche.monitoring.reference import FieldReference, Reference
from cloche.monitoring.tallies import FieldTally, OutputTally, Tally
from cloche.profile import normal_scores, numbers

SETTINGS = DriftSettings()
HOUR = 3600.0
Rows = dict[str, np.ndarray]
LEVELS = ("Biscoe", "Dream", "Torgersen")


def rows(rng: np.random.Generator, n: int) -> Rows:
    """Two numbers that go together, and a level."""
    age = rng.normal(40, 10, n)
    return {
        "age": age,
        "income": age / 10 + rng.normal(0, 1, n),
        "island": rng.choice(LEVELS, n, p=[0.5, 0.4, 0.1]),
        "answer": rng.choice(["no", "yes"], n, p=[0.8, 0.2]),
    }


def number_reference(name: str, values: np.ndarray) -> FieldReference:
    found = numbers(values)
    bins = found["bins"]
    return FieldReference(
        name,
        "number",
        "input",
        len(values),
        edges=tuple(bins["edges"]),
        counts=tuple(bins["counts"]),
        mean=found["mean"],
        variance=found["variance"],
    )


def reference_of(given: Rows) -> Reference:
    island = tuple(int((given["island"] == one).sum()) for one in LEVELS)
    answers = tuple(int((given["answer"] == one).sum()) for one in ("no", "yes"))
    n = len(given["age"])
    fields = {name: number_reference(name, given[name]) for name in ("age", "income")}
    scored = [scores_of(given[name], fields[name]) for name in fields]
    return Reference(
        fields=fields | {"island": FieldReference("island", "category", "input", n, levels=LEVELS, counts=island)},
        classes=FieldReference("prediction", "category", "output", n, levels=("no", "yes"), counts=answers),
        pairs=(("age", "income"),),
        correlations=(float(np.corrcoef(scored)[0, 1]),),
    )


def places_of(values: np.ndarray, field: FieldReference) -> np.ndarray:
    return np.clip(np.searchsorted(field.edges, values, side="right") - 1, 0, len(field.counts) - 1)


def scores_of(values: np.ndarray, field: FieldReference) -> np.ndarray:
    return np.where(np.isfinite(values), normal_scores(field.counts)[places_of(values, field)], 0.0)


def tally_of(given: Rows, reference: Reference) -> Tally:
    """What the roll-ups count of these rows."""
    fields = {}
    for name in ("age", "income"):
        field, values = reference.fields[name], given[name]
        there = values[np.isfinite(values)]
        off = there - (field.mean or 0.0)
        fields[name] = FieldTally(
            n=len(values),
            missing=len(values) - len(there),
            below=int((there < field.edges[0]).sum()),
            above=int((there > field.edges[-1]).sum()),
            finite=len(there),
            total=float(off.sum()),
            squares=float((off**2).sum()),
            counts=np.bincount(places_of(there, field), minlength=len(field.counts)).tolist(),
        )
    island = [int((given["island"] == one).sum()) for one in LEVELS]
    n = len(given["island"])
    fields["island"] = FieldTally(n=n, unseen=n - sum(island), counts=island)
    products = float(
        scores_of(given["age"], reference.fields["age"]) @ scores_of(given["income"], reference.fields["income"])
    )
    classes = {one: int((given["answer"] == one).sum()) for one in ("no", "yes")}
    return Tally(requests=n, rows=n, fields=fields, output=OutputTally(rows=n, classes=classes), products=[products])


def judged(
    change: Callable[[Rows, np.random.Generator], None], n: int = 2_000, hours: int = 2
) -> dict[str, FieldDrift]:
    """The verdicts after *hours* windows of *n* rows in which *change* was made."""
    rng = np.random.default_rng(11)
    reference = reference_of(rows(rng, 5_000))
    slots = []
    for hour in range(hours):
        given = rows(rng, n)
        change(given, rng)
        slots.append(Slot(hour * HOUR, HOUR, tally_of(given, reference)))
    return {one.name: one for one in verdicts(reference, slots, SETTINGS)}


def nothing(given: Rows, rng: np.random.Generator) -> None:
    pass


def half_a_deviation(given: Rows, rng: np.random.Generator) -> None:
    given["age"] += 5


def wider(given: Rows, rng: np.random.Generator) -> None:
    given["age"] = 40 + (given["age"] - 40) * 2


def tail(given: Rows, rng: np.random.Generator) -> None:
    given["age"][: len(given["age"]) // 12] = 150


def mostly_missing(given: Rows, rng: np.random.Generator) -> None:
    given["income"][rng.random(len(given["income"])) < 0.6] = np.nan


def other_mix(given: Rows, rng: np.random.Generator) -> None:
    given["island"] = rng.choice(LEVELS, len(given["island"]), p=[0.2, 0.4, 0.4])


def new_level(given: Rows, rng: np.random.Generator) -> None:
    given["island"][: len(given["island"]) // 10] = "Atlantis"


def no_longer_together(given: Rows, rng: np.random.Generator) -> None:
    rng.shuffle(given["income"])


def more_yes(given: Rows, rng: np.random.Generator) -> None:
    given["answer"] = rng.choice(["no", "yes"], len(given["answer"]), p=[0.55, 0.45])


@pytest.mark.parametrize(
    ("change", "drifted"),
    [
        pytest.param(nothing, set(), id="nothing"),
        pytest.param(half_a_deviation, {"age"}, id="mean"),
        pytest.param(wider, {"age"}, id="scale"),
        pytest.param(tail, {"age"}, id="tail"),
        pytest.param(mostly_missing, {"income"}, id="60-per-cent-missing"),
        pytest.param(other_mix, {"island"}, id="level-mix"),
        pytest.param(new_level, {"island"}, id="new-level"),
        pytest.param(no_longer_together, {"age × income"}, id="correlation-only"),
        pytest.param(more_yes, {"prediction"}, id="predictions"),
    ],
)
def test_the_field_that_changed_is_the_one_that_drifts(
    change: Callable[[Rows, np.random.Generator], None], drifted: set[str]
) -> None:
    found = {name for name, one in judged(change).items() if one.state == "drift"}
    assert drifted <= found
    assert found <= drifted | {"age × income"}  # a pair may follow its field


def test_one_window_is_not_enough() -> None:
    found = judged(half_a_deviation, hours=1)["age"]
    assert found.state == "small"
    assert "2 windows one after the other" in found.why


def test_few_rows_get_no_verdict() -> None:
    found = judged(half_a_deviation, n=40)["age"]
    assert found.state == "insufficient"
    assert "40 rows, a verdict needs 50" in found.why


def test_a_small_shift_in_many_rows_is_significant_and_small() -> None:
    def little(given: Rows, rng: np.random.Generator) -> None:
        given["age"] += 1

    found = judged(little, n=100_000)["age"]
    assert found.state == "small"
    assert found.p is not None
    assert found.p < 1e-6


def test_one_wild_value_does_not_lower_the_score() -> None:
    def shifted_and_wild(given: Rows, rng: np.random.Generator) -> None:
        given["age"] += 5
        given["age"][0] = 1e9

    tame, wild = judged(half_a_deviation)["age"], judged(shifted_and_wild)["age"]
    assert tame.effect is not None
    assert wild.effect is not None
    assert wild.state == "drift"
    assert wild.effect >= tame.effect - 0.01


def test_without_a_test_set_there_is_no_verdict_on_answers() -> None:
    rng = np.random.default_rng(3)
    reference = reference_of(rows(rng, 1_000))
    silent = Reference(fields=reference.fields)
    given = rows(rng, 2_000)
    more_yes(given, rng)
    slots = [Slot(hour * HOUR, HOUR, tally_of(given, reference)) for hour in range(3)]
    assert "prediction" not in {one.name for one in verdicts(silent, slots, SETTINGS)}


def test_a_small_reference_gives_no_verdict() -> None:
    rng = np.random.default_rng(3)
    reference = reference_of(rows(rng, 150))
    slots = [Slot(hour * HOUR, HOUR, tally_of(rows(rng, 900), reference)) for hour in range(3)]
    found = verdicts(reference, slots, SETTINGS)
    assert {one.state for one in found} == {"insufficient"}
    assert "the reference has 150 rows, 200 are needed" in found[0].why


def slot(minute: int, n: int, minutes: int = 1) -> Slot:
    return Slot(minute * 60.0, minutes * 60.0, Tally(requests=n, rows=n))


@pytest.mark.parametrize(
    ("slots", "rows_of_windows"),
    [
        pytest.param([slot(one, 100) for one in range(90)], [6_000, 3_000], id="an-hour-though-rows-are-enough"),
        pytest.param([slot(60 * one, 100, 60) for one in range(12)], [500, 500, 200], id="rows-though-an-hour-is-over"),
        pytest.param([slot(60 * one, 5, 60) for one in range(30)], [120, 30], id="a-quiet-day"),
        pytest.param([slot(1440 * one, 20, 1440) for one in range(4)], [60, 20], id="quieter-still"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_where_a_window_ends(slots: list[Slot], rows_of_windows: list[int]) -> None:
    assert [one.tally.rows for one in windows(slots, SETTINGS)] == rows_of_windows


@pytest.mark.parametrize(
    ("type", "edges", "first"),
    [
        pytest.param("number", (4081.0, 23450.4, 99396.0), "4081 – 23,450", id="no-exponents"),
        pytest.param("number", (0.001, 0.25, 1.0), "0.001 – 0.25", id="small"),
        pytest.param("date", (1_764_028_800.0, 1_764_115_200.0, 1_764_979_200.0), "2025-11-25 – 2025-11-26", id="days"),
        pytest.param("datetime", (1_764_072_000.0, 1_764_075_600.0), "2025-11-25 12:00 – 2025-11-25 13:00", id="hours"),
    ],
)
def test_bins_are_named_as_people_write_them(type: str, edges: tuple[float, ...], first: str) -> None:
    counts = (100,) * (len(edges) - 1)
    reference = FieldReference("x", type, "input", 200, edges=edges, counts=counts)
    assert field_cells.of_field(reference, [FieldTally(counts=list(counts))]).names[0] == first
