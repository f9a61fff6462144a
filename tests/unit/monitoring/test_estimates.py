"""Quality before labels: published values, and shifts of the inputs that the estimate has to follow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cloche.contract.model import Output
from cloche.monitoring.quality.estimating import estimated, of_two
from cloche.monitoring.reference import Bent, Estimation, Reference
from cloche.monitoring.rollups.expected import expected
from cloche.monitoring.tallies import FieldTally, OutputTally
from cloche.records import Outputs
from cloche.saving import reference as saved
from cloche.saving.estimation import estimation

TWO = Output(task="classification", type="string", classes=("no", "yes"), probabilities=True)
NUMBER = Output(task="regression", type="number")


def table(shares: Any, cut: float = 0.5) -> pa.Table:
    """Answers of the log."""
    said = ["yes" if one >= cut else "no" for one in shares]
    return pa.table({"prediction": said, "probabilities": [[1 - one, one] for one in shares]})


def sums(shares: Any, known: Estimation) -> dict[str, float]:
    found = expected(table(shares), known, np.zeros(len(shares), dtype=np.int64), 1)
    assert found is not None
    return found[0]


def learnt(shares: Any, truth: Any) -> Estimation:
    """What saving writes down, as monitoring reads it."""
    outputs = Outputs(["yes" if one >= 0.5 else "no" for one in shares], [[1 - one, one] for one in shares])
    found = estimation(TWO, outputs, ["yes" if one else "no" for one in truth], None)
    raw = saved.to_json({}, estimation=found)
    known = Reference.of(raw).estimation
    assert known is not None
    return known


def test_the_estimates_of_calibrated_probabilities_are_nannymls() -> None:
    """NannyML's functions on these ten probabilities, cut at 0.5: accuracy, precision, recall, F1 0.79, area 0.862."""
    exact = Estimation(of="probability", n=(1,), classes=("no", "yes"))
    shares = [0.95, 0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1, 0.05]
    found = {one.name: one.value for one in of_two(sums(shares, exact), ("no", "yes"))}
    for name in ("accuracy", "precision[yes]", "recall[yes]", "f1[yes]"):
        assert found[name] == pytest.approx(0.79), name
    assert found["roc_auc"] == pytest.approx(0.862)
    entropy = -np.mean([p * np.log(p) + (1 - p) * np.log(1 - p) for p in shares])
    assert found["log_loss"] == pytest.approx(entropy)
    assert found["brier"] == pytest.approx(np.mean([p * (1 - p) for p in shares]))


def world(rng: np.random.Generator, n: int, mean: float) -> tuple[Any, Any]:
    """Probabilities that are too sure of themselves, and truths; the rows' mean says how hard they are."""
    x = rng.normal(mean, 1.0, n)
    chance = 1 / (1 + np.exp(-1.2 * x))
    shares = 1 / (1 + np.exp(-2.2 * x))
    return shares, rng.random(n) < chance


@pytest.mark.parametrize("mean", [-1.0, 0.0, 0.5, 1.5])
def test_the_estimate_follows_a_shift_of_the_inputs(mean: float) -> None:
    rng = np.random.default_rng(3)
    known = learnt(*world(rng, 20_000, 0.0))
    shares, truth = world(rng, 20_000, mean)
    found = {one.name: one for one in of_two(sums(shares, known), ("no", "yes"))}
    said = shares >= 0.5
    realised = {
        "accuracy": (said == truth).mean(),
        "precision[yes]": truth[said].mean(),
        "recall[yes]": said[truth].mean(),
        "brier": ((shares - truth) ** 2).mean(),
        "log_loss": -np.log(np.where(truth, shares, 1 - shares)).mean(),
        "roc_auc": _area(shares, truth),
    }
    for name, value in realised.items():
        # A log loss hangs on the few rows of which the model was sure and wrong.
        assert found[name].value == pytest.approx(value, abs=0.03 if name == "log_loss" else 0.015), name
    overconfident = np.maximum(shares, 1 - shares).mean()
    assert abs(overconfident - realised["accuracy"]) > abs(found["accuracy"].value - realised["accuracy"])


def _area(shares: Any, truth: Any) -> float:
    order = np.argsort(shares)
    ranks = np.empty(len(shares))
    ranks[order] = np.arange(1, len(shares) + 1)
    m = truth.sum()
    return float((ranks[truth].sum() - m * (m + 1) / 2) / (m * (len(truth) - m)))


THREE = ("a", "b", "c")


def several(rng: np.random.Generator, n: int, mean: float) -> tuple[Any, Any]:
    """Probabilities of three classes that are too sure of themselves, and truths; "c" is rare, the mean says how."""
    x = rng.normal(mean, 1, (n, 2))
    logits = np.stack([x[:, 0], x[:, 1], x[:, 0] - x[:, 1] - 1.5], axis=1)
    chance, shares = _softmax(logits), _softmax(1.7 * logits)
    return shares, (rng.random((n, 1)) > np.cumsum(chance, axis=1)).sum(axis=1)


def _softmax(logits: Any) -> Any:
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def answers_of(shares: Any, classes: Any = THREE) -> pa.Table:
    said = [classes[at] for at in shares.argmax(axis=1)]
    return pa.table({"prediction": said, "probabilities": shares.tolist()})


def several_learnt(shares: Any, of: Any, classes: Any = THREE) -> Estimation:
    output = Output(task="classification", type="string", classes=classes, probabilities=True)
    said = [classes[at] for at in shares.argmax(axis=1)]
    found = estimation(output, Outputs(said, shares.tolist()), [classes[at] for at in of], None)
    known = Reference.of(saved.to_json({}, estimation=found)).estimation
    assert known is not None
    return known


def several_estimated(shares: Any, known: Estimation, classes: Any = THREE) -> dict[str, float]:
    told = expected(answers_of(shares, classes), known, np.zeros(len(shares), dtype=np.int64), 1)
    assert told is not None
    return {one.name: one.value for one in estimated(OutputTally(sums=told[0]), known)}


def test_of_calibrated_probabilities_the_expected_confusion_follows_exactly() -> None:
    shares = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
    known = Estimation(of="confidence", n=(1,), classes=THREE, each=(Bent(), Bent(), Bent()))
    told = expected(answers_of(shares), known, np.zeros(4, dtype=np.int64), 1)
    assert told is not None
    counts = np.array([[told[0][f"m{said}.{of}"] for said in range(3)] for of in range(3)])
    assert counts == pytest.approx(np.array([[1.2, 0.1, 0.2], [0.5, 0.8, 0.2], [0.3, 0.1, 0.6]]))
    found = several_estimated(shares, known)
    assert found["accuracy"] == pytest.approx(2.6 / 4)
    assert found["balanced_accuracy"] == pytest.approx((1.2 / 1.5 + 0.8 / 1.5 + 0.6 / 1.0) / 3)
    assert found["log_loss"] == pytest.approx(-(shares * np.log(shares)).sum() / 4)
    assert found["brier"] == pytest.approx((1 - (shares**2).sum(axis=1)).mean())


@pytest.mark.parametrize("mean", [-0.7, 0.0, 0.7, 1.4])
def test_of_several_classes_the_estimates_follow_a_shift_of_the_inputs(mean: float) -> None:
    rng = np.random.default_rng(5)
    known = several_learnt(*several(rng, 20_000, 0.0))
    shares, of = several(rng, 20_000, mean)
    found = several_estimated(shares, known)
    said = shares.argmax(axis=1)
    recalls = [(said[of == one] == one).mean() for one in range(3)]
    precisions = [(of[said == one] == one).mean() for one in range(3)]
    realised = {
        "accuracy": (said == of).mean(),
        "balanced_accuracy": np.mean(recalls),
        "precision_macro": np.mean(precisions),
        "recall_macro": np.mean(recalls),
        "f1_macro": np.mean([2 * p * r / (p + r) for p, r in zip(precisions, recalls, strict=True)]),
        "log_loss": -np.log(shares[np.arange(len(of)), of]).mean(),
        "brier": ((shares - (of[:, None] == np.arange(3))) ** 2).sum(axis=1).mean(),
    }
    assert found.keys() == realised.keys()
    for name, value in realised.items():
        assert found[name] == pytest.approx(value, abs=0.03), name


def test_of_many_classes_the_accuracy_alone_is_estimated() -> None:
    rng = np.random.default_rng(5)
    classes = tuple("abcdefghijklmn")
    shares = rng.dirichlet(np.full(14, 0.2), 4_000)
    of = np.array([rng.choice(14, p=row) for row in shares])
    found = several_estimated(shares, several_learnt(shares, of, classes), classes)
    assert found == {"accuracy": pytest.approx((shares.argmax(axis=1) == of).mean(), abs=0.02)}


def test_a_version_that_was_saved_before_gets_its_accuracy_as_before() -> None:
    shares = np.array([[0.7, 0.2, 0.1]] * 20)
    known = Estimation(of="confidence", n=(1,))
    assert several_estimated(shares, known) == {"accuracy": pytest.approx(0.7)}


def prices(rng: np.random.Generator, n: int, mean: float) -> tuple[Any, Any]:
    """Errors that grow with the answer."""
    answer = rng.normal(mean, 20.0, n)
    return answer, answer + rng.normal(0, 1, n) * np.abs(answer) / 10


@pytest.mark.parametrize("mean", [80.0, 100.0, 120.0])
def test_the_estimated_error_follows_what_the_answers_show(mean: float) -> None:
    rng = np.random.default_rng(7)
    answer, truth = prices(rng, 10_000, 100.0)
    outputs = Outputs(answer.tolist())
    told = saved.predictions(NUMBER, outputs)
    found = estimation(NUMBER, outputs, truth.tolist(), told)
    known = Reference.of(saved.to_json({}, told, estimation=found))
    now, then = prices(rng, 10_000, mean)
    assert known.number is not None
    edges = np.array(known.number.edges)
    counts = np.bincount(np.clip(np.searchsorted(edges, now, side="right") - 1, 0, 19), minlength=20)
    tally = OutputTally(number=FieldTally(counts=counts.tolist()))
    estimates = {one.name: one for one in estimated(tally, known.estimation)}
    mae, rmse = np.abs(now - then).mean(), np.sqrt(((now - then) ** 2).mean())
    assert estimates["mae"].value == pytest.approx(mae, rel=0.06)
    assert estimates["rmse"].value == pytest.approx(rmse, rel=0.08)
    before = np.abs(answer - truth).mean()
    assert mean == 100.0 or abs(estimates["mae"].value - mae) < abs(before - mae) / 2


@pytest.mark.parametrize(
    ("output", "outputs", "truth"),
    [
        pytest.param(TWO, Outputs(["no"] * 99, [[0.9, 0.1]] * 99), ["no"] * 99, id="few-rows"),
        pytest.param(TWO, Outputs(["no"] * 200), ["no"] * 200, id="no-probabilities"),
        pytest.param(Output(task="clustering", type="integer"), Outputs([0] * 200), [0] * 200, id="another-task"),
    ],
)
def test_where_nothing_can_be_estimated(output: Output, outputs: Outputs, truth: list[Any]) -> None:
    assert estimation(output, outputs, truth, saved.predictions(output, outputs)) is None
    assert estimated(OutputTally(sums={"n": 3.0, "c": 1.0}), None) == []


def test_sums_merge_over_groups() -> None:
    rng = np.random.default_rng(9)
    known = learnt(*world(rng, 2_000, 0.0))
    shares, _ = world(rng, 600, 0.3)
    apart = expected(table(shares), known, rng.integers(0, 3, 600), 3)
    assert apart is not None
    whole = OutputTally(sums=apart[0]).plus(OutputTally(sums=apart[1])).plus(OutputTally(sums=apart[2]))
    assert whole.sums == pytest.approx(sums(shares, known))
