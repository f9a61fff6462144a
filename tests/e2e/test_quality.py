"""A saved model, its log, labels: what the monitor's documents say of quality, and the commands."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import cloche
import logged
from cloche.api.workplace import workplace
from cloche.monitoring import shelf
from cloche.monitoring.documents import ModelDocument
from cloche.monitoring.observing import Observer
from cloche.monitoring.parity import Parity
from cloche.monitoring.quality.watch import QualityWatch
from cloche.monitoring.rollups import counting
from cloche.prediction_log.folding import Folder
from cloche.prediction_log.frames import Label, LoggedField
from processes import eventually
from servers import cloche as command

pytestmark = pytest.mark.e2e
NOW = logged.NOON.timestamp() + 3 * 3_600
MINUTE_US = 60_000_000


def rows(rng: np.random.Generator, n: int, shift: float = 0.0) -> tuple[pd.DataFrame, Any]:
    x = rng.normal(shift, 1, (n, 2))
    region = rng.choice(["north", "south"], n)
    chance = 1 / (1 + np.exp(-2 * x[:, 0]))
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "region": region}), (rng.random(n) < chance).astype(int)


@pytest.fixture(scope="module")
def churn(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, LogisticRegression]:
    """A store with version 1 live."""
    folder = tmp_path_factory.mktemp("quality")
    rng = np.random.default_rng(1)
    (x, y), test = rows(rng, 1_500), rows(rng, 1_500)
    model = LogisticRegression().fit(x[["a", "b"]], y)
    cloche.save(model, "churn", inputs=x, targets=y, context=["region"], test=test, store=str(folder))
    return str(folder), model


def answered(model: LogisticRegression, table: pd.DataFrame, *, minutes: int) -> list[Any]:
    """A request a row, over so many minutes from noon on."""
    shares = model.predict_proba(table[["a", "b"]])
    step = minutes * MINUTE_US // len(table)
    return [
        logged.request(
            [list(values)],
            time_us=logged.NOON_US + at * step,
            prediction=[int(share[1] >= 0.5)],
            probabilities=[share.tolist()],
            model="churn",
        )
        for at, (values, share) in enumerate(zip(table.itertuples(index=False), shares, strict=True))
    ]


class Monitored:
    """The monitor by hand: fold, look, read."""

    def __init__(self, store: str) -> None:
        self.here = workplace(store)
        watch = QualityWatch(self.here.registry, clock=lambda: self.now)
        self.now = NOW
        self.observer = Observer(self.here.registry, quality_of=watch, news_of=watch.news, clock=lambda: self.now)
        self.numbers = iter(range(1, 100))
        contract = self.here.registry.contract("churn", 1)
        fields = tuple(LoggedField(one.name, one.type, one.role) for one in contract.fields)
        self.schema = logged.schema("churn", fields=fields, output=contract.output, version=1)

    def land(self, frames: list[Any]) -> None:
        logged.land(self.here.store, [self.schema, *frames], number=next(self.numbers))
        Folder(self.here.store, "me", derive=counting(self.here.registry)).all()

    def document(self, range_: str = "24h") -> ModelDocument:
        self.now += 3_600
        self.observer.look()
        found = shelf.read(self.here.store, "churn", range_)
        assert found is not None
        return found


def told(requests: list[Any], truth: Any) -> list[Any]:
    labels = [Label(int(one), id=request.request_id) for request, one in zip(requests, truth, strict=True)]
    return [logged.labels(*labels, model="churn", time_us=logged.NOON_US + 90 * MINUTE_US)]


def test_a_model_is_judged_before_its_labels_come_and_by_them(churn: tuple[str, LogisticRegression]) -> None:
    store, model = churn
    monitored = Monitored(store)
    table, truth = rows(np.random.default_rng(2), 600)
    requests = answered(model, table, minutes=60)
    monitored.land(requests)
    first = monitored.document()
    accuracy = first.quality[0]
    assert (accuracy.name, accuracy.realised, accuracy.state) == ("accuracy", None, "ok")
    assert accuracy.estimated is not None
    assert accuracy.baseline is not None
    assert [one for one in accuracy.estimated.values if one] == pytest.approx([accuracy.baseline] * 4, abs=0.06)
    assert first.lamps.performance.why.startswith("estimated accuracy")

    monitored.land(told(requests[:300], 1 - truth[:300]))  # the first half is all wrong
    second = monitored.document()
    accuracy = second.quality[0]
    assert (accuracy.n, accuracy.state) == (300, "alarm")
    assert accuracy.value == pytest.approx(1 - accuracy.baseline, abs=0.1)  # type: ignore[operator]
    assert {one.name for one in second.quality} >= {"f1[1]", "roc_auc", "log_loss", "brier", "calibration_error"}
    assert second.lamps.performance.state == "alarm"
    assert {(one.field, one.value) for one in second.segments if one.metric == "accuracy"} == {
        ("region", "north"),
        ("region", "south"),
    }
    assert any(one.metric == "selection_rate_difference" for one in second.segments)
    assert second.calibration
    assert second.concept is not None
    assert second.concept.n == 300
    shares = [one for one in accuracy.labelled if one is not None]
    assert shares == pytest.approx([1.0, 1.0, 0.0, 0.0])

    done = command("quality", "churn", store=store)
    assert done.returncode == 1, done.stderr
    assert "performance: alarm: live accuracy" in done.stdout
    assert "concept drift" not in done.stdout, "it was wrong from the first label on"
    document = json.loads(command("quality", "churn", "--json", store=store).stdout)
    assert [document["name"], document["version"], document["quality"][0]["n"]] == ["churn", 1, 300]
    done = command("quality", "other", store=store)
    assert (done.returncode, "no monitor has looked at 'other' yet" in done.stderr) == (3, True)


def test_logged_answers_are_computed_again_by_the_models_own_library(churn: tuple[str, LogisticRegression]) -> None:
    store, _ = churn
    monitored = Monitored(store)
    parity = Parity(monitored.here.store, 20)
    now = logged.NOON.timestamp() + 3_600
    parity.look("churn", 1, now, asked=True)
    found = eventually(lambda: parity.look("churn", 1, now, asked=True), "the sample is told")
    assert (found.equal, found.different, found.why) == (20, 0, "")
