"""What a model answers, by task, as plain Python values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from cloche.contract.model import Output
from cloche.flavors import get_flavor
from cloche.records import Outputs

X = np.random.default_rng(0).normal(size=(40, 3))
LABELS = np.where(X[:, 0] > 0, "yes", "no")
TWO = np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int)
NAMED = np.column_stack([LABELS, np.where(X[:, 1] > 0, "left", "right")])
FLAVOR = get_flavor("sklearn")


def ask(model: Any, target: Any, **output: Any) -> tuple[str, Outputs]:
    """The task by the facts, and the answers for three rows."""
    fitted = clone(model).fit(X, target)
    found = FLAVOR.facts(fitted)
    made = Output(
        task=found.task, type="string", classes=output.pop("classes", found.classes), probabilities=found.probabilities,
        names=found.output_names, output_classes=found.output_classes, **output,
    )  # type: ignore[arg-type]  # fmt: skip
    return found.task, FLAVOR.predict(fitted, X[:3], made)


def plain(value: Any) -> bool:
    """Nothing of numpy is left."""
    if isinstance(value, dict):
        return all(map(plain, value.values()))
    if isinstance(value, list):
        return all(map(plain, value))
    return type(value) in (str, int, float, bool, type(None))


@pytest.mark.parametrize(
    ("model", "target", "task", "kind"),
    [
        pytest.param(LogisticRegression(), LABELS, "classification", str, id="labels"),
        pytest.param(LogisticRegression(), TWO[:, 0], "classification", int, id="integer-labels"),
        pytest.param(LogisticRegression(), TWO[:, 0] > 0, "classification", bool, id="boolean-labels"),
        pytest.param(LinearRegression(), X[:, 0], "regression", float, id="number"),
        pytest.param(LinearRegression(), X[:, :2], "multioutput_regression", dict, id="numbers"),
        pytest.param(DecisionTreeClassifier(), NAMED, "multioutput_classification", dict, id="several-labels"),
        pytest.param(MultiOutputClassifier(LogisticRegression()), NAMED, "multioutput_classification", dict, id="meta"),
        pytest.param(RandomForestClassifier(3), TWO, "multilabel", list, id="multilabel-forest"),
        pytest.param(OneVsRestClassifier(LogisticRegression()), TWO, "multilabel", list, id="multilabel-one-vs-rest"),
        pytest.param(MLPClassifier((4,), max_iter=5), TWO, "multilabel", list, id="multilabel-mlp"),
        pytest.param(KNeighborsClassifier(), TWO, "multilabel", list, id="multilabel-neighbours"),
        pytest.param(IsolationForest(n_estimators=5), None, "anomaly", str, id="anomaly"),
        pytest.param(KMeans(2, n_init=1), None, "clustering", int, id="cluster"),
        pytest.param(PCA(2), None, "embedding", list, id="embedding"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_task(model: Any, target: Any, task: str, kind: type) -> None:
    found, outputs = ask(model, target)
    assert found == task
    assert len(outputs) == 3
    assert all(type(one) is kind for one in outputs.prediction)
    assert plain(outputs.prediction)
    assert plain(outputs.probabilities)
    assert plain(outputs.score)


def test_several_outputs_go_by_name() -> None:
    _, outputs = ask(DecisionTreeClassifier(), NAMED)
    assert outputs.prediction[0] == dict(zip(("y0", "y1"), NAMED[0].tolist(), strict=True))
    assert outputs.probabilities is not None
    assert set(outputs.probabilities[0]) == {"y0", "y1"}


def test_multilabel_lists_the_labels_that_apply() -> None:
    _, outputs = ask(OneVsRestClassifier(LogisticRegression(C=1e6)), TWO, classes=("warm", "wet"))
    expected = [[name for name, on in zip(("warm", "wet"), row, strict=True) if on] for row in TWO[:3]]
    assert outputs.prediction == expected
    assert outputs.probabilities is not None
    assert len(outputs.probabilities[0]) == 2


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [pytest.param(0.0, "yes", id="always-second"), pytest.param(1.1, "no", id="never-second")],
)
def test_threshold(threshold: float, expected: str) -> None:
    _, outputs = ask(LogisticRegression(), LABELS, threshold=threshold)
    assert outputs.prediction == [expected] * 3


def test_classes_renamed_by_the_owner() -> None:
    _, outputs = ask(LogisticRegression(C=1e6), TWO[:, 0], classes=("cold", "warm"))
    assert outputs.prediction == [("cold", "warm")[one] for one in TWO[:3, 0]]


def test_svc_labels_are_its_own_and_not_the_most_probable() -> None:
    fitted = SVC().fit(X, LABELS)
    output = Output(task="classification", type="string", classes=("no", "yes"))
    assert FLAVOR.predict(fitted, X, output).prediction == fitted.predict(X).tolist()


def test_anomaly_scores_fall_below_zero_where_it_says_outlier() -> None:
    _, outputs = ask(IsolationForest(n_estimators=5, random_state=0), None)
    assert outputs.score is not None
    for label, score in zip(outputs.prediction, outputs.score, strict=True):
        assert label == ("outlier" if score < 0 else "inlier")
