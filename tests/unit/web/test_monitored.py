"""The monitor's documents as metrics."""

from __future__ import annotations

from typing import Any

import pytest

from cloche.metrics import exposition
from cloche.monitoring.documents import AlertRow, FieldDrift, Lamp, Lamps, ModelDocument, QualityMetric, Series
from cloche.web.management.monitored import samples_of

NOW = 1_800_000_000.0


def document(**more: Any) -> ModelDocument:
    return ModelDocument(
        model="penguins", range="1h", made=NOW - 7, start=0, end=NOW, step_s=60, task="classification", **more
    )


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        pytest.param({}, ['cloche_monitor_age_seconds{model="penguins"} 7'], id="age"),
        pytest.param(
            {"lamps": Lamps(service=Lamp(state="ok"), data=Lamp(state="alarm"), predictions=Lamp(state="warn"))},
            [
                'cloche_model_lamp{model="penguins",lamp="data"} 2',
                'cloche_model_lamp{model="penguins",lamp="performance"} -1',
                'cloche_model_lamp{model="penguins",lamp="predictions"} 1',
                'cloche_model_lamp{model="penguins",lamp="service"} 0',
            ],
            id="lamps",
        ),
        pytest.param(
            {"drift": [FieldDrift(name='a "b"', type="number", state="drift", effect=0.25),
                       FieldDrift(name="c", type="number", state="insufficient")]},
            [
                'cloche_drift_state{model="penguins",field="a \\"b\\""} 2',
                'cloche_drift_state{model="penguins",field="c"} -1',
                'cloche_drift_effect{model="penguins",field="a \\"b\\""} 0.25',
            ],
            id="drift",
        ),
        pytest.param(
            {"quality": [QualityMetric(name="f1", better="higher", baseline=0.9, provisional=[False, True],
                                       realised=Series(name="f1", values=[0.8, 0.1]),
                                       estimated=Series(name="f1", values=[0.7, None]))]},
            [
                'cloche_quality{model="penguins",metric="f1",kind="baseline"} 0.9',
                'cloche_quality{model="penguins",metric="f1",kind="estimated"} 0.7',
                'cloche_quality{model="penguins",metric="f1",kind="realised"} 0.8',
            ],
            id="quality-without-what-is-provisional",
        ),
        pytest.param(
            {"alerts": [AlertRow(rule="x", expression="ready", phase="firing", severity="critical", value=0.5,
                                 deliveries={"a": "200", "b": "failed: 503", "c": "given up: 500"})]},
            [
                'cloche_alert_phase{model="penguins",rule="x",severity="critical"} 2',
                'cloche_alert_value{model="penguins",rule="x"} 0.5',
                'cloche_alert_delivery_failing{model="penguins",rule="x",sink="a"} 0',
                'cloche_alert_delivery_failing{model="penguins",rule="x",sink="b"} 1',
                'cloche_alert_delivery_failing{model="penguins",rule="x",sink="c"} 1',
            ],
            id="alerts",
        ),
    ],
)  # fmt: skip
def test_documents_as_metrics(given: dict[str, Any], lines: list[str]) -> None:
    text = exposition(samples_of([document(**given)], NOW)).decode()
    assert [line for line in text.splitlines() if line in lines] == lines
