"""gc: what no version names goes after a day; whoever publishes meanwhile ends up with every blob."""

from __future__ import annotations

import hashlib
import itertools
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

import handmade
from cloche.errors import StoreError
from cloche.manifest import Manifest
from cloche.registry import Registry, blobs
from cloche.registry.collect import Collected
from cloche.store import Store
from stores import Place

NOW = timedelta(0)
Paths = list[str]


def collect(registry: Registry, grace: timedelta = NOW) -> Collected:
    return registry.collect(by="gc", grace=grace)


def blob_paths(registry: Registry) -> list[str]:
    return registry.store.list("blobs/")


@pytest.fixture
def littered(registry: Registry, publish: Callable) -> Registry:
    """Version 2 is live; 1 was deleted, which alone named its model and its manifest."""
    publish(content=b"one")
    publish(content=b"two", promote=True)
    registry.delete("penguins", 1, by="ada")
    return registry


def test_the_first_run_marks_and_a_later_one_deletes(littered: Registry) -> None:
    before = blob_paths(littered)
    assert collect(littered) == Collected(kept=4, marked=2)
    assert blob_paths(littered) == before
    swept = collect(littered)
    assert (swept.kept, swept.deleted) == (4, 2)
    assert swept.bytes_deleted > 0
    assert len(blob_paths(littered)) == 4
    assert littered.verify().findings == ()
    assert collect(littered) == Collected(kept=4)


def test_nothing_is_deleted_before_the_grace_is_over(littered: Registry) -> None:
    collect(littered)
    assert collect(littered, timedelta(hours=24)) == Collected(kept=4, waiting=2)


def test_a_dry_run_writes_nothing(littered: Registry) -> None:
    before = littered.store.list("")
    assert littered.collect(by="gc", grace=NOW, dry_run=True) == Collected(kept=4, marked=2)
    assert littered.store.list("") == before
    collect(littered)
    marked = littered.store.list("")
    told = littered.collect(by="gc", grace=-timedelta(minutes=5), dry_run=True)
    assert (told.deleted, littered.store.list("")) == (2, marked)
    assert told.bytes_deleted == collect(littered).bytes_deleted


def test_what_is_shared_stays(registry: Registry, publish: Callable) -> None:
    publish(content=b"same", depth=1)
    publish(content=b"same", depth=2, promote=True)
    registry.delete("penguins", 1, by="ada")
    collect(registry)
    assert collect(registry).deleted == 1  # the manifest alone


def test_the_same_bytes_come_back_as_the_next_generation(littered: Registry, publish: Callable, tmp_path: Path) -> None:
    collect(littered)
    collect(littered)
    for generation in (1, 2):
        record = publish(content=b"one")
        folder = littered.fetch(record, tmp_path / "cache")
        assert (folder / "model.bin").read_bytes() == b"one"
        assert sum(path.endswith(f".{generation}") for path in blob_paths(littered)) == 2
        assert littered.verify().findings == ()
        littered.delete("penguins", record.version, by="ada")
        collect(littered)
        assert collect(littered).deleted == 2


def test_a_publisher_that_meets_a_mark_keeps_the_blob(littered: Registry, publish: Callable) -> None:
    collect(littered)
    publish(content=b"one")
    assert collect(littered).deleted == 0
    assert collect(littered).deleted == 0
    assert littered.verify().findings == ()


def test_a_marked_blob_that_is_named_again_needs_a_new_mark(littered: Registry, publish: Callable) -> None:
    collect(littered)
    record = publish(content=b"one")
    littered.delete("penguins", record.version, by="ada")
    assert collect(littered).marked == 2
    assert collect(littered).deleted == 2


def test_a_sweeper_that_died_between_deciding_and_deleting(littered: Registry) -> None:
    collect(littered)
    sha = next(path.split("/")[2] for path in littered.store.list("gc/"))
    blobs.decide(littered.store, sha, 1, "swept", "gc")
    assert collect(littered).deleted == 1
    assert len(blob_paths(littered)) == 4


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_manifest_that_cannot_be_read_stops_it(littered: Registry, damage: str) -> None:
    collect(littered)
    sha = littered.version("penguins", 2).manifest
    place = Place(littered.store) / f"blobs/sha256/{sha[:2]}/{sha}"
    place.unlink() if damage == "missing" else place.write_bytes(b"{}")
    before = blob_paths(littered)
    with pytest.raises(StoreError, match=rf"penguins@2: its manifest (is|was) {damage}; nothing was deleted"):
        collect(littered)
    assert blob_paths(littered) == before


def test_what_a_later_cloche_names_stays(littered: Registry) -> None:
    collect(littered)
    loose = sorted({path.split("/")[2] for path in littered.store.list("gc/")})
    littered.store.create("models/penguins/explanations/000001.json", b'{"graph": "' + loose[0].encode() + b'"}')
    assert collect(littered).deleted == 1
    assert loose[0] in {path.rpartition("/")[2] for path in blob_paths(littered)}


def test_a_version_that_is_live_all_the_same_keeps_its_blobs(littered: Registry) -> None:
    """A delete that was killed after its tombstone, while somebody promoted."""
    stone = littered.store.get("models/penguins/versions/000001.deleted.json").replace(b'"version": 1', b'"version": 2')
    littered.store.create("models/penguins/versions/000002.deleted.json", stone)
    assert collect(littered).kept == 4


def test_what_killed_writers_left_is_taken_away(tmp_path: Path) -> None:
    registry = Registry(Store.open("store", tmp_path))
    registry.publish(
        handmade.artifact(tmp_path / "a"), name="a", contract=handmade.contract(), contract_number=1, by="ada"
    )
    old, young, other = (tmp_path / "store" / "blobs" / name for name in ("x#123", "y#456", "c#sharp"))
    for path in (old, young, other):
        path.write_bytes(b"")
    yesterday = time.time() - 90_000
    for path in (old, other):
        os.utime(path, (yesterday, yesterday))
    collect(registry, timedelta(hours=24))
    assert [path.exists() for path in (old, young, other)] == [False, True, True]


# -- one publisher and sweepers, step by step ---------------------------------------------------------


class Stepped(Store):
    """A store whose requests wait for their turn, where it matters who comes first."""

    turn: Callable[[], None]

    def probe(self) -> datetime:
        return datetime.now(UTC)

    def create(self, path: str, data: bytes) -> None:
        self.turn()
        super().create(path, data)

    def delete(self, path: str) -> None:
        self.turn()
        super().delete(path)

    def exists(self, path: str) -> bool:
        self.turn()
        return super().exists(path)

    def sizes(self, prefix: str) -> dict[str, int]:
        self.turn()
        return super().sizes(prefix)

    def list(self, prefix: str, after: str | None = None) -> Paths:
        if prefix.startswith("gc/") or prefix == "models/penguins/":
            self.turn()
        return super().list(prefix, after)


class Died(BaseException):
    """What an actor that is to die meets in place of its next request."""


class Actor:
    """Something that runs in a thread of its own, one request at a time."""

    def __init__(self, backend: MemoryStore, act: Callable[[Registry], None]) -> None:
        store = Stepped("memory://", None, backend)
        store._honest, store.turn = True, self._wait
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self.done, self._dying, self.error = False, False, None
        threading.Thread(target=self._run, args=(act, Registry(store)), daemon=True).start()
        self._paused.acquire()

    def _run(self, act: Callable[[Registry], None], registry: Registry) -> None:
        try:
            act(registry)
        except Died:
            pass
        except BaseException as exc:
            self.error = exc
        self.done = True
        self._paused.release()

    def _wait(self) -> None:
        self._paused.release()
        self._go.acquire()
        if self._dying:
            raise Died

    def step(self) -> None:
        self._go.release()
        self._paused.acquire()

    def die(self) -> None:
        self._dying = True
        self._go.release()
        self._paused.acquire()


STATES = ("absent", "loose", "marked", "swept", "swept and loose", "swept and marked")


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two artifacts that are only a manifest: one blob each."""
    home = tmp_path_factory.mktemp("artifacts")
    return bare(home / "first", created="2026-01-01T00:00:00Z"), bare(home / "second", created="2026-01-02T00:00:00Z")


def bare(folder: Path, **changes: str) -> Path:
    handmade.artifact(folder / "whole")
    manifest = Manifest.from_json((folder / "whole" / "manifest.json").read_bytes())
    (folder / "bare").mkdir()
    (folder / "bare" / "manifest.json").write_bytes(msgspec.structs.replace(manifest, files={}, **changes).to_json())
    return folder / "bare"


def publish_bare(registry: Registry, folder: Path) -> None:
    registry.publish(folder, name="penguins", contract=handmade.contract(), contract_number=1, by="ada")


def prepared(state: str, artifacts: tuple[Path, Path]) -> MemoryStore:
    """A store with one version, and the blob of the next one in some state."""
    backend = MemoryStore()
    registry = Registry(Store("memory://", None, backend))
    publish_bare(registry, artifacts[0])
    raw = (artifacts[1] / "manifest.json").read_bytes()
    rounds = {"absent": [], "swept": [2]}.get(state) or ([2] if state.startswith("swept") else [])
    for collections in [*rounds, *([] if state in ("absent", "swept") else [state.endswith("marked")])]:
        blobs.put(registry.store, hashlib.sha256(raw).hexdigest(), lambda: raw, "somebody who died")
        for _ in range(collections):
            collect(registry)
    return backend


def check_whole(backend: MemoryStore) -> None:
    registry = Registry(Store("memory://", None, backend))
    assert len(registry.versions("penguins")) == 2
    for _ in range(4):
        report = registry.verify()
        assert report.findings == (), report
        collect(registry)


def interleave(
    backend: MemoryStore, actors: list[Actor], choices: Sequence[int], most_switches: float = math.inf
) -> list[tuple[int, int]]:
    """Run *actors* by *choices* (then the first that can); returns what was chosen among how many."""
    made, running, switches = [], None, 0
    while ready := [actor for actor in actors if not actor.done]:
        if switches >= most_switches and running in ready:
            ready = [running]
        choice = choices[len(made)] % len(ready) if len(made) < len(choices) else 0
        made.append((choice, len(ready)))
        switches += running in ready and ready[choice] is not running
        running = ready[choice]
        running.step()
    for actor in actors:
        if actor.error is not None:
            raise actor.error
    return made


def orders(run: Callable[[Sequence[int]], list[tuple[int, int]]]) -> int:
    """Run every order there is, depth first; returns how many there were."""
    choices: list[int] = []
    for count in itertools.count(1):
        made = run(choices)
        while made and made[-1][0] + 1 >= made[-1][1]:
            made.pop()
        if not made:
            return count
        choices = [choice for choice, _ in made[:-1]] + [made[-1][0] + 1]
    raise AssertionError


def twice(registry: Registry) -> None:
    collect(registry)
    collect(registry)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("state", "sweep", "most_switches"),
    [
        pytest.param("marked", collect, math.inf, id="marked"),
        pytest.param("swept and marked", collect, 4, id="swept-and-marked"),
        pytest.param("loose", twice, 3, id="loose-and-two-runs"),  # without a limit: 14602 orders, two minutes, whole
    ],
)
def test_every_order_of_a_publisher_and_a_sweeper(
    state: str, sweep: Callable[[Registry], object], most_switches: float, artifacts: tuple[Path, Path]
) -> None:
    def run(choices: Sequence[int]) -> list[tuple[int, int]]:
        backend = prepared(state, artifacts)
        sweeper = Actor(backend, sweep)
        publisher = Actor(backend, lambda registry: publish_bare(registry, artifacts[1]))
        made = interleave(backend, [sweeper, publisher], choices, most_switches)
        check_whole(backend)
        return made

    assert orders(run) > 100


@pytest.mark.parametrize("state", STATES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(choices=st.lists(st.integers(0, 5), max_size=60), deaths=st.lists(st.integers(0, 25), max_size=2))
def test_sweepers_that_stall_and_die(
    state: str, artifacts: tuple[Path, Path], choices: list[int], deaths: list[int]
) -> None:
    """Two sweepers of two runs each; whichever died after so many of its requests, the version is whole."""
    backend = prepared(state, artifacts)
    publisher = Actor(backend, lambda registry: publish_bare(registry, artifacts[1]))
    sweepers = [Actor(backend, twice) for _ in range(2)]
    for sweeper, requests in zip(sweepers, deaths, strict=False):
        mortal(sweeper, requests)
    interleave(backend, [publisher, *sweepers], choices)
    check_whole(backend)


def mortal(actor: Actor, requests: int) -> None:
    """Let *actor* die in place of the request after so many."""
    step, left = actor.step, itertools.count(requests, -1)
    actor.step = lambda: actor.die() if next(left) <= 0 else step()
