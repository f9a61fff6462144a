"""What is counted of a request, and under which labels."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cloche.metrics import MetricsSlot, Samples, read_slot
from cloche.web.measured import RequestMetrics
from simulators import FakeEngine, deployment, deployments


def record(**facts: Any) -> dict[str, Any]:
    return {
        "request_id": "r", "method": "POST", "path": "/predict", "status": 200, "ms": 4.0, "bytes_out": 100,
    } | facts  # fmt: skip


def counted(*records: dict[str, Any]) -> Samples:
    slot = MetricsSlot()
    metrics = RequestMetrics(slot)
    for one in records:
        metrics.record(one)
    return read_slot(slot.snapshot())


def test_a_prediction_is_counted_whole() -> None:
    found = counted(record(model="penguins", version=3, contract=1, rows=20, bytes_in=50))
    assert found["cloche_requests_total"] == {("predict", "penguins", "3", "1", "200"): [1.0]}
    assert found["cloche_rows_total"] == {("penguins", "3", ""): [20.0]}
    assert found["cloche_body_bytes_total"] == {("in",): [50.0], ("out",): [100.0]}
    seconds = found["cloche_request_seconds"]["predict", "penguins", "3"]
    assert (sum(seconds[:-1]), seconds[-1]) == (1.0, pytest.approx(0.004))
    assert "cloche_predictions_refused_total" not in found


@pytest.mark.parametrize(
    ("facts", "labels"),
    [
        pytest.param({"status": 401, "error": "Unauthorized"}, ("", "", "Unauthorized"), id="before-a-model"),
        pytest.param(
            {"status": 400, "error": "InvalidInput", "model": "m", "version": 2, "contract": 1},
            ("m", "2", "InvalidInput"),
            id="at-the-contract",
        ),
        pytest.param({"status": 499}, ("", "", "none"), id="the-caller-left"),
    ],
)
def test_a_refusal_is_counted_by_its_name(facts: dict[str, Any], labels: tuple[str, ...]) -> None:
    found = counted(record(**facts))
    assert found["cloche_predictions_refused_total"] == {labels: [1.0]}
    assert "cloche_rows_total" not in found


@pytest.mark.parametrize(
    ("path", "route"),
    [
        pytest.param("/predict", "predict", id="predict"),
        pytest.param("/models/anything-a-caller-wrote/predict", "predict", id="a-name-of-the-callers"),
        pytest.param("/ready", "ready", id="ready"),
        pytest.param("/wp-login.php", "none", id="nowhere"),
        pytest.param("?", "none", id="no-head"),
    ],
)
def test_no_label_is_what_a_caller_sent(path: str, route: str) -> None:
    found = counted(record(path=path, status=404, error="NotFound"))
    assert found["cloche_requests_total"] == {(route, "", "", "", "404"): [1.0]}


def test_the_hook_counts_and_writes() -> None:
    slot, written = MetricsSlot(), []
    RequestMetrics(slot).counting(written.append)(record())
    assert written == [record()]
    assert read_slot(slot.snapshot())["cloche_requests_total"]


def test_queues_and_replaced_engines_are_sampled() -> None:
    async def run() -> list[Samples]:
        slot, engine, found = MetricsSlot(), FakeEngine(), []
        metrics, table = RequestMetrics(slot), deployments(one := deployment(engine))
        engine.block = asyncio.Event()
        asking = asyncio.create_task(one.lane.infer({"x": [1.0, 2.0], "colour": ["red", "red"]}, 2, 5.0))
        await asyncio.sleep(0)
        with table.use("colours"):
            metrics.sample(table)
        found.append(read_slot(slot.snapshot()))
        engine.block.set()
        await asking
        one.lane.restarts += 2
        for _ in range(2):
            metrics.sample(table)
        found.append(read_slot(slot.snapshot()))
        await one.close()
        metrics.sample(deployments())
        return [*found, read_slot(slot.snapshot())]

    busy, after, gone = asyncio.run(run())
    assert (busy["cloche_in_flight"], busy["cloche_queue_rows"]) == ({(): [1.0]}, {("colours", "1"): [2.0]})
    assert (after["cloche_in_flight"], after["cloche_queue_rows"]) == ({(): [0.0]}, {("colours", "1"): [0.0]})
    assert after["cloche_engine_restarts_total"] == {("colours", "1"): [2.0]}
    assert gone["cloche_queue_rows"] == {("colours", "1"): [0.0]}
