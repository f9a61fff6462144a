"""The agent against a real store: follows, refuses, remembers, survives a kill. Templates and workers are played."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cloche.keys import KeyRing
from cloche.registry import Registry, reports
from cloche.registry.reports import AgentReport
from cloche.store import Store
from cloche.web.processes import runtime
from cloche.web.processes.agent import Agent
from cloche.web.processes.folder import RunFolder
from cloche.web.processes.runtime import Failure, State, Wanted
from handmade import artifact, contract
from templates import Templates, agent_process, eventually, run_folder

pytestmark = pytest.mark.e2e


class World:
    """A store with versions, and RUN folders of servers on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = folder / "store"
        self.registry = Registry(Store.open(str(self.place), folder))
        self.runs: list[RunFolder] = []
        self._made = 0

    def publish(self, name: str = "penguins", *, promote: bool = False) -> int:
        self._made += 1
        where = artifact(self.folder / "made" / str(self._made), name=name, content=f"model {self._made}".encode())
        return self.registry.publish(
            where, name=name, contract=contract(), contract_number=1, by="me", promote=promote
        ).version

    def run(self, *references: str, **given: Any) -> RunFolder:
        self.runs.append(run_folder(self.folder, self.place, *(references or ("penguins",)), **given))
        return self.runs[-1]

    @contextmanager
    def without_store(self) -> Iterator[None]:
        aside = self.place.with_name("aside")
        self.place.rename(aside)
        try:
            yield
        finally:
            aside.rename(self.place)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    for run in made.runs:
        run.remove()


@contextmanager
def agent(run: RunFolder, *, killed: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    process = agent_process(run)
    try:
        yield process
    finally:
        process.kill() if killed else process.terminate()
        process.wait(15)


def state(run: RunFolder) -> State:
    return runtime.read(run.state, State) or State(number=0)


def serving(run: RunFolder, name: str = "penguins") -> int | None:
    model = next((one for one in state(run).models if one.name == name), None)
    return None if model is None or not model.answering else model.answering[1].record.version


def wanted(run: RunFolder) -> list[str]:
    found = runtime.read(run.wanted, Wanted) or Wanted(number=0)
    return [one.id.rpartition("-")[0] for one in found.templates]


def test_promote_keeps_the_previous_warm_and_rollback_loads_nothing(world: World) -> None:
    world.publish()
    run = world.run()
    with Templates(run) as templates, agent(run):
        eventually(lambda: serving(run), 1)
        world.publish(promote=True)
        eventually(lambda: serving(run), 2)
        assert [one.record.version for one in state(run).models[0].warm] == [1]
        world.registry.rollback("penguins", by="me")
        eventually(lambda: serving(run), 1)
        world.publish(promote=True)
        eventually(lambda: serving(run), 3)
        assert [one.rsplit("-", 1)[0] for one in templates.seen] == ["penguins-1", "penguins-2", "penguins-3"]
        eventually(lambda: wanted(run), ["penguins-1", "penguins-3"])


def test_a_template_stays_until_no_worker_answers_from_it(world: World) -> None:
    for _ in range(2):
        world.publish(promote=True)
    run = world.run()
    with Templates(run, workers=1) as templates, agent(run):
        eventually(lambda: serving(run), 2)
        eventually(lambda: runtime.read(run.slot(0), runtime.SlotReport) is not None, True)
        templates.applying = False
        for version in (3, 4):
            world.publish(promote=True)
            eventually(lambda version=version: serving(run), version)
        assert wanted(run) == ["penguins-2", "penguins-3", "penguins-4"]
        templates.applying = True
        eventually(lambda: wanted(run), ["penguins-3", "penguins-4"])


def test_a_version_that_fails_is_refused_with_its_reason(world: World) -> None:
    world.publish()
    run = world.run()
    with Templates(run, refuses={2}), agent(run):
        eventually(lambda: serving(run), 1)
        world.publish(promote=True)
        eventually(lambda: dict(state(run).models[0].refused), {2: "version 2 is broken"})
        assert serving(run) == 1
        assert state(run).models[0].wanted == {1: 2}
        assert wanted(run) == ["penguins-1"]


def test_at_the_start_the_last_version_that_loads_is_served(world: World) -> None:
    for _ in range(3):
        world.publish(promote=True)
    run = world.run()
    with Templates(run, refuses={2, 3}), agent(run):
        eventually(lambda: serving(run), 1)
        assert set(state(run).models[0].refused) == {2, 3}


@pytest.mark.parametrize(
    ("references", "config", "refuses", "error", "words"),
    [
        pytest.param(["penguins"], {"strict_start": True}, {2}, "ArtifactError", "version 2 is broken", id="strict"),
        pytest.param(["penguins"], {}, {1, 2}, "ArtifactError", "version 2 is broken", id="nothing-loads"),
        pytest.param(["penguin"], {}, set(), "ModelNotFoundError", "did you mean 'penguins'", id="no-such-model"),
        pytest.param(["penguins@7"], {}, set(), "VersionNotFoundError", "no version 7", id="no-such-version"),
        pytest.param(["penguins"], {"default": "x"}, set(), "UsageError", "'x' is not among", id="default"),
        pytest.param(["penguins"], {"auth": "keys"}, set(), "RefusedError", "cloche keys create", id="no-key"),
    ],
)
def test_a_start_that_fails_says_why(
    world: World, references: list[str], config: dict[str, Any], refuses: set[int], error: str, words: str
) -> None:
    for _ in range(2):
        world.publish(promote=True)
    run = world.run(*references, config=config)
    with Templates(run, refuses=refuses), agent(run) as process:
        assert process.wait(20) == 1
    failure = runtime.read(run.failed, Failure)
    assert failure is not None
    assert failure.error == error
    assert words in failure.message
    assert not run.state.exists()


def test_all_serves_models_that_appear_later(world: World) -> None:
    world.publish("penguins")
    run = world.run(references=(), everything=True)
    with Templates(run), agent(run):
        eventually(lambda: serving(run), 1)
        world.publish("whales")
        eventually(lambda: serving(run, "whales"), 1)
        world.publish("whales", promote=True)
        eventually(lambda: serving(run, "whales"), 2)


def test_keys_reach_the_workers_and_stay_valid_while_the_store_is_away(world: World) -> None:
    world.publish()
    ring = KeyRing(world.registry.store)
    first, token = ring.create(scopes=["predict"])
    run = world.run(config={"auth": "keys"})

    def keys() -> list[tuple[str, bool]]:
        return [(key.id, key.revoked is None) for key in state(run).keys or ()]

    with Templates(run), agent(run):
        eventually(keys, [(first.id, True)])
        assert token not in run.state.read_text()
        second, _ = ring.create(scopes=["predict"])
        eventually(keys, sorted([(first.id, True), (second.id, True)]), seconds=5)
        with world.without_store():
            eventually(lambda: state(run).degraded, ("store",))
            assert len(keys()) == 2
        eventually(lambda: state(run).degraded, ())
        ring.revoke(second.id)
        eventually(keys, sorted([(first.id, True), (second.id, False)]), seconds=5)


def test_a_start_without_the_store(world: World) -> None:
    world.publish()
    KeyRing(world.registry.store).create(scopes=["predict"])
    config = {"auth": "keys"}
    run = world.run(config=config)
    with Templates(run), agent(run):
        eventually(lambda: serving(run), 1)
        eventually(lambda: len(list((world.folder / "cache" / "servers").glob("*/state.json"))), 1)
    again = world.run(config=config)
    with Templates(again):
        with world.without_store(), agent(again):
            eventually(lambda: serving(again), 1)
            assert state(again).degraded == ("store",)
            assert len(state(again).keys or ()) == 1
        again.state.unlink()
        with agent(again):
            eventually(lambda: state(again).degraded == () and serving(again), 1)
            world.publish(promote=True)
            eventually(lambda: serving(again), 2)


def test_a_start_without_a_store_that_was_never_seen(world: World) -> None:
    world.publish()
    run = world.run()
    with world.without_store(), Templates(run), agent(run) as process:
        assert process.wait(20) == 1
    failure = runtime.read(run.failed, Failure)
    assert failure is not None
    assert failure.error == "ModelNotFoundError"


def test_a_killed_agent_goes_on_without_disturbing_what_is_served(world: World) -> None:
    world.publish()
    run = world.run()
    with Templates(run) as templates:
        with agent(run, killed=True):
            eventually(lambda: serving(run), 1)
        before = (run.state.stat().st_mtime_ns, run.wanted.stat().st_mtime_ns)
        with world.without_store(), agent(run, killed=True):
            eventually(lambda: state(run).degraded, ("store",))
        world.publish(promote=True)
        with agent(run):
            eventually(lambda: serving(run), 2)
            eventually(lambda: state(run).degraded, ())
        assert [one.rsplit("-", 1)[0] for one in templates.seen] == ["penguins-1", "penguins-2"]
        assert run.wanted.stat().st_mtime_ns > before[1]


class CountingStore(Store):
    """A store that counts what it is asked."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.asked: Counter[str] = Counter()

    def get(self, path: str) -> bytes:
        self.asked[f"get {path}"] += 1
        return super().get(path)

    async def aget(self, path: str) -> bytes:
        self.asked[f"get {path}"] += 1
        return await super().aget(path)

    def list(self, prefix: str, after: str | None = None) -> Any:
        self.asked[f"list {prefix}"] += 1
        return super().list(prefix, after)

    async def alist(self, prefix: str, after: str | None = None) -> Any:
        self.asked[f"list {prefix}"] += 1
        return await super().alist(prefix, after)

    def folders(self, prefix: str) -> Any:
        self.asked[f"folders {prefix}"] += 1
        return super().folders(prefix)


def test_one_cheap_request_per_model_and_second_whatever_the_history(world: World) -> None:
    world.publish("whales")
    for _ in range(5):
        world.publish("penguins", promote=True)
    run = world.run("penguins", "whales", config={"auth": "keys"})
    KeyRing(world.registry.store).create(scopes=["predict"])
    counting = CountingStore.open(str(world.place), world.folder)
    assert isinstance(counting, CountingStore)

    async def watch() -> Counter[str]:
        async with running(run, counting):
            await asyncio.sleep(1.5)  # the first report
            counting.asked.clear()
            await asyncio.sleep(4.0)
            return Counter(counting.asked)

    with Templates(run):
        asked = asyncio.run(watch())
    for path in ("get models/penguins/routes/000006.json", "get models/whales/routes/000002.json"):
        assert 2 <= asked.pop(path) <= 4
    assert 1 <= asked.pop("list keys/") <= 3
    assert not asked


@asynccontextmanager
async def running(run: RunFolder, store: Store) -> AsyncIterator[Agent]:
    """An agent on this loop."""
    made, stop = Agent(run, runtime.server_of(run), store), asyncio.Event()
    await made.start()
    task = asyncio.create_task(made.run(stop))
    try:
        yield made
    finally:
        stop.set()
        await task


def latest(world: World) -> AgentReport | None:
    found = reports.latest(world.registry.store, datetime.now(UTC))
    return found[0] if found else None


def test_reports_follow_what_every_worker_answers(world: World) -> None:
    world.publish()
    run = world.run(config={"workers": 2})

    def said() -> Any:
        report = latest(world)
        model = None if report is None else report.model("penguins")
        return model and (model.event, model.wanted, model.serving, dict(model.refused))

    def workers() -> Any:
        report = latest(world)
        return report and [(one.slot, one.pid, one.current) for one in report.workers]

    def ended() -> bool | None:
        report = latest(world)
        return None if report is None else report.ended

    with Templates(run, workers=2, refuses={3}) as templates, agent(run):
        eventually(said, (1, {1: 1}, {1: 1}, {}))
        templates.applying = False
        world.publish(promote=True)
        eventually(said, (2, {1: 2}, {1: 1}, {}))
        templates.applying = True
        eventually(said, (2, {1: 2}, {1: 2}, {}))
        world.publish(promote=True)
        eventually(said, (3, {1: 3}, {1: 2}, {3: "version 3 is broken"}))
        eventually(workers, [(0, 100, True), (1, 101, True)])
        assert len(world.registry.store.list("agents")) == reports.KEPT
        report = latest(world)
        assert report is not None
        host = report.host
    eventually(ended, True)
    with Templates(run), agent(run, killed=True):
        eventually(ended, False)
    assert [one.host for one in reports.latest(world.registry.store, datetime.now(UTC))] == [host]


def test_two_servers_on_one_cache_are_two_hosts(world: World) -> None:
    world.publish()
    runs = [world.run(), world.run()]
    with contextlib.ExitStack() as stack:
        for run in runs:
            stack.enter_context(Templates(run))
            stack.enter_context(agent(run))
        eventually(lambda: len(reports.latest(world.registry.store, datetime.now(UTC))), 2)
