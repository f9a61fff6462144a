"""What is said of a range: metrics as published, provisional steps, real gaps, and verdicts that do not cry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from cloche.evaluation.counted import Counted
from cloche.evaluation.intervals import wilson
from cloche.monitoring.quality import gaps
from cloche.monitoring.quality.counting import Answers, tally
from cloche.monitoring.quality.delays import Delays
from cloche.monitoring.quality.metrics import Baseline, baselines, calibration, estimates, verdict
from cloche.monitoring.quality.series import Range, Steps, metrics
from cloche.monitoring.quality.table import Measured
from cloche.monitoring.quality.tallies import QualityTally, delay_bucket, delay_end, together
from cloche.monitoring.quality.two_groups import shares_differ
from cloche.monitoring.reference import Reference
from cloche.monitoring.rollups import RollUp
from cloche.monitoring.tallies import Tally

TRUTH = np.array([1, 0, 1, 1, 0, 0, 1, 0, 1, 0])
SCORE = np.array([0.9, 0.2, 0.8, 0.4, 0.3, 0.6, 0.7, 0.1, 0.55, 0.45])


def answers(truth: Any, score: Any, names: tuple[str, ...] = ("no", "yes")) -> Answers:
    n = len(truth)
    said = (np.asarray(score) >= 0.5).astype(np.int64)
    shares = np.stack([1 - np.asarray(score), score], axis=1)
    return Answers(names, said, np.asarray(truth), shares, np.full(n, 60.0), np.full(n, "labelled", dtype=object))


def counted(truth: Any, score: Any) -> QualityTally:
    return tally(answers(truth, score), np.arange(len(truth)))


def numbers(truth: Any, answer: Any) -> QualityTally:
    n = len(truth)
    given = Answers((), np.asarray(answer), np.asarray(truth), None, np.full(n, 9.0), np.full(n, "", dtype=object), 1.0)
    return tally(given, np.arange(n))


def test_metrics_are_the_published_ones() -> None:
    """scikit-learn's on ten rows, cut at 0.5: TN 4, FP 1, FN 1, TP 4."""
    found = {one.name: one for one in estimates(counted(TRUTH, SCORE))}
    for name in ("accuracy", "precision[yes]", "recall[yes]", "f1[yes]"):
        assert found[name].value == pytest.approx(0.8), name
    assert found["accuracy"].interval == pytest.approx((0.4901625, 0.9433178))
    assert found["roc_auc"].value == pytest.approx(0.88)
    assert found["log_loss"].value == pytest.approx(0.4398613)
    assert found["brier"].value == pytest.approx(0.1405)


def test_tallies_merge() -> None:
    whole = counted(np.tile(TRUTH, 4), np.tile(SCORE, 4))
    merged = together(counted(TRUTH, SCORE) for _ in range(4))
    assert QualityTally.from_bytes(merged.to_bytes()) == merged
    assert (merged.confusion, merged.scores, merged.delay) == (whole.confusion, whole.scores, whole.delay)
    assert [one.value for one in estimates(merged)] == pytest.approx([one.value for one in estimates(whole)])
    assert sum(one["n"] for one in calibration(merged)) == 40


def test_a_row_without_label_is_no_quality() -> None:
    given = answers(np.array([-1, -1, 1]), np.array([0.9, 0.1, 0.9]))
    found = tally(given, np.arange(3))
    assert (found.rows, found.labelled, found.said) == (3, 1, {"no": 1, "yes": 2})


# -- delays ---------------------------------------------------------------------------------------


def test_young_answers_do_not_make_labels_seem_quick() -> None:
    """Delays are even over ten hours; of answers that are an hour old only the quick labels are seen."""
    rng = np.random.default_rng(1)
    seen = []
    for age_h in range(1, 41):
        counts: dict[int, int] = {}
        for delay in rng.uniform(0, 36_000, 400):
            if delay <= age_h * 3_600:
                counts[delay_bucket(delay)] = counts.get(delay_bucket(delay), 0) + 1
        seen.append((age_h * 3_600.0, counts))
    found = Delays.of(seen)
    for share in (0.25, 0.5, 0.9):
        assert found.come(share * 36_000) == pytest.approx(share, abs=0.08)
    assert found.come(40_000) == 1.0
    naive = Delays.of([(1e9, counts) for _, counts in seen])
    assert naive.come(9_000) > found.come(9_000) + 0.02


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (1.0, 0), (1.05, 1), (3_600.0, 86)])
def test_buckets_of_delay(seconds: float, bucket: int) -> None:
    assert delay_bucket(seconds) == bucket
    assert delay_end(bucket) >= seconds * (1 - 1e-9)


def test_few_labels_say_nothing_of_delays() -> None:
    assert Delays.of([]).come(1e9) == 0.0
    assert Delays.of([(1e9, {3: 5})]).come(1e9) == 0.0


# -- over time ------------------------------------------------------------------------------------

STEPS = Steps(0.0, 900, 4, 3_600.0)


def over_time(labelled: dict[int, QualityTally], rows: dict[int, int], delays: Delays) -> Range:
    measured = [Measured(at, 300, 1, "", "", one) for at, one in labelled.items()]
    return Range.of(STEPS, measured, [RollUp(at, 60, 1, 1, "live", Tally(rows=n)) for at, n in rows.items()], delays)


def test_a_step_of_which_more_labels_are_expected_is_provisional() -> None:
    delays = Delays.of([(1e6, {delay_bucket(600.0): 50, delay_bucket(1_500.0): 50})])
    good, bad = counted(np.ones(60, int), np.full(60, 0.9)), counted(np.zeros(60, int), np.full(60, 0.9))
    found = over_time({0: good, 900: good, 2_700: bad}, {0: 100, 900: 100, 1_800: 100, 2_700: 100}, delays)
    assert found.provisional == [False, False, False, True]
    reference = Reference(quality=({"name": "accuracy", "value": 0.95, "split": "test", "n": 500},))
    one = metrics(found, reference)[0]
    assert (one.name, one.value, one.n, one.state) == ("accuracy", 1.0, 120, "ok")
    assert one.labelled == [0.6, 0.6, 0.0, 0.6]
    assert one.realised is not None
    assert one.realised.values == [1.0, 1.0, None, 0.0]
    assert one.provisional == found.provisional


def test_an_hour_is_told_by_the_five_minutes_that_labels_are_counted_by() -> None:
    """Two requests a minute, all labelled: each minute of the five tells the same, and all are covered."""
    now = 7_200.0 + 130
    shown = Steps.of_range("1h", now)
    by = shown.counted_by(300)
    assert (shown.step_s, shown.count, by.step_s, by.start) == (60, 60, 300, 3_600.0)
    labelled = [
        Measured(at, 300, 1, "", "", counted(np.ones(10, int), np.full(10, 0.9))) for at in range(3_600, 7_200, 300)
    ]
    rolled = [RollUp(at, 60, 1, 1, "live", Tally(rows=2)) for at in range(3_600, 7_200, 60)]
    found = Range.of(by, labelled, rolled, Delays.of([(1e6, {0: 100})]))
    (one, *_) = metrics(found, Reference(quality=({"name": "accuracy", "value": 0.95, "split": "test", "n": 500},)))
    assert one.covered == 1.0
    told = shown.spread(one, by)
    assert told.realised is not None
    assert told.realised.values == [1.0] * 57 + [None] * 3, "from 62 minutes ago to 7,200, then nobody asked"
    assert told.labelled == [1.0] * 57 + [None] * 3
    assert len(told.provisional) == 60
    assert Steps.of_range("24h", now).counted_by(300) == Steps.of_range("24h", now)


def test_what_only_early_labels_say_warns_and_does_not_alarm() -> None:
    reference = Reference(quality=({"name": "accuracy", "value": 0.95, "split": "test", "n": 500},))
    bad = counted(np.zeros(60, int), np.full(60, 0.9))
    early = metrics(over_time({2_700: bad}, {2_700: 100}, Delays.of([])), reference)[0]
    assert (early.state, early.why.endswith("more labels are expected")) == ("warn", True)
    known = Delays.of([(1e6, {0: 100})])
    assert metrics(over_time({2_700: bad}, {2_700: 100}, known), reference)[0].state == "alarm"


@pytest.mark.parametrize(
    ("value", "n", "state"),
    [
        pytest.param(0.90, 1_000, "ok", id="as-before"),
        pytest.param(0.80, 1_000, "alarm", id="worse"),
        pytest.param(0.80, 49, "unknown", id="few-rows"),
        pytest.param(0.85, 60, "ok", id="within-chance"),
        pytest.param(0.885, 1_000_000, "ok", id="certain-and-too-small-to-matter"),
        pytest.param(0.99, 1_000, "ok", id="better"),
    ],
)
def test_verdicts(value: float, n: int, state: str) -> None:
    half = 1.96 * np.sqrt(value * (1 - value) / n)
    one = Counted("accuracy", value, n, (value - half, value + half))
    assert verdict(one, Baseline(0.9, 0.88, 0.92))[0] == state


@pytest.mark.parametrize("share", [0.8, 0.9, 0.97])
@pytest.mark.parametrize(("tested", "labelled"), [(300, 200), (100, 5_000)])
def test_the_verdict_of_a_year_without_change_does_not_cry(share: float, tested: int, labelled: int) -> None:
    """Each day is one look; each of 300 models has a test set of its own."""
    rng = np.random.default_rng(8)

    def measured(n: int) -> Counted:
        hits = rng.binomial(n, share)
        return Counted("accuracy", hits / n, n, wilson(hits, n))

    alarms = 0
    for _ in range(300):
        before = measured(tested)
        baseline = Baseline(before.value, *(before.interval or (0.0, 1.0)))
        alarms += sum(verdict(measured(labelled), baseline)[0] == "alarm" for _ in range(30))
    assert alarms / 300 <= 0.2, "alarms a model and month"


def test_an_error_that_grows_is_measured_from_the_near_ends_too() -> None:
    one = Counted("mae", 1.5, 100, (1.4, 1.9))
    assert verdict(one, Baseline(1.0, 0.5, 1.1))[0] == "alarm"
    assert verdict(one, Baseline(1.0, 0.9, 1.6))[0] == "ok"


def test_baselines_are_those_of_the_test_set() -> None:
    found = baselines(
        [
            {"name": "accuracy", "value": 0.9, "split": "test", "n": 9, "interval": [0.8, 1.0]},
            {"name": "f1", "value": 0.8, "split": "test", "n": 9},
            {"name": "mae", "value": 3.0, "split": "own", "n": 9},
        ]
    )
    assert found == {"accuracy": Baseline(0.9, 0.8, 1.0), "f1": Baseline(0.8, 0.8, 0.8)}


# -- gaps -----------------------------------------------------------------------------------------


def groups(right: dict[str, tuple[int, int]]) -> dict[tuple[str, str], QualityTally]:
    """By level of a context: so many right of so many, half of them of each class."""
    found = {}
    for value, (hits, n) in right.items():
        truth = np.arange(n) % 2
        said = np.where(np.arange(n) < hits, truth, 1 - truth)
        found["region", value] = counted(truth, np.where(said == 1, 0.9, 0.1))
    return found


def test_a_gap_is_told_where_it_is_more_than_chance() -> None:
    found = {
        one.value: one for one in gaps.segments(groups({"north": (190, 200), "south": (140, 200), "east": (3, 9)}))
    }
    assert set(found) == {"north", "south"}, "nine rows are no segment"
    assert found["south"].gap == pytest.approx(0.7 - 333 / 409)
    assert found["south"].estimate == 0.7
    assert found["south"].low < 0.7 < found["south"].high  # type: ignore[operator]
    alike = gaps.segments(groups({"north": (180, 200), "south": (178, 200)}))
    assert [one.gap for one in alike] == [None, None]


@pytest.mark.parametrize(
    ("rows", "share"),
    [
        pytest.param((100,) * 20, 0.8, id="alike"),
        pytest.param((25,) * 10 + (4_000,), 0.97, id="small-ones-that-are-all-right-by-chance"),
        pytest.param((40,) * 10 + (4_000,), 0.998, id="an-error-is-rare"),
    ],
)
def test_few_of_many_segments_without_gaps_are_called_one(rows: tuple[int, ...], share: float) -> None:
    rng = np.random.default_rng(2)
    told = [
        gaps.segments(groups({str(at): (rng.binomial(n, share), n) for at, n in enumerate(rows)})) for _ in range(40)
    ]
    assert sum(any(one.gap is not None for one in some) for some in told) <= 6  # 5 % of 40 and two standard errors


def test_few_of_many_segments_without_gaps_in_errors_are_called_one() -> None:
    rng = np.random.default_rng(5)

    def whole() -> dict[tuple[str, str], QualityTally]:
        rows = [rng.standard_t(5, n) for n in (20,) * 10 + (2_000,)]
        return {("region", str(at)): numbers(np.zeros(len(one)), one) for at, one in enumerate(rows)}

    told = [gaps.segments(whole()) for _ in range(100)]
    assert sum(any(one.gap is not None for one in some) for some in told) <= 9


@pytest.mark.parametrize(
    ("right", "n", "right_other", "n_other"),
    [
        pytest.param(20, 20, 950, 1000, id="all-right"),
        pytest.param(3, 20, 900, 1000, id="far-worse"),
        pytest.param(19, 20, 49, 60, id="few-rows"),
        pytest.param(0, 30, 1, 30, id="hardly-any"),
    ],
)
def test_shares_of_few_rows_differ_as_fisher_says(right: int, n: int, right_other: int, n_other: int) -> None:
    table = [[right, n - right], [right_other, n_other - right_other]]
    tails = [stats.fisher_exact(table, alternative=side).pvalue for side in ("less", "greater")]
    assert shares_differ(right, n, right_other, n_other) == pytest.approx(min(1.0, 2 * min(tails)))


def test_shares_of_many_rows_differ_as_pearson_says() -> None:
    wanted = stats.chi2_contingency([[140, 60], [330, 70]], correction=False).pvalue
    assert shares_differ(140, 200, 330, 400) == pytest.approx(wanted)


def test_errors_of_numbers_by_segment() -> None:
    rng = np.random.default_rng(4)
    truth = rng.normal(0, 1, 300)
    by = {("region", "a"): numbers(truth, truth + 1.0), ("region", "b"): numbers(truth, truth + rng.normal(0, 3, 300))}
    found = {one.value: one for one in gaps.segments(by)}
    assert found["a"].metric == "mae"
    assert found["a"].estimate == pytest.approx(1.0)
    assert found["b"].gap is not None


def test_fairness_tells_rates_and_the_largest_difference() -> None:
    by = groups({"north": (200, 200), "south": (120, 200), "west": (195, 200)})
    found = {(one.metric, one.value): one for one in gaps.fairness(by, ["region"], "yes")}
    assert found["true_positive_rate", "north"].estimate == 1.0
    assert found["selection_rate", "south"].n == 200
    gap = found["true_positive_rate_difference", "north − south"]
    assert gap.estimate == pytest.approx(0.4)
    assert gap.low > 0.2  # type: ignore[operator]
    assert gap.gap == gap.estimate
    alike = gaps.fairness(groups({"north": (180, 200), "south": (178, 200)}), ["region"], "yes")
    assert [one.gap for one in alike] == [None] * len(alike)
    assert gaps.fairness(by, ["region"], None) == []


def test_classes_are_told_one_by_one() -> None:
    found = {(one.value, one.metric): one for one in gaps.classes(counted(np.tile(TRUTH, 3), np.tile(SCORE, 3)))}
    assert found["yes", "recall"].estimate == pytest.approx(0.8)
    assert found["no", "precision"].n == 15
