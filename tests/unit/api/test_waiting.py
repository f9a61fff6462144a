"""What a host's report says about a promotion: a table."""

from __future__ import annotations

from typing import Any

import pytest

from cloche.api.waiting import Goal, judge
from cloche.registry.reports import AgentReport, ModelReport

GOAL = Goal("m", contract=1, version=2, event=5)


def report(*models: ModelReport, ended: bool = False) -> AgentReport:
    return AgentReport(
        host="a", machine="a", pid=1, url="http://a", cloche="0", at="2026-01-01T00:00:00Z", models=models, ended=ended
    )


def model(event: int, wanted: int, serving: int | None, **more: Any) -> ModelReport:
    now = {} if serving is None else {1: serving}
    return ModelReport(name="m", route="live", event=event, wanted={1: wanted}, serving=now, **more)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        pytest.param(report(model(5, 2, 2)), "serving", id="serves-it"),
        pytest.param(report(model(6, 2, 2)), "serving", id="serves-it-by-a-later-event"),
        pytest.param(report(model(4, 2, 2)), "waiting", id="served-it-before-this-event"),
        pytest.param(report(model(4, 1, 1)), "waiting", id="has-not-seen-the-event"),
        pytest.param(report(model(5, 2, 1)), "waiting", id="workers-have-not-switched"),
        pytest.param(report(model(5, 2, 1, refused={2: "broken"})), "refused", id="refuses-it"),
        pytest.param(report(model(4, 2, 1, refused={2: "broken"})), "waiting", id="refused-it-before-this-event"),
        pytest.param(report(model(6, 1, 1)), "overtaken", id="somebody-rolled-back"),
        pytest.param(report(model(6, 1, 1), ended=True), "stopped", id="stopped"),
        pytest.param(report(), "stopped", id="no-longer-serves-the-model"),
        pytest.param(report(model(5, 2, None)), "waiting", id="serves-nothing-yet"),
    ],
)
def test_judge(said: AgentReport, state: str) -> None:
    outcome = judge(said, GOAL)
    assert outcome.state == state
    assert (outcome.why is not None) == (state in ("refused", "overtaken"))


def test_a_rollback_to_no_version() -> None:
    goal = Goal("m", contract=2, version=None, event=5)
    assert judge(report(model(5, 1, 1)), goal).state == "serving"
