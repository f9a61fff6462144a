"""Documents as a monitor would publish them: of a model in trouble, a number, an attacker, nothing."""

from __future__ import annotations

import math
import random
from typing import Any

from cloche.monitoring.documents import (
    RANGES,
    AlertRow,
    FieldDrift,
    Histogram,
    Lamp,
    Lamps,
    Mark,
    ModelDocument,
    ProblemRow,
    QualityMetric,
    RecentRow,
    Segment,
    Series,
    VersionRow,
)

ATTACK = "<script>document.title='owned'</script>\"'&"
NOW = 1_764_072_000.0  # 25 Nov 2025, 12:00 UTC


def shares(*values: float) -> list[float]:
    whole = sum(values)
    return [value / whole for value in values]


def field(name: str, **facts: Any) -> FieldDrift:
    """A number that is as it was, unless *facts* say otherwise."""
    labels = [f"{low} – {low + 10}" for low in range(0, 100, 10)] + ["(missing)", "(below)", "(above)"]
    return FieldDrift(**{
        "name": name, "type": "number", "state": "ok", "effect": 0.013, "threshold": 0.1, "p": 0.41, "n": 4_812,
        "reference_n": 12_000, "why": "as in the reference: PSI 0.013 beyond chance (matters from 0.1), p 0.41",
        "since": NOW - 86_400, "importance": 0.12, "missing": 0.02, "missing_reference": 0.021, "outside": 0.0008,
        "unseen": None, "measures": {"psi": 0.016, "jensen_shannon": 0.05, "mean": 41.2, "mean_reference": 40.9},
        "trend": [0.01, 0.02, 0.008, 0.013, 0.011, 0.013],
        "histogram": Histogram(
            labels=labels,
            reference=shares(3, 6, 9, 12, 14, 12, 9, 6, 3, 1, 1, 0, 0),
            current=shares(3, 5, 9, 13, 14, 12, 8, 7, 3, 1, 1, 0.2, 0.1),
            edges=[float(edge) for edge in range(0, 101, 10)],
        ),
    } | facts)  # fmt: skip


def level_field(name: str, *levels: str, **facts: Any) -> FieldDrift:
    return field(
        name, type="category", unseen=0.001, outside=None,
        histogram=Histogram(
            labels=[*levels, "(unseen)", "(missing)"],
            reference=shares(*range(1, len(levels) + 1), 0, 0.1), current=shares(*range(len(levels), 0, -1), 0.2, 0.1),
        ), **facts,
    )  # fmt: skip


def document(model: str = "penguins", range_: str = "24h", *, name: str = "Adelie", **facts: Any) -> ModelDocument:
    """A classifier in trouble: a field drifts, an alert fires, a version was promoted; *name* is its first class."""
    seconds, step_s = RANGES[range_]
    count = seconds // step_s
    start = NOW - seconds
    chance = random.Random(7)
    day = [1 + 0.8 * math.sin(step / count * 6.28) for step in range(count)]
    gone = range(count // 3, count // 3 + 4)  # nobody asked

    def over(function: Any) -> list[float | None]:
        return [None if step in gone else function(step) for step in range(count)]

    first = [0.2 + 0.1 * one + chance.random() * 0.02 for one in day]
    second = [0.3 - 0.05 * one for one in day]
    accuracy = [0.94 - 0.08 * (step > count * 0.7) + chance.random() * 0.01 for step in range(count)]
    late = count * 3 // 4
    return ModelDocument(**{
        "model": model, "range": range_, "made": NOW - 6, "start": start, "end": NOW, "step_s": step_s,
        "task": "multiclass", "live": 2, "folded_until": NOW - 20,
        "owner": "Ornithology", "contact": "birds@example.org",
        "runbook": "https://wiki.example.org/penguins",
        "lamps": Lamps(
            service=Lamp(state="ok", since=NOW - 90_000, why="3 of 4,210 requests failed (0.1%)"),
            data=Lamp(state="alarm", since=NOW - 4_000, why="drift: bill_length_mm, island"),
            predictions=Lamp(state="warn", since=NOW - 1_000, why="seen in one window: prediction"),
            performance=Lamp(state="unknown", since=NOW - 90_000, why="no labels yet, and nothing to estimate from"),
        ),
        "traffic": [
            Series(name="2xx", values=[0.0 if step in gone else round(60 * one) for step, one in enumerate(day)]),
            Series(name="4xx", values=[0.0 if step in gone else chance.randrange(4) for step in range(count)]),
            Series(name="5xx", values=[float(step == late) * 3 for step in range(count)]),
        ],
        "latency": [
            Series(name=p, values=over(lambda step, at=at: at * (1 + chance.random()) * (6 if step == late else 1)))
            for p, at in (("p50", 0.6), ("p90", 1.8), ("p95", 3.1), ("p99", 22.0))
        ],
        "uptime": [None] * 5 + [1.0] * (late - 5) + [0.4, 0.0] + [1.0] * (count - late - 2),
        "answers": [
            Series(name=name, values=over(lambda step: first[step])),
            Series(name="Chinstrap", values=over(lambda step: second[step])),
            Series(name="Gentoo", values=over(lambda step: 1 - first[step] - second[step])),
        ],
        "drift": [
            field("flipper_length_mm", importance=0.41),
            field(
                "bill_length_mm", state="drift", effect=0.384, p=1e-9, importance=0.33, since=NOW - 4_000,
                trend=[0.01, 0.0, 0.02, 0.31, 0.36, 0.384], why="PSI 0.384 beyond chance (matters from 0.1), p 1e-09",
                histogram=Histogram(
                    labels=[f"{low} – {low + 10}" for low in range(0, 100, 10)],
                    reference=shares(3, 6, 9, 12, 14, 12, 9, 6, 3, 1), current=shares(1, 2, 4, 6, 9, 13, 15, 13, 9, 5),
                ),
            ),
            level_field("island", "Biscoe", "Dream", "Torgersen", state="drift", effect=0.21, p=2e-5, importance=0.06),
            field("body_mass_g", state="small", effect=0.06, p=0.004, importance=None),
            field("sampled", type="datetime", state="insufficient", effect=None, p=None, n=0, missing=None,
                  missing_reference=None, outside=None, measures={}, trend=[], histogram=None, since=None,
                  why="the reference has 120 rows, 200 are needed", reference_n=120, importance=None),
            field("bill_length_mm × bill_depth_mm", type="pair", state="drift", measure="correlation", effect=0.4,
                  why="correlation 0.25, in the reference -0.15", histogram=None, missing=None, missing_reference=None,
                  outside=None, importance=None, measures={}),
            level_field("prediction", name, "Chinstrap", "Gentoo", state="small", effect=0.12, p=0.01, importance=None),
            field("confidence", importance=None),
        ],
        "quality": [
            QualityMetric(
                name="accuracy", better="higher", baseline=0.965,
                realised=Series(name="accuracy", values=over(lambda step: accuracy[step] if step < count - 6 else None),
                                low=over(lambda step: accuracy[step] - 0.03 if step < count - 6 else None),
                                high=over(lambda step: accuracy[step] + 0.02 if step < count - 6 else None)),
                estimated=Series(name="accuracy", values=over(lambda step: accuracy[step] + 0.015),
                                 low=over(lambda step: accuracy[step] - 0.01),
                                 high=over(lambda step: accuracy[step] + 0.04)),
                covered=0.558, labelled=[0.6] * (count - 10) + [0.2] * 10,
                provisional=[step >= count - 12 for step in range(count)],
            ),
            QualityMetric(name="log_loss", better="lower", baseline=0.11,
                          estimated=Series(name="loss", values=over(lambda step: 0.2 - 0.1 * accuracy[step]))),
            QualityMetric(name="brier", better="lower", baseline=0.05),
        ],
        "segments": [
            Segment(field="island", value="Dream", metric="accuracy", n=812, estimate=0.81, low=0.78, high=0.84,
                    gap=-0.11),
            Segment(field="island", value="Biscoe", metric="accuracy", n=1_140, estimate=0.95, low=0.93, high=0.96),
            Segment(field="class", value=name, metric="recall", n=640, estimate=0.9, low=0.87, high=0.92),
        ],
        "calibration": [
            {"from": low / 10, "n": 40 * low, "confidence": low / 10 + 0.05, "accuracy": low / 10 + 0.02}
            for low in range(4, 10)
        ],
        "alerts": [
            AlertRow(rule="error-rate", expression="error_rate > 1%", phase="ok", value=0.0007, threshold=0.01,
                     since=NOW - 90_000, page="docs/alerts/error-rate.md"),
            AlertRow(rule="data-drift", expression="drift(any)", phase="firing", severity="critical", value=2.0,
                     threshold=1.0, since=NOW - 4_000, why="bill_length_mm, island", page="https://docs.example.org/alerts/drift",
                     deliveries={"webhook": "200", "mail": "refused: no route to host"}),
            AlertRow(rule="share", expression=f"share(prediction='{name}') > 80 % for 1h", phase="pending", value=0.7,
                     threshold=0.8, since=NOW - 60, silenced_until=NOW + 3_600),
            AlertRow(rule="quiet", expression="requests < 1 for 1h", phase="no_data"),
        ],
        "versions": [
            VersionRow(version=3, contract=1, created="2025-11-25T11:00:00.000Z"),
            VersionRow(version=2, contract=1, created="2025-11-24T09:12:00.000Z", routes=["live"],
                       requests=3_800, rows=4_812),
            VersionRow(version=1, contract=1, created="2025-11-20T17:00:00.000Z", requests=410, rows=410),
        ],
        "marks": [
            Mark(at=start + seconds * 0.4, what="promote", version=2, by="ada", why="trained on last week"),
            Mark(at=start + seconds * 0.42, what="default", by="ada"),
        ],
        "problems": [
            ProblemRow(field="island", code="unknown_level", n=61),
            ProblemRow(field="", code="not_an_object", n=3),
        ],
        "recent": [
            RecentRow(request_id=f"06EB6GHQ2Z8M4TJ0V5Y7C1N3P{row}", row=row, at=NOW - 30 - row, version=2,
                      prediction=name, confidence=0.981, latency_ms=0.62)
            for row in range(3)
        ],
    } | facts)  # fmt: skip


def number_document(model: str = "prices", range_: str = "7d") -> ModelDocument:
    """A regression, well, without a test set, alerts or labels."""
    seconds, step_s = RANGES[range_]
    count = seconds // step_s
    middle = [200 + 30 * math.sin(step / 9) for step in range(count)]
    spread = zip(("p10", "p50", "p90"), (-40, 0, 60), strict=True)
    return document(
        model, range_, task="regression", owner=None, contact=None, runbook=None, alerts=[], quality=[], segments=[],
        calibration=[], problems=[], recent=[], marks=[], uptime=[],
        drift=[field("rooms"), field("area")],
        answers=[Series(name=name, values=[one + off for one in middle]) for name, off in spread],
        lamps=Lamps(service=Lamp(state="ok", since=NOW - 9_000, why="0 of 81 requests failed (0.0%)")),
    )  # fmt: skip


def empty_document(model: str = "new", range_: str = "1h") -> ModelDocument:
    """Nothing was asked yet."""
    seconds, step_s = RANGES[range_]
    return ModelDocument(
        model=model, range=range_, made=NOW, start=NOW - seconds, end=NOW, step_s=step_s, task="binary", live=1,
        versions=[VersionRow(version=1, contract=1, created="2025-11-25T11:00:00.000Z", routes=["live"])],
    )  # fmt: skip


def hostile_document(model: str = "hostile") -> ModelDocument:
    """Every text is an attack."""
    return document(
        model, name=ATTACK, task=ATTACK, owner=ATTACK, contact="javascript:alert(1)", runbook="javascript:alert(2)",
        lamps=Lamps(data=Lamp(state="alarm", since=NOW, why=ATTACK)),
        drift=[
            field(ATTACK, type=ATTACK, why=ATTACK, measure=ATTACK, measures={ATTACK: 1.0}),
            level_field("levels", ATTACK, "</script><img src=x onerror=alert(1)>"),
            level_field("prediction", ATTACK, "b"),
        ],
        marks=[Mark(at=NOW - 40_000, what=ATTACK, version=2, by=ATTACK, why=ATTACK)],
        problems=[ProblemRow(field=ATTACK, code=ATTACK, n=3)],
        segments=[Segment(field=ATTACK, value=ATTACK, metric=ATTACK, n=3, estimate=0.5)],
        alerts=[AlertRow(rule=ATTACK, expression=ATTACK, phase="firing", severity=ATTACK, why=ATTACK,
                         page="javascript:alert(3)", deliveries={ATTACK: ATTACK})],
        recent=[RecentRow(request_id=ATTACK, row=0, at=NOW, version=1, prediction=ATTACK)],
        versions=[VersionRow(version=2, contract=1, created=ATTACK, routes=[ATTACK], requests=1, rows=1)],
    )  # fmt: skip
