"""What an alert becomes: the whole table, and the laws that it keeps."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.monitoring.alerts.phases import TABLE, Condition, Event, Reading, Timing, step
from cloche.monitoring.documents import AlertPhase

TIMING = Timing(for_s=60.0, keep_firing_s=120.0, no_data_after_s=300.0)
FIRING = Condition(phase="firing", since=0.0, over_since=0.0)
PENDING = Condition(phase="pending", since=0.0, over_since=0.0)


def test_the_table_knows_every_phase_and_event() -> None:
    assert set(TABLE) == set(get_args(AlertPhase))
    assert all(set(row) == set(get_args(Event)) for row in TABLE.values())


@pytest.mark.parametrize(
    ("before", "reading", "now", "phase"),
    [
        pytest.param(Condition(), "under", 1.0, "ok", id="nothing-wrong"),
        pytest.param(Condition(), "over", 1.0, "pending", id="exceeded"),
        pytest.param(PENDING, "over", 59.0, "pending", id="exceeded-but-not-long-enough"),
        pytest.param(PENDING, "over", 60.0, "firing", id="exceeded-for-the-whole-duration"),
        pytest.param(PENDING, "under", 59.0, "ok", id="only-a-moment"),
        pytest.param(PENDING, "missing", 59.0, "pending", id="a-gap-while-pending"),
        pytest.param(FIRING, "over", 900.0, "firing", id="still-exceeded"),
        pytest.param(FIRING, "under", 10.0, "firing", id="below-not-long-enough"),
        pytest.param(FIRING, "near", 10_000.0, "firing", id="between-clear-and-threshold"),
        pytest.param(
            Condition(phase="firing", since=0.0, under_since=10.0), "under", 130.0, "resolved", id="below-long-enough"
        ),
        pytest.param(FIRING, "missing", 10.0, "firing", id="nothing-arrived"),
        pytest.param(
            Condition(phase="firing", since=0.0, missing_since=0.0), "missing", 300.0, "no_data", id="nothing-for-long"
        ),
        pytest.param(Condition(phase="resolved", since=0.0), "over", 1.0, "pending", id="again"),
        pytest.param(Condition(phase="resolved", since=0.0, under_since=0.0), "under", 899.0, "resolved", id="shown"),
        pytest.param(Condition(phase="resolved", since=0.0, under_since=0.0), "under", 900.0, "ok", id="forgotten"),
        pytest.param(Condition(phase="no_data", since=0.0), "missing", 1.0, "no_data", id="still-nothing"),
        pytest.param(Condition(phase="no_data", since=0.0), "over", 1.0, "pending", id="back-and-exceeded"),
        pytest.param(Condition(phase="no_data", since=0.0), "under", 1.0, "ok", id="back-and-fine"),
        pytest.param(Condition(), "missing", 1.0, "ok", id="nothing-yet"),
    ],
)
def test_transitions(before: Condition, reading: Reading, now: float, phase: AlertPhase) -> None:
    after = step(before, reading, TIMING, now)
    assert after.phase == phase
    assert after.since == (before.since if phase == before.phase and before.since is not None else now)


def test_without_a_duration_it_fires_at_once() -> None:
    assert step(Condition(), "over", Timing(), 5.0).phase == "firing"


def test_what_comes_after_silence_is_counted_anew() -> None:
    alert = step(PENDING, "missing", TIMING, 10.0)
    alert = step(alert, "missing", TIMING, 310.0)
    assert (alert.phase, alert.over_since) == ("no_data", None)
    alert = step(alert, "over", TIMING, 320.0)
    assert (alert.phase, alert.over_since) == ("pending", 320.0)


READINGS = st.lists(
    st.tuples(st.sampled_from(get_args(Reading)), st.floats(0.1, 400.0, allow_nan=False)), min_size=1, max_size=40
)


@given(READINGS)
def test_it_fires_only_after_being_exceeded_without_a_break(steps: list[tuple[Reading, float]]) -> None:
    alert, now, over_since = Condition(), 0.0, None
    for reading, pause in steps:
        now += pause
        before = alert.phase
        alert = step(alert, reading, TIMING, now)
        if reading in ("near", "under") or alert.phase == "no_data":
            over_since = None
        elif reading == "over":
            over_since = now if over_since is None else over_since
        if alert.phase == "firing" and before != "firing":
            assert reading == "over"
            assert over_since is not None
            assert now - over_since >= TIMING.for_s
        if before == "firing" and alert.phase != "firing":
            assert reading in ("under", "missing"), "one that is exceeded never ends"
