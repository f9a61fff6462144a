"""Which templates run and which versions answer: wanted.json and state.json, step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloche.errors import ArtifactError
from cloche.registry import VersionRecord
from cloche.serving.choice import Choice
from cloche.trust import TrustPolicy
from cloche.web.processes import runtime
from cloche.web.processes.folder import RunFolder
from cloche.web.processes.holding import Holding, choice_of, records_of
from cloche.web.processes.runtime import SlotReport, State, Wanted
from templates import Templates

ONE = Choice("m", answering={1: 1}, default_number=1, wanted={1: 1}, event=1)


def record(version: int) -> VersionRecord:
    return VersionRecord(name="m", version=version, contract=1, revision=0, manifest="0" * 64, by="me", at="now")


@pytest.fixture
def run() -> Iterator[RunFolder]:
    folder = RunFolder.create(None)
    yield folder
    folder.remove()


def holding(run: RunFolder, workers: int = 1) -> Holding:
    async def fetch(_: VersionRecord) -> Path:
        return Path("/cache/abc")

    return Holding(run, workers=workers, trust=TrustPolicy(), fetch=fetch)


def wanted(run: RunFolder) -> list[str]:
    return [one.id for one in (runtime.read(run.wanted, Wanted) or Wanted(number=0)).templates]


def test_nothing_is_shown_before_the_start_is_complete(run: RunFolder) -> None:
    held = holding(run)
    with Templates(run, applying=False):
        asyncio.run(held.load(record(1)))
    held.switch(ONE)
    assert not run.state.exists()
    held.open()
    state = runtime.read(run.state, State)
    assert state is not None
    assert [choice_of(model) for model in state.models] == [ONE]
    assert records_of(state) == [record(1)]


def test_a_refused_template_is_not_wanted_any_more(run: RunFolder) -> None:
    held = holding(run)
    with Templates(run, refuses={1}), pytest.raises(ArtifactError, match="version 1 is broken"):
        asyncio.run(held.load(record(1)))
    assert wanted(run) == []


def test_a_version_that_is_tried_again_gets_another_template(run: RunFolder) -> None:
    held = holding(run)
    with Templates(run, refuses={1}) as templates:
        with pytest.raises(ArtifactError):
            asyncio.run(held.load(record(1)))
        templates.refuses.clear()
        asyncio.run(held.load(record(1)))
        assert len(set(templates.seen)) == 2


def test_what_every_worker_answers_with(run: RunFolder) -> None:
    held = holding(run, workers=2)
    with Templates(run, applying=False):
        asyncio.run(held.load(record(1)))
    held.switch(ONE)
    held.open()
    runtime.write(run.slot(0), SlotReport(slot=0, pid=1, state=held.state.number))
    held.look()
    assert held.applied.number == 0
    runtime.write(run.slot(1), SlotReport(slot=1, pid=2, state=held.state.number))
    assert [one.pid for one in held.look()] == [1, 2]
    assert held.applied == held.state


def test_a_next_agent_adopts_everything_and_writes_nothing(run: RunFolder) -> None:
    held = holding(run)
    with Templates(run):
        asyncio.run(held.load(record(1)))
    held.switch(ONE)
    held.open()
    before = (run.state.read_bytes(), run.wanted.read_bytes())
    after = holding(run)
    after.adopt(held.state)
    asyncio.run(after.load(record(1)))
    after.look()
    assert (run.state.read_bytes(), run.wanted.read_bytes()) == before
    after.degrade(("store",))
    assert after.state.number == held.state.number + 1
