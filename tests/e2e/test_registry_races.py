"""Processes that publish, promote and roll back at once: no event is lost, none is doubled."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cloche.registry import Registry
from cloche.store import Store

TESTS = Path(__file__).parent.parent
WORKER = TESTS / "registry_worker.py"
PROCESSES, OPERATIONS = 4, 12

pytestmark = pytest.mark.e2e


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])}


def start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WORKER), *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_no_event_is_lost(store_url: str, tmp_path: Path, seed: int) -> None:
    workers = [start("race", store_url, tmp_path, f"p{n}", OPERATIONS, seed * 100 + n) for n in range(PROCESSES)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    told = [worker.communicate(timeout=90)[0].splitlines() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * PROCESSES

    registry = Registry(Store.open(store_url, tmp_path))
    events, versions = registry.history("penguins"), registry.versions("penguins")
    assert [event.event for event in events] == list(range(1, len(events) + 1))
    assert [record.version for record in versions] == list(range(1, len(versions) + 1))
    assert len({record.manifest for record in versions}) == len(versions)
    assert sum(int(lines[-1].removeprefix("made ")) for lines in told) == len(events)
    assert registry.routes("penguins") == events[-1].routes
    assert registry.verify().findings == ()
    check_each_event_follows_from_the_one_before(registry, events)


def check_each_event_follows_from_the_one_before(registry: Registry, events: list) -> None:
    live, digest = None, None
    for event in events:
        assert event.change.before == live
        live = event.change.version
        assert event.routes.live == {1: live}
        assert event.previous == digest
        digest = hashlib.sha256(registry.store.get(f"models/penguins/routes/{event.event:06d}.json")).hexdigest()
