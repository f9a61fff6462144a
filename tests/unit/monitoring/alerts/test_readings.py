"""What each measure reads, and that three tables speak of the same ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from cloche.monitoring.alerts import grammar
from cloche.monitoring.alerts.export.promql import QUERIES
from cloche.monitoring.alerts.facts import Facts, Window
from cloche.monitoring.alerts.reading import defaults
from cloche.monitoring.alerts.readings import OTHERS, WINDOWED, read
from cloche.monitoring.alerts.rules import Rule
from cloche.monitoring.alerts.vocabulary import MEASURES
from cloche.monitoring.documents import FieldDrift, Lamp, Lamps, QualityMetric, Series
from cloche.monitoring.reference import FieldReference, Reference
from cloche.monitoring.tallies import FieldTally, OutputTally, Tally, bucket_of

NOW = 1_000_000.0
REFERENCE = Reference(
    fields={"age": FieldReference("age", "number", "input", 100, edges=(0.0, 50.0, 100.0), counts=(50, 50), mean=40.0)},
    classes=FieldReference("prediction", "category", "output", 50, levels=("ham", "spam"), counts=(25, 25)),
    confidence=FieldReference("confidence", "number", "output", 50, edges=(0.5, 1.0), counts=(50,), mean=0.7),
)
AGE = FieldTally(n=100, missing=10, below=1, above=4, unseen=2, finite=90, total=180.0, squares=1.0, counts=[40, 50])
LIVE = Tally(
    requests=100,
    rows=100,
    fields={"age": AGE},
    output=OutputTally(
        rows=100,
        classes={"spam": 80, "ham": 20},
        confidence=FieldTally(n=100, finite=100, total=-20.0, counts=[100]),
    ),
)
SERVED = Tally(
    requests=200, rows=100, status={"200": 150, "400": 30, "500": 15, "503": 5},
    latency={bucket_of(10.0): 190, bucket_of(900.0): 10},
)  # fmt: skip
DRIFT = (
    FieldDrift(name="age", type="number", state="drift", effect=0.4, threshold=0.1),
    FieldDrift(name="mass", type="number", state="ok", effect=0.01),
    FieldDrift(name="age × mass", type="pair", state="drift", measure="correlation", effect=0.9),
    FieldDrift(name="tail", type="number", state="insufficient", why="no full window yet"),
    FieldDrift(name="prediction", type="category", state="small", effect=0.05),
)
QUALITY = (
    QualityMetric(
        name="accuracy", better="higher", baseline=0.95,
        realised=Series(name="accuracy", values=[0.9, 0.8, 0.1, None]),
        estimated=Series(name="accuracy", values=[0.9, 0.85]),
        provisional=[False, False, True, True],
    ),
)  # fmt: skip
FACTS = Facts(
    model="penguins", now=NOW, live=3, reference=REFERENCE, drift=DRIFT, quality=QUALITY,
    lamps=Lamps(service=Lamp(state="warn", why="1 % failed")),
    window=lambda _over_s: Window(SERVED, LIVE),
    last_request=lambda: NOW - 600.0, ready=lambda: False, log_waiting_s=lambda: 42.0,
)  # fmt: skip


def test_the_tables_speak_of_the_same_measures() -> None:
    assert WINDOWED.keys() | OTHERS.keys() == MEASURES.keys() == QUERIES.keys()
    assert not WINDOWED.keys() & OTHERS.keys()


@pytest.mark.parametrize(
    ("when", "value", "why"),
    [
        pytest.param("error_rate > 0", 0.1, "20 of 200 requests failed", id="error-rate"),
        pytest.param("refused_share > 0", 0.15, "30 of 200 requests were refused", id="refused"),
        pytest.param("latency_p50 > 0", pytest.approx(10.0, rel=0.01), "of 200 requests", id="p50"),
        pytest.param("latency_p99 > 0", pytest.approx(900.0, rel=0.01), "of 200 requests", id="p99"),
        pytest.param("requests > 0", 200.0, "in 5m", id="requests"),
        pytest.param("request_rate > 0", pytest.approx(200 / 300), "200 in 5m", id="rate"),
        pytest.param("no_traffic", 1.0, "the last request was 10m ago", id="no-traffic"),
        pytest.param("ready", 0.0, "no host serves it", id="ready"),
        pytest.param("log_waiting_s > 0", 42.0, "the oldest record of a host", id="log-waiting"),
        pytest.param("share(prediction='spam') > 0", 0.8, "80 of 100 answers", id="share"),
        pytest.param("share(prediction=spma) > 0", None, "no class 'spma'; did you mean 'spam'?", id="no-such-class"),
        pytest.param("mean(age) > 0", 42.0, "of 90 values", id="mean-of-a-field"),
        pytest.param("mean(confidence) > 0", pytest.approx(0.5), "of 100 values", id="mean-of-confidence"),
        pytest.param("mean(prediction) > 0", None, "no numbers are counted for 'prediction'", id="mean-of-classes"),
        pytest.param("missing(age) > 0", 0.1, "10 of 100 values are missing", id="missing"),
        pytest.param("unseen(age) > 0", 0.02, "2 of 100 values were not seen in training", id="unseen"),
        pytest.param("outside(age) > 0", 0.05, "5 of 100 values are outside", id="outside"),
        pytest.param("missing(aeg) > 0", None, "no.* field 'aeg'; did you mean 'age'?", id="no-such-field"),
        pytest.param("drift(age)", 1.0, "age", id="drift"),
        pytest.param("drift(mass)", 0.0, "1 as in the reference", id="no-drift"),
        pytest.param("drift(any)", 1.0, "age, age × mass", id="drift-of-any-input"),
        pytest.param("drift(prediction)", 0.0, "1 as in the reference", id="drift-of-the-answers"),
        pytest.param("drift(tail)", None, "no full window yet", id="no-verdict"),
        pytest.param("drift(masss)", None, "no verdict on a field 'masss'; did you mean 'mass'?", id="drift-no-field"),
        pytest.param("effect(any) > 0", 0.4, "age", id="effect"),
        pytest.param("quality(accuracy) < 1", 0.8, "when it was saved 0.95", id="quality-not-provisional"),
        pytest.param("estimated(accuracy) < 1", 0.85, "when it was saved 0.95", id="estimated"),
        pytest.param("quality(acuracy) < 1", None, "no metric 'acuracy'; did you mean 'accuracy'?", id="no-metric"),
        pytest.param("lamp(service) >= warn", 1.0, "1 % failed", id="lamp"),
        pytest.param("lamp(data) >= warn", None, "nothing measured yet", id="unknown-lamp"),
    ],
)
def test_readings(when: str, value: Any, why: str) -> None:
    found, said = read(Rule("x", grammar.parse(when)), FACTS)
    assert found == value
    assert re.search(why, said), said


@pytest.mark.parametrize(
    ("when", "changes", "why"),
    [
        pytest.param("error_rate > 1%", {"window": lambda _: Window(Tally(requests=19), Tally())},
                     "19 requests in 5m, 20 are needed", id="few-requests"),
        pytest.param("missing(age) > 1%", {"window": lambda _: Window(SERVED, Tally(rows=3))},
                     "3 rows in 5m, 20 are needed", id="few-rows"),
        pytest.param("no_traffic", {"last_request": lambda: None},
                     "it was not asked in the last week", id="never-asked"),
        pytest.param("not ready", {"ready": lambda: None}, "no host has served it", id="no-host"),
        pytest.param("log_waiting_s > 1", {"log_waiting_s": lambda: None}, "no host has told it", id="no-report"),
        pytest.param("quality(accuracy) < 1", {"quality": ()}, "no labels yet", id="no-labels"),
        pytest.param("drift(any)", {"drift": ()}, "no verdict yet", id="no-windows"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_no_value(when: str, changes: dict[str, Callable[..., Any]], why: str) -> None:
    facts = Facts(**{name: changes.get(name, getattr(FACTS, name)) for name in FACTS.__dataclass_fields__})
    assert read(Rule("x", grammar.parse(when)), facts) == (None, why)


def test_a_count_needs_no_minimum() -> None:
    facts = Facts("penguins", NOW, window=lambda _over_s: Window(Tally(), Tally()))
    assert read(Rule("x", grammar.parse("requests < 5")), facts) == (0.0, "in 5m")


@pytest.mark.parametrize(
    ("failed", "requests", "reading"),
    [
        pytest.param(1, 20, "missing", id="one-of-few-is-an-accident"),
        pytest.param(2, 199, "missing", id="two"),
        pytest.param(3, 20, "over", id="three-of-few-would-be-too-many-of-200"),
        pytest.param(0, 20, "missing", id="few"),
        pytest.param(2, 200, "under", id="one-percent"),
        pytest.param(3, 200, "over", id="more"),
        pytest.param(20, 20, "over", id="all"),
    ],
)
def test_the_default_of_errors_does_not_cry_at_one_failure(failed: int, requests: int, reading: str) -> None:
    rule = next(one for one in defaults().rules if one.name == "error-rate")
    served = Tally(requests=requests, status={"200": requests - failed, "503": failed})
    facts = Facts("penguins", NOW, window=lambda _over_s: Window(served, Tally()))
    assert rule.reading(read(rule, facts)[0]) == reading


def test_the_default_of_latency_does_not_cry_at_one_slow_request() -> None:
    rule = next(one for one in defaults().rules if one.name == "latency")

    def reading(slow: int, fast: int) -> str:
        served = Tally(requests=slow + fast, latency={bucket_of(5_000.0): slow, bucket_of(5.0): fast})
        return rule.reading(read(rule, Facts("p", NOW, window=lambda _over_s: Window(served, Tally())))[0])

    assert (reading(1, 30), reading(2, 198), reading(4, 196)) == ("missing", "under", "over")
