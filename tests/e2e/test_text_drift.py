"""A saved model that reads texts, its log, and what the monitor's document says when people write of something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import cloche
import logged
from cloche.api.workplace import workplace
from cloche.dashboard.panels.drift import drift
from cloche.monitoring import shelf
from cloche.monitoring.observing import Observer
from cloche.monitoring.rollups import counting
from cloche.prediction_log.folding import Folder
from cloche.prediction_log.frames import LoggedField
from cloche.web.management.monitored import samples_of
from servers import cloche as command

pytestmark = pytest.mark.e2e
PARCELS = "the parcel came late again and its box was wet open torn or lost on the way".split()
CARDS = "my card was charged twice today for one bill and no refund has come so far".split()


def texts(rng: np.random.Generator, n: int, words: list[str] = PARCELS) -> pd.Series:
    return pd.Series([" ".join(rng.choice(words, 12)) for _ in range(n)], name="text")


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with a classifier of complaints."""
    folder, rng = str(tmp_path_factory.mktemp("complaints")), np.random.default_rng(2)
    given = texts(rng, 600)
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(given, given.str.contains("lost"))
    cloche.save(model, "complaints", inputs=given, store=folder, quiet=True)
    return folder


def reference(store: str, version: int) -> dict[str, Any]:
    registry = workplace(store).registry
    entry = registry.manifest_of(registry.record("complaints", version)).files["reference.json"]
    found: dict[str, Any] = json.loads(registry.store.get(f"blobs/sha256/{entry.sha256[:2]}/{entry.sha256}"))
    return found["inputs"]["text"]


def test_a_saved_reference_holds_features_and_no_text(complaints: str) -> None:
    found = reference(complaints, 1)
    assert found["sample"]["features"] == {"kind": "words", "width": 128}
    assert not any(word in json.dumps(found) for word in ("parcel", "torn"))


def test_another_topic_of_the_same_length_is_drift(complaints: str) -> None:
    here, rng = workplace(complaints), np.random.default_rng(3)
    contract = here.registry.contract("complaints", 1)
    fields = tuple(LoggedField(one.name, one.type, one.role) for one in contract.fields)
    frames: list[Any] = [logged.schema("complaints", fields=fields, output=contract.output, version=1)]
    for minute in range(200):
        words = PARCELS if minute < 61 else CARDS
        rows = [(text,) for text in texts(rng, 10, words)]
        at = logged.NOON_US + minute * 60_000_000
        frames.append(logged.request(rows, time_us=at, prediction=[False] * 10, model="complaints"))
    logged.land(here.store, frames)
    Folder(here.store, "me", derive=counting(here.registry)).all()
    now = logged.NOON.timestamp() + 4 * 3_600
    Observer(here.registry, clock=lambda: now).look()
    document = shelf.read(here.store, "complaints", "6h")
    assert document is not None
    (text,) = (one for one in document.drift if one.name == "text")
    area = text.measures["classifier_auc"]
    assert area is not None
    assert (text.state, text.measure) == ("drift", "classifier")
    assert (text.trend[0] or 0.0) < 0.1 < (text.trend[-1] or 0.0), "the first window was as before"
    assert area > 0.9
    assert document.lamps.data.state == "alarm"
    told = samples_of([document], now)
    assert told["cloche_drift_classifier_auc"][("complaints", "text")] == [area]
    assert told["cloche_drift_effect"][("complaints", "text")] == [text.effect]
    assert "PSI by classifier" in str(drift(document, None))


def test_the_report_tells_it(complaints: str, tmp_path: Path) -> None:
    done = command("report", "complaints", "--range", "6h", "-o", str(tmp_path / "report.html"), store=complaints)
    assert done.returncode == 0, done.stderr
    assert "Domain classifier, AUC" in (tmp_path / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    "rule", [("--set", "text.private=true"), ("--log-inputs", "none")], ids=["private", "unlogged"]
)
def test_a_field_that_is_no_longer_logged_takes_its_sample_along(complaints: str, rule: tuple[str, str]) -> None:
    done = command("contract", "complaints@1", *rule, "--json", store=complaints)
    assert done.returncode == 0, done.stderr
    assert "sample" in reference(complaints, 1)
    assert "sample" not in reference(complaints, json.loads(done.stdout)["version"])
