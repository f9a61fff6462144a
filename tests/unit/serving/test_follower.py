"""Following a route: loads beside, switches, keeps the previous version warm, refuses what will not load."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from cloche.errors import ArtifactError, NotReadyError
from cloche.registry import Registry, VersionRecord
from cloche.serving.choice import Choice
from cloche.serving.deployment import Deployment
from cloche.serving.deployments import Deployments, Held
from cloche.serving.follower import Follower
from cloche.serving.switch import Switch
from cloche.store import Store
from handmade import artifact, contract
from simulators import deployment


class World:
    """A registry with versions, and a loader that may be told to refuse some."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = Registry(Store.open(str(folder / "store"), folder))
        self.deployments = Deployments()
        self.refuses: set[int] = set()
        self.loaded: list[int] = []
        self.made: list[Deployment] = []
        self.on_load: Callable[[], object] = lambda: None
        self.switch = Switch(self.deployments, self.load)

    def publish(self, *, promote: bool = False) -> int:
        content = f"model {len(list(self.folder.iterdir()))}".encode()
        where = artifact(self.folder / content.decode(), content=content)
        record = self.registry.publish(
            where, name="penguins", contract=contract(), contract_number=1, by="me", promote=promote
        )
        return record.version

    async def load(self, record: VersionRecord) -> Deployment:
        if record.version in self.refuses:
            raise ArtifactError(f"version {record.version} is broken")
        self.loaded.append(record.version)
        self.on_load()
        made = deployment(name=record.name, version=record.version)
        self.made.append(made)
        return made

    def follower(self, pinned: tuple[int, ...] = (), *, follows: bool = True) -> Follower:
        return Follower(
            self.registry, "penguins", load=self.switch.load, switch=self.switch.apply, pinned=pinned, follows=follows
        )

    @property
    def held(self) -> Held:
        held = self.deployments.get("penguins")
        assert held is not None
        return held

    def state(self) -> tuple[int | None, list[int]]:
        found = self.held.default
        return None if found is None else found.version, sorted(one.version for one in self.held.warm)


def tell(tmp_path: Path, story: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        world = World(tmp_path)
        await story(world)
        for one in world.made:
            await one.close(grace_s=0.1)

    asyncio.run(run())


def test_promote_then_rollback_needs_no_second_load(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish()
        follower = world.follower()
        await follower.start()
        assert world.state() == (1, [])
        world.publish(promote=True)
        await follower.step()
        assert world.state() == (2, [1])
        world.registry.rollback("penguins", by="me")
        await follower.step()
        assert world.state() == (1, [2])
        assert world.loaded == [1, 2]

    tell(tmp_path, story)


def test_a_version_that_was_rolled_back_while_it_loaded_never_answers(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish()
        follower = world.follower()
        await follower.start()
        world.publish(promote=True)
        world.on_load = lambda: world.registry.rollback("penguins", by="me")
        await follower.step()
        assert world.loaded == [1, 2]
        assert world.state() == (1, [])
        assert world.held.wanted == {1: 1}

    tell(tmp_path, story)


def test_only_one_version_is_kept_warm(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish()
        follower = world.follower()
        await follower.start()
        for _ in range(2):
            world.publish(promote=True)
            await follower.step()
        assert world.state() == (3, [2])
        await world.switch.settled()
        with pytest.raises(NotReadyError, match="unloaded"):
            await world.made[0].lane.infer({"x": [1.0]}, 1, 0.2)

    tell(tmp_path, story)


def test_a_version_that_will_not_load_is_refused_and_the_old_one_goes_on(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish()
        follower = world.follower()
        await follower.start()
        world.refuses = {2}
        world.publish(promote=True)
        await follower.step()
        assert world.state() == (1, [])
        assert world.held.wanted == {1: 2}
        assert world.held.refused == {2: "version 2 is broken"}

    tell(tmp_path, story)


def test_at_the_start_the_last_live_version_that_loads_is_served(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for _ in range(3):
            world.publish(promote=True)
        world.refuses = {3, 2}
        await world.follower().start()
        assert world.state() == (1, [])
        assert set(world.held.refused) == {2, 3}

    tell(tmp_path, story)


def test_where_nothing_loads_the_start_says_why(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish()
        world.refuses = {1}
        with pytest.raises(ArtifactError, match="version 1 is broken"):
            await world.follower().start()

    tell(tmp_path, story)


def test_pinned_versions_stay(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish()
        follower = world.follower((1,), follows=False)
        await follower.start()
        world.publish(promote=True)
        await follower.step()
        assert world.state()[0] == 1
        assert world.loaded == [1]

    tell(tmp_path, story)


def test_pinned_beside_followed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish()
        world.publish(promote=True)
        follower = world.follower((1,))
        await follower.start()
        assert world.state() == (2, [1])
        for _ in range(2):
            world.publish(promote=True)
            await follower.step()
        assert world.state() == (4, [1, 3])

    tell(tmp_path, story)


def test_a_strict_start_lets_nothing_stand_in(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for _ in range(2):
            world.publish(promote=True)
        world.refuses = {2}
        with pytest.raises(ArtifactError, match="version 2 is broken"):
            await world.follower().start(strict=True)

    tell(tmp_path, story)


def test_what_is_known_answers_before_the_events_are_read(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for _ in range(2):
            world.publish(promote=True)
        follower = world.follower()
        await follower.resume(Choice("penguins", answering={1: 1}, default_number=1, wanted={1: 1}, event=1))
        assert world.state() == (1, [])
        await follower.step()
        assert world.state() == (2, [1])

    tell(tmp_path, story)


def test_what_is_held_is_adopted_without_a_load(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.publish()
        await world.switch.load(world.registry.version("penguins", 1))
        follower = world.follower()
        follower.adopt(Choice("penguins", answering={1: 1}, default_number=1, wanted={1: 1}, event=1))
        world.publish(promote=True)
        await follower.step()
        assert world.state() == (2, [1])
        assert world.loaded == [1, 2]

    tell(tmp_path, story)
