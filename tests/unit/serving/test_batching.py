"""Whatever comes together: every request gets its own answers, in order, once; a bad row harms its own request only."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloche.errors import DeadlineExceededError, EngineError, NotReadyError, OverloadedError
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


class Held:
    """An engine that answers when it is let go, from whatever thread it is called."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.go = threading.Event()

    def predict(self, columns: Columns, n: int) -> Outputs:
        self.calls.append(n)
        assert self.go.wait(30)
        return twice(columns, n)


def held() -> tuple[Held, InlineLane]:
    engine = Held()
    return engine, InlineLane(engine, name="m", queue_rows=1000, pace=SLOW)


def test_in_the_thread_deadlines_are_kept_also_by_who_came_before_it_was_needed() -> None:
    """The first two would be answered within this turn, each alone; together they are too long for the loop."""

    async def story() -> None:
        engine = Held()
        lane = InlineLane(engine, name="m", queue_rows=1000, pace=Pace(0.0, 0.0015))
        first = [lane.infer({"x": [1.0]}, 1, 0.05), lane.infer({"x": [2.0]}, 1, 30.0)]
        tasks = [asyncio.create_task(one) for one in first]
        await _until(lambda: engine.calls)
        late = asyncio.create_task(lane.infer({"x": [3.0]}, 1, 0.05))
        with pytest.raises(DeadlineExceededError):
            await tasks[0]
        with pytest.raises(DeadlineExceededError):
            await late
        assert lane.waiting_rows == 1
        engine.go.set()
        assert (await tasks[1]).prediction == [4.0]
        assert engine.calls == [2], "what waited and was given up is never computed"
        await lane.close()

    asyncio.run(story())


def test_who_goes_away_is_not_computed_and_nobody_else_notices() -> None:
    async def story() -> None:
        engine, lane = held()
        first = asyncio.create_task(lane.infer({"x": [1.0]}, 1, 30.0))
        await _until(lambda: engine.calls)
        waiting = [asyncio.create_task(lane.infer({"x": [float(n)]}, 1, 30.0)) for n in range(4)]
        await _until(lambda: lane.waiting_rows == 5)
        for one in (first, waiting[1], waiting[3]):
            one.cancel()
        await asyncio.gather(first, *waiting[1::2], return_exceptions=True)
        assert lane.waiting_rows == 2
        engine.go.set()
        assert [(await one).prediction for one in waiting[::2]] == [[0.0], [4.0]]
        assert engine.calls == [1, 2]
        await lane.close()

    asyncio.run(story())


def test_who_goes_away_before_the_turn_ends_is_not_computed() -> None:
    async def story() -> None:
        engine = Sync()
        lane = InlineLane(engine, name="m", queue_rows=1000, pace=FAST)
        done: list[Outputs | Exception] = []
        gone = lane.submit({"x": [1.0]}, 1, 5.0, lambda _result: None)
        lane.submit({"x": [2.0]}, 1, 5.0, done.append)
        gone.finish(DeadlineExceededError("gone"))
        await _until(lambda: done)
        assert engine.calls == [1]
        assert done == [twice({"x": [2.0]}, 1)]
        await lane.close()

    asyncio.run(story())


def test_what_is_refused_in_the_thread_is_asked_again_in_the_thread() -> None:
    async def story() -> None:
        threads: set[int] = set()

        class Noting(Sync):
            def predict(self, columns: Columns, n: int) -> Outputs:
                threads.add(threading.get_ident())
                return super().predict(columns, n)

        lane = InlineLane(Noting(), name="m", queue_rows=1000, pace=SLOW)
        found = await asyncio.gather(
            *(lane.infer({"x": [x]}, 1, 30.0) for x in (1.0, POISON, 3.0)), return_exceptions=True
        )
        assert [type(one) for one in found] == [Outputs, RowsRefused, Outputs]
        assert len(threads) == 1
        assert threading.get_ident() not in threads
        await lane.close()

    asyncio.run(story())


@pytest.mark.parametrize("pace", [FAST, SLOW], ids=["inline", "thread"])
def test_another_number_of_answers_than_of_rows_is_nobodys_answer(pace: Pace) -> None:
    class Short(Sync):
        def predict(self, columns: Columns, n: int) -> Outputs:
            return Outputs(twice(columns, n).prediction[1:])

    async def story() -> None:
        lane = InlineLane(Short(), name="m", queue_rows=1000, pace=pace)
        found = await asyncio.gather(*(lane.infer({"x": [1.0]}, 1, 5.0) for _ in range(3)), return_exceptions=True)
        assert not any(isinstance(one, Outputs) for one in found)
        await lane.close()

    asyncio.run(story())


def test_closing_answers_what_waits_and_turns_away_what_does_not_end() -> None:
    async def story() -> None:
        engine, lane = held()
        asked = [asyncio.create_task(lane.infer({"x": [1.0]}, 1, 30.0))]
        await _until(lambda: engine.calls)
        asked.append(asyncio.create_task(lane.infer({"x": [2.0]}, 1, 30.0)))
        await _until(lambda: lane.waiting_rows == 2)
        await lane.close(grace_s=0.01)
        with pytest.raises(NotReadyError):
            await asked[1]
        with pytest.raises(NotReadyError):
            lane.submit({"x": [1.0]}, 1, 5.0, lambda _result: None)
        engine.go.set()
        assert (await asked[0]).prediction == [2.0]
        assert lane.waiting_rows == 0

    asyncio.run(story())


async def _until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not check():
            await asyncio.sleep(0)


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
        pytest.param((0, 1, 1), 1, True, 1, id="no-rows-have-no-columns-to-join"),
        pytest.param((1, 0, 1), 1, True, 1, id="nor-behind-others"),
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
