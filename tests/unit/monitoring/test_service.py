"""The lamp of the service: what failed on our side, and is no accident."""

from __future__ import annotations

import pytest

from cloche.monitoring.service import service_lamp
from cloche.monitoring.tallies import Tally


@pytest.mark.parametrize(
    ("failed", "requests", "state"),
    [
        pytest.param(3, 19, "unknown", id="few-requests"),
        pytest.param(0, 20, "ok", id="none"),
        pytest.param(1, 20, "warn", id="one-of-twenty-is-an-accident"),
        pytest.param(3, 60, "alarm", id="five-percent"),
        pytest.param(3, 100, "warn", id="some"),
        pytest.param(9, 1_000, "ok", id="hardly-any"),
    ],
)
def test_the_lamp(failed: int, requests: int, state: str) -> None:
    tally = Tally(requests=requests, status={"200": requests - failed - 1, "404": 1, "500": failed})
    assert service_lamp(tally, None).state == state
