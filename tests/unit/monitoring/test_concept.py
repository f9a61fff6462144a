"""The detector of concept drift: river's own values, and few false alarms."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import pytest

from cloche.monitoring.quality.concept import Detector


def detected(losses: list[float], **more: float) -> list[int]:
    detector = Detector()
    return [place for place, loss in enumerate(losses) if detector.take(loss, float(place), **more)]


def test_it_sees_what_rivers_hddm_a_sees() -> None:
    """river 0.26.1 on the same stream, at its drift_confidence of 0.001: at 1,206."""
    rng = random.Random(42)
    losses = [*map(float, rng.choices([0, 1], k=1_000)), *map(float, rng.choices([0, 1], k=1_000, weights=[0.3, 0.7]))]
    assert detected(losses, confidence=0.001)[:1] == [1_206]


def test_a_new_monitor_goes_on_where_the_old_one_stopped() -> None:
    rng = random.Random(1)
    losses = [float(rng.random() < (0.1 if at < 800 else 0.5)) for at in range(1_600)]
    detector = Detector()
    seen = []
    for place, loss in enumerate(losses):
        if place % 100 == 0:
            detector = msgspec.json.decode(msgspec.json.encode(detector), type=Detector)
        if detector.take(loss, float(place)):
            seen.append(place)
    assert seen == detected(losses)
    assert len(seen) == 1
    assert detector.before == pytest.approx(0.1, abs=0.03)
    assert detector.after is not None
    assert detector.after > 0.2


def test_a_loss_that_falls_is_no_alarm() -> None:
    rng = random.Random(2)
    assert detected([float(rng.random() < (0.5 if at < 1_000 else 0.1)) for at in range(3_000)]) == []


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_without_drift_there_is_hardly_an_alarm_in_ten_thousand_labels(share: float) -> None:
    rng = np.random.default_rng(3)
    alarms = sum(len(detected((rng.random(10_000) < share).astype(float).tolist())) for _ in range(60))
    assert alarms <= 2
