"""Who is answered next, who is turned away, what happens to an engine that hangs or dies."""

from __future__ import annotations

import asyncio

import pytest

from cloche.errors import ArtifactError, DeadlineExceededError, EngineError, NotReadyError, OverloadedError
from cloche.records import Columns, Outputs
from cloche.serving.lane import Lane
from simulators import FakeEngine

COLUMNS = {"x": [1.0]}


def lane(engine: FakeEngine, queue_rows: int = 10) -> Lane:
    return Lane(engine, name="m version 1", queue_rows=queue_rows)


def test_who_comes_while_the_engine_is_busy_is_its_next_batch() -> None:
    async def story() -> None:
        engine = FakeEngine()
        engine.block = asyncio.Event()
        one = lane(engine)
        asked = [asyncio.create_task(one.infer({"x": [1.0]}, 1, 5.0))]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asked += [asyncio.create_task(one.infer({"x": xs}, len(xs), 5.0)) for xs in ([-1.0], [2.0, -2.0])]
        await asyncio.sleep(0)
        engine.block.set()
        answers = await asyncio.gather(*asked)
        assert [answer.prediction for answer in answers] == [["yes"], ["no"], ["yes", "no"]]
        assert engine.calls == [1, 3]
        await one.close()

    asyncio.run(story())


def test_an_engine_whose_answers_depend_on_their_batch_is_asked_one_request_at_a_time() -> None:
    async def story() -> None:
        engine = FakeEngine()
        one = Lane(engine, name="m version 1", queue_rows=10, together=False)
        answers = await asyncio.gather(*(one.infer({"x": [x]}, 1, 5.0) for x in (1.0, -1.0, 2.0)))
        assert [answer.prediction for answer in answers] == [["yes"], ["no"], ["yes"]]
        assert engine.calls == [1, 1, 1]
        await one.close()
        assert engine.closed

    asyncio.run(story())


def test_more_rows_than_the_queue_keeps_are_turned_away() -> None:
    async def story() -> None:
        engine = FakeEngine()
        engine.block = asyncio.Event()
        one = lane(engine, queue_rows=3)
        first = asyncio.create_task(one.infer({"x": [1.0] * 3}, 3, 5.0))
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await one.infer(COLUMNS, 1, 5.0)
        engine.block.set()
        assert len(await first) == 3
        await one.close()

    asyncio.run(story())


def test_a_request_larger_than_the_queue_is_taken_when_nothing_waits() -> None:
    async def story() -> None:
        one = lane(FakeEngine(), queue_rows=2)
        assert len(await one.infer({"x": [1.0] * 5}, 5, 5.0)) == 5
        await one.close()

    asyncio.run(story())


def test_a_request_whose_deadline_passed_while_it_waited_is_never_computed() -> None:
    async def story() -> None:
        engine = FakeEngine()
        engine.block = asyncio.Event()
        one = lane(engine)
        first = asyncio.create_task(one.infer({"x": [1.0] * 2}, 2, 5.0))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the engine has it
        with pytest.raises(DeadlineExceededError):
            await one.infer(COLUMNS, 1, 0.01)
        engine.block.set()
        await first
        await one.close()
        assert engine.calls == [2]

    asyncio.run(story())


def test_an_engine_that_hangs_is_replaced() -> None:
    async def story() -> None:
        engine = FakeEngine()
        engine.block = asyncio.Event()
        one = lane(engine)
        with pytest.raises(DeadlineExceededError):
            await one.infer(COLUMNS, 1, 0.02)
        await engine.exited()
        engine.block = None
        assert (await one.infer(COLUMNS, 1, 5.0)).prediction == ["yes"]
        assert engine.starts == 2
        await one.close()

    asyncio.run(story())


def test_an_engine_that_dies_while_idle_is_started_again_before_it_is_needed() -> None:
    async def story() -> None:
        engine = FakeEngine()
        one = lane(engine)
        await asyncio.sleep(0)
        await engine.kill()
        async with asyncio.timeout(5):
            while engine.starts < 2:
                await asyncio.sleep(0.01)
        assert engine.calls == []
        await one.close()

    asyncio.run(story())


def test_an_engine_that_does_not_start_again_says_not_ready_then_recovers() -> None:
    async def story() -> None:
        engine = FakeEngine()
        engine.refuse_start = ArtifactError("gone")
        one = lane(engine)
        await engine.kill()
        with pytest.raises(NotReadyError):
            await one.infer(COLUMNS, 1, 5.0)
        engine.refuse_start = None
        async with asyncio.timeout(10):
            while engine.starts < 2:
                await asyncio.sleep(0.01)
        assert (await one.infer(COLUMNS, 1, 5.0)).prediction == ["yes"]
        await one.close()

    asyncio.run(story())


def test_what_the_engine_raises_reaches_only_its_caller() -> None:
    def broken(columns: Columns, n: int) -> Outputs:
        if -1 in columns["x"]:
            raise EngineError("died")
        return Outputs(["yes"] * n)

    async def story() -> None:
        one = lane(FakeEngine(broken))
        bad, good = await asyncio.gather(
            one.infer({"x": [1, -1]}, 2, 5.0), one.infer(COLUMNS, 1, 5.0), return_exceptions=True
        )
        assert isinstance(bad, EngineError)
        assert isinstance(good, Outputs)
        await one.close()

    asyncio.run(story())


def test_closing_waits_for_what_is_in_flight() -> None:
    async def story() -> None:
        engine = FakeEngine()
        engine.block = asyncio.Event()
        one = lane(engine)
        asked = asyncio.create_task(one.infer(COLUMNS, 1, 5.0))
        await asyncio.sleep(0)
        closing = asyncio.create_task(one.close())
        await asyncio.sleep(0)
        engine.block.set()
        await closing
        assert (await asked).prediction == ["yes"]

    asyncio.run(story())
