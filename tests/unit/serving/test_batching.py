"""Whatever comes together: every request gets its own answers, in order, once; a bad row harms its own request only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloche.errors import EngineError, OverloadedError
from cloche.records import Columns, Outputs
from cloche.serving import batch
from cloche.serving.batch import Waiting
from cloche.serving.engine_process import RowsRefused
from cloche.serving.inline import InlineLane, Pace
from cloche.serving.lane import Lane
from cloche.serving.queueing import RowQueue
from simulators import FakeEngine

POISON = -1.0
FAST, SLOW = Pace(1e-6, 1e-6), Pace(1.0, 0.0)
requests = st.lists(st.lists(st.floats(0, 1e6) | st.just(POISON), min_size=1, max_size=5), min_size=1, max_size=12)


def twice(columns: Columns, n: int) -> Outputs:
    """Raises on poison, as a model does; the answer to x is 2x."""
    values = columns["x"]
    assert len(values) == n
    if POISON in values:
        raise EngineError("poison")
    return Outputs([2 * x for x in values], [[x, -x] for x in values], [float(x) for x in values])


class Sync:
    """The same, to be called."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def predict(self, columns: Columns, n: int) -> Outputs:
        self.calls.append(n)
        return twice(columns, n)


def process() -> RowQueue:
    return Lane(FakeEngine(twice), name="m", queue_rows=1000)


def inline() -> RowQueue:
    return InlineLane(Sync(), name="m", queue_rows=1000, pace=FAST)


def thread() -> RowQueue:
    return InlineLane(Sync(), name="m", queue_rows=1000, pace=SLOW)


@pytest.mark.parametrize("make", [process, inline, thread])
@given(bodies=requests)
@settings(max_examples=40, deadline=None)
def test_everybody_gets_their_own_answers(make: Callable[[], RowQueue], bodies: list[list[float]]) -> None:
    async def story() -> None:
        lane = make()
        asked = [lane.infer({"x": body}, len(body), 5.0) for body in bodies]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for body, answer in zip(bodies, answers, strict=True):
            if POISON in body:
                assert isinstance(answer, EngineError | RowsRefused)
            else:
                assert isinstance(answer, Outputs)
                assert answer == twice({"x": body}, len(body))
        assert lane.waiting_rows == 0
        await lane.close()

    asyncio.run(story())


def test_who_comes_in_one_turn_of_the_loop_is_one_batch() -> None:
    async def story() -> None:
        engine = Sync()
        lane = InlineLane(engine, name="m", queue_rows=1000, pace=FAST)
        await asyncio.gather(*(lane.infer({"x": [1.0]}, 1, 5.0) for _ in range(7)))
        assert engine.calls == [7]
        await lane.infer({"x": [1.0]}, 1, 5.0)
        assert engine.calls == [7, 1]
        await lane.close()

    asyncio.run(story())


def test_the_refused_rows_are_those_of_the_request() -> None:
    async def story() -> None:
        lane = inline()
        bad, good = await asyncio.gather(
            lane.infer({"x": [1.0, POISON, 2.0, POISON]}, 4, 5.0),
            lane.infer({"x": [3.0]}, 1, 5.0),
            return_exceptions=True,
        )
        assert isinstance(bad, RowsRefused)
        assert bad.rows == [1, 3]
        assert isinstance(good, Outputs)
        await lane.close()

    asyncio.run(story())


def test_more_rows_than_the_queue_keeps_are_turned_away_at_once() -> None:
    async def story() -> None:
        lane = InlineLane(Sync(), name="m", queue_rows=3, pace=FAST)
        first = asyncio.create_task(lane.infer({"x": [1.0] * 3}, 3, 5.0))
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            lane.submit({"x": [1.0]}, 1, 5.0, lambda _result: None)
        assert len(await first) == 3
        await lane.close()

    asyncio.run(story())


def test_a_long_batch_does_not_hold_the_loop() -> None:
    async def story() -> None:
        lane = thread()
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        await lane.infer({"x": [1.0]}, 1, 5.0)
        counting.cancel()
        assert turns > 1
        await lane.close()

    asyncio.run(story())


def entries(*sizes: int, fields: int = 1) -> list[Waiting]:
    columns = {f"f{number}": [0.0] for number in range(fields)}
    return [Waiting({name: values * n for name, values in columns.items()}, n, 1.0, lambda _: None) for n in sizes]


@pytest.mark.parametrize(
    ("sizes", "fields", "together", "taken"),
    [
        pytest.param((1, 1, 1), 1, True, 3, id="all"),
        pytest.param((1, 1, 1), 1, False, 1, id="one-at-a-time"),
        pytest.param((4000, 96, 1), 1, True, 2, id="bounded-in-rows"),
        pytest.param((0, 1, 1), 1, True, 1, id="a-call-of-no-rows-is-alone"),
        pytest.param((1, 0, 1), 1, True, 1, id="and-ends-a-batch"),
        pytest.param((9000, 1), 1, True, 1, id="a-large-request-is-a-batch-of-its-own"),
        pytest.param((100, 100, 100), 1000, True, 2, id="bounded-in-values"),
    ],
)
def test_what_a_batch_holds(sizes: tuple[int, ...], fields: int, together: bool, taken: int) -> None:
    queue = batch.deque(entries(*sizes, fields=fields))
    assert len(batch.take(queue, together=together)) == taken
    assert len(queue) == len(sizes) - taken


def test_who_was_given_up_is_dropped() -> None:
    queue = batch.deque(entries(1, 1))
    queue[0].expire("m")
    assert len(batch.take(queue, together=True)) == 1
    assert not queue
