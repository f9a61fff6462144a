"""The metrics against scikit-learn's values, and the intervals against their published examples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from cloche.contract.model import Output
from cloche.evaluation import chances, intervals, metrics, regression_metrics
from cloche.evaluation.chances import calibration_bins
from cloche.evaluation.classification import classification_metrics
from cloche.records import Column, Outputs, Table


def column(name, values):
    array = np.array(values, dtype=object if isinstance(values[0], str) else None)
    return Column(name, "string", array, np.zeros(len(values), dtype=bool), str(array.dtype))


def by_name(found):
    return {metric.name: metric for metric in found}


@pytest.fixture(params=[2, 3, 5], ids=lambda k: f"{k}-classes")
def classified(request):
    rng = np.random.default_rng(request.param)
    classes = [f"c{code}" for code in range(request.param)]
    truth = rng.integers(0, len(classes), 300)
    logits = rng.normal(size=(300, len(classes))) + 1.2 * (truth[:, None] == np.arange(len(classes)))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    chances = np.round(chances, 2)  # ties
    chances /= chances.sum(axis=1, keepdims=True)
    return classes, truth, chances


def test_classification_equals_scikit_learn(classified):
    classes, codes, chances = classified
    truth = [classes[code] for code in codes]
    guess = [classes[code] for code in chances.argmax(axis=1)]
    found = by_name(classification_metrics(truth, guess, classes, chances.tolist()))
    expected = {
        "accuracy": reference.accuracy_score(truth, guess),
        "balanced_accuracy": reference.balanced_accuracy_score(truth, guess),
        "precision_macro": reference.precision_score(truth, guess, average="macro"),
        "recall_macro": reference.recall_score(truth, guess, average="macro"),
        "f1_macro": reference.f1_score(truth, guess, average="macro"),
        "precision_weighted": reference.precision_score(truth, guess, average="weighted"),
        "recall_weighted": reference.recall_score(truth, guess, average="weighted"),
        "f1_weighted": reference.f1_score(truth, guess, average="weighted"),
        "log_loss": reference.log_loss(truth, chances, labels=classes),
        "brier": reference.brier_score_loss(
            truth,
            chances if len(classes) > 2 else chances[:, 1],
            **({"labels": classes} if len(classes) > 2 else {"pos_label": classes[1]}),
        ),
        "f1[c0]": reference.f1_score(truth, guess, labels=["c0"], average=None)[0],
        "precision[c1]": reference.precision_score(truth, guess, labels=["c1"], average=None)[0],
        "recall[c1]": reference.recall_score(truth, guess, labels=["c1"], average=None)[0],
    }
    if len(classes) == 2:
        expected["roc_auc"] = reference.roc_auc_score(codes, chances[:, 1])
    else:
        expected["roc_auc_ovr"] = reference.roc_auc_score(codes, chances, multi_class="ovr")
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, abs=1e-12), name
        low, high = found[name].interval
        assert low < found[name].value < high, name
        assert found[name].split == "test"
    assert found["accuracy"].n == 300


def test_regression_equals_scikit_learn():
    rng = np.random.default_rng(1)
    truth = rng.normal(10, 3, 500)
    guess = truth + rng.normal(0, 1, 500)
    found = by_name(regression_metrics(truth.tolist(), guess.tolist()))
    assert found["mae"].value == pytest.approx(reference.mean_absolute_error(truth, guess))
    assert found["rmse"].value == pytest.approx(reference.root_mean_squared_error(truth, guess))
    assert found["r2"].value == pytest.approx(reference.r2_score(truth, guess))
    assert found["median_absolute_error"].value == pytest.approx(reference.median_absolute_error(truth, guess))
    assert found["mape"].value == pytest.approx(reference.mean_absolute_percentage_error(truth, guess))
    assert found["bias"].value == pytest.approx((guess - truth).mean())
    assert all(one.interval[0] < one.value < one.interval[1] for one in found.values())


def test_a_target_of_zero_has_no_percentage():
    found = by_name(regression_metrics([0.0, 2.0, 4.0], [1.0, 3.0, 4.0]))
    assert (found["mape"].value, found["mape"].n, found["mae"].n) == (pytest.approx(0.25), 2, 3)


def test_rows_without_target_or_finite_answer_are_left_out():
    found = by_name(regression_metrics([1.0, None, 3.0, 4.0], [1.0, 2.0, float("nan"), 5.0]))
    assert found["mae"].n == 2
    assert found["mae"].value == 0.5
    assert regression_metrics([None], [1.0]) == []


def test_a_target_the_model_does_not_know_is_a_wrong_answer():
    chances = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]
    found = by_name(classification_metrics(["a", "b", "z"], ["a", "b", "a"], ["a", "b"], chances))
    assert found["accuracy"].value == pytest.approx(2 / 3)
    assert (found["accuracy"].n, found["log_loss"].n) == (3, 2)


def test_several_outputs_are_measured_one_by_one():
    truth = Table({"a": column("a", [1.0, 2.0, 3.0]), "b": column("b", [0.0, 1.0, 5.0])}, 3, "numpy")
    output = Output(task="multioutput_regression", type="number", names=("a", "b"))
    answers = Outputs([{"a": 1.0, "b": 0.0}, {"a": 2.0, "b": 2.0}, {"a": 3.0, "b": 5.0}])
    found = by_name(metrics(output, answers, truth))
    assert found["mae[a]"].value == 0
    assert found["mae[b]"].value == pytest.approx(1 / 3)


def test_several_labels_are_measured_one_by_one():
    output = Output(
        task="multioutput_classification", type="string", names=("a",), output_classes=(("x", "y"),), probabilities=True
    )
    answers = Outputs([{"a": "x"}, {"a": "y"}], [{"a": [0.9, 0.1]}, {"a": [0.1, 0.9]}])
    found = by_name(metrics(output, answers, Table({"a": column("a", ["x", "x"])}, 2, "numpy")))
    assert found["accuracy[a]"].value == 0.5
    assert "recall[a, x]" in found


def test_tasks_without_a_truth_have_no_metrics():
    assert metrics(Output(task="clustering", type="integer"), Outputs([1]), column("y", [1])) == []


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        pytest.param(81, 263, 0.2553, 0.3662, id="81-of-263"),
        pytest.param(15, 148, 0.0624, 0.1605, id="15-of-148"),
        pytest.param(0, 20, 0.0, 0.1611, id="none-of-20"),
        pytest.param(1, 29, 0.0061, 0.1718, id="1-of-29"),
    ],
)
def test_wilson_as_published(successes, n, low, high):
    assert intervals.wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_a_perfect_auc_has_a_lower_bound_below_one():
    low, high = intervals.of_auc(1.0, 10, 10)
    assert low < 0.95
    assert high == pytest.approx(1.0)


def test_the_bounded_bootstrap_narrows_with_n():
    values = np.random.default_rng(0).normal(size=40_000)
    low, high = intervals.bootstrap(values.size, lambda rows: float(values[rows].mean()))
    exact = intervals.of_mean(values)
    assert (high - low) == pytest.approx(exact[1] - exact[0], rel=0.2)
    assert low < values.mean() < high


@pytest.mark.parametrize("freedom", [1, 2, 4, 5, 9, 30, 1000])
def test_student_as_in_scipy(freedom):
    assert intervals.student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=2e-4)


def test_the_standard_error_of_an_area_is_delongs():
    """Against placements counted pair by pair, as DeLong, DeLong and Clarke-Pearson (1988) define them."""
    rng = np.random.default_rng(3)
    truth = (rng.random(60) < 0.4).astype(float)
    scores = [np.round(truth + rng.normal(0, spread, 60), 1) for spread in (0.8, 1.2)]
    areas, moved = zip(*(chances._area(truth, one) for one in scores), strict=True)
    of_positives, of_negatives = [], []
    for one in scores:
        wins = np.sign(one[truth == 1][:, None] - one[truth == 0]) / 2 + 0.5
        of_positives.append(wins.mean(axis=1))
        of_negatives.append(wins.mean(axis=0))
    covariance = np.cov(of_positives) / truth.sum() + np.cov(of_negatives) / (60 - truth.sum())
    assert areas == pytest.approx([reference.roc_auc_score(truth, one) for one in scores])
    assert intervals.standard_error(moved[0]) == pytest.approx(np.sqrt(covariance[0, 0]))
    apart = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert intervals.standard_error(moved[0] - moved[1]) == pytest.approx(np.sqrt(apart))


def test_one_stratum_is_wilson_and_many_stay_inside():
    one = intervals.of_strata(np.array([81.0]), np.array([263.0]), np.array([1.0]))
    assert one == pytest.approx(intervals.wilson(81, 263))
    low, high = intervals.of_strata(np.array([10.0, 0.0]), np.array([10.0, 10.0]), np.array([0.5, 0.5]))
    assert 0 <= low < 0.5 < high <= 1


def test_the_calibration_error_is_the_weighted_gap_of_the_bins(classified):
    classes, codes, shares = classified
    truth = [classes[code] for code in codes]
    guess = [classes[code] for code in shares.argmax(axis=1)]
    found = by_name(classification_metrics(truth, guess, classes, shares.tolist()))
    bins = calibration_bins((shares.argmax(axis=1) == codes).astype(float), shares.max(axis=1))
    gaps = sum(one["n"] / 300 * abs(one["accuracy"] - one["confidence"]) for one in bins)
    assert found["calibration_error"].value == pytest.approx(gaps)


def test_calibration_bins():
    bins = calibration_bins(np.array([1.0, 0.0, 1.0]), np.array([0.95, 1.0, 0.31]))
    assert [(one["from"], one["n"]) for one in bins] == [(0.3, 1), (0.9, 2)]
    assert bins[1]["accuracy"] == 0.5
