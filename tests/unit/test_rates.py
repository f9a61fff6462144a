"""Token buckets: never more than the rate, never less; the same in a process and in a file that processes share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche import rates
from cloche.errors import UsageError
from cloche.rates import Rate
from cloche.web.buckets import Buckets, OwnBuckets
from cloche.web.processes.buckets import SharedBuckets

TEN = Rate(10, "s")


@pytest.mark.parametrize("text", ["100/s", "1000/m", "1/h", "999999999/d"])
def test_rates_are_written_so(text: str) -> None:
    assert str(rates.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "100", "100/", "/s", "0/s", "-1/s", "1.5/s", "1/S", "1 /s", "1/s ", "1/w", "9" * 10 + "/s"]
)
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(UsageError, match="rate: expected a number and one of /s, /m, /h, /d"):
        rates.parse(text)


@pytest.fixture(params=["own", "shared"])
def buckets(request: pytest.FixtureRequest, tmp_path: Path) -> Buckets:
    return OwnBuckets() if request.param == "own" else SharedBuckets(tmp_path / "buckets")


def test_a_burst_then_evenly(buckets: Buckets) -> None:
    assert [buckets.take("a", TEN, 100.0) for _ in range(10)] == [0.0] * 10
    assert buckets.take("a", TEN, 100.0) == pytest.approx(0.1)
    assert buckets.take("b", TEN, 100.0) == 0.0  # another name, another bucket
    assert buckets.take("a", TEN, 100.05) == pytest.approx(0.05)
    assert buckets.take("a", TEN, 100.1001) == 0.0
    assert buckets.take("a", TEN, 100.1001) > 0.0
    assert [buckets.take("a", TEN, 200.0) for _ in range(11)][-1] > 0.0


@given(st.lists(st.floats(0.0, 5.0), max_size=60), st.integers(1, 9))
def test_never_more_than_the_rate(pauses: list[float], count: int) -> None:
    """In any stretch of time at most `count` for each second of it, and `count` at once."""
    rate, full_at, now, taken = Rate(count, "s"), 0.0, 1000.0, list[float]()
    for pause in pauses:
        now += pause
        full_at, wait = rate.take(full_at, now)
        if not wait:
            taken.append(now)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert last - first + 1 <= count + (taken[last] - taken[first]) * count + 1e-6


@given(st.floats(0.0, 1e6), st.floats(0.0, 1e9))
def test_who_waits_as_told_is_let_in(full_at: float, now: float) -> None:
    after, wait = TEN.take(min(full_at, now + 5.0), now)
    if wait:
        assert TEN.take(after, now + wait + 1e-6)[1] == 0.0


def test_full_buckets_make_room_for_others(tmp_path: Path) -> None:
    shared, own = SharedBuckets(tmp_path / "buckets"), OwnBuckets()
    for one in (shared, own):
        assert all(one.take(f"key {number}", TEN, 10.0 + number) == 0.0 for number in range(12_000))


def test_processes_share_a_file(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cloche.rates import Rate\n"
        "from cloche.web.processes.buckets import SharedBuckets\n"
        "shared = SharedBuckets(Path(sys.argv[1]))\n"
        "print(sum(shared.take('a', Rate(500, 'h'), 7.0) == 0.0 for _ in range(400)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "buckets")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    assert sum(int(one.communicate(timeout=60)[0]) for one in running) == 500


def test_the_clock_of_a_machine_that_has_run_for_years() -> None:
    take: Callable[[float], float] = lambda now: OwnBuckets().take("a", Rate(1, "s"), now)  # noqa: E731
    assert take(1e9) == 0.0
