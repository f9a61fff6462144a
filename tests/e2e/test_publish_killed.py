"""A publish that is killed in place of any of its store writes: the old state stands, and the next one passes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import handmade
import registry_worker
from cloche.integrity import verify_files
from cloche.manifest import MANIFEST, Manifest
from cloche.registry import Registry
from cloche.store import Store
from warm import PROCESSES

KILLED = registry_worker.KILLED
MANY = 40

pytestmark = pytest.mark.e2e


def publish(store: Path, folder: Path, writes: int, promote: str) -> int:
    """The exit status of a process that publishes; forked from one that has imported already."""
    process = PROCESSES.Process(target=registry_worker.publish, args=(str(store), str(folder), str(writes), promote))
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return int(process.exitcode)


def opened(store: Path) -> Registry:
    return Registry(Store.open(str(store), store.parent))


def check_every_version_is_whole(registry: Registry, cache: Path) -> None:
    for record in registry.versions("penguins"):
        folder = registry.fetch(record, cache)
        verify_files(folder, Manifest.from_json((folder / MANIFEST).read_bytes()).files, besides=(MANIFEST,))
        registry.contract("penguins", record.contract)
    assert registry.verify().findings == ()


@pytest.mark.parametrize("promote", ["promote", "wait"])
def test_a_later_version(tmp_path: Path, promote: str) -> None:
    first = handmade.artifact(tmp_path / "first", content=b"first")
    second = handmade.artifact(tmp_path / "second", content=b"second")
    template = tmp_path / "template"
    opened(template).publish(first, name="penguins", contract=handmade.contract(), contract_number=1, by="ada")
    for writes in range(MANY):
        store = tmp_path / f"store-{writes}"
        shutil.copytree(template, store)
        code = publish(store, second, writes, promote)
        registry = opened(store)
        versions = [record.version for record in registry.versions("penguins")]
        check_every_version_is_whole(registry, tmp_path / "cache")
        if code == 0:
            assert versions == [1, 2]
            assert registry.routes("penguins").live == {1: 2 if promote == "promote" else 1}
            assert writes >= 4  # at least: a blob, the manifest, the contract, the version
            break
        assert code == KILLED
        assert versions in ([1], [1, 2])  # the version is whole as soon as it is seen; its promotion may be missing
        assert registry.resolve("penguins").version.version == 1
        assert publish(store, second, MANY, promote) == 0
        assert opened(store).versions("penguins")[-1].version == len(versions) + 1
        check_every_version_is_whole(opened(store), tmp_path / "cache")
    else:
        pytest.fail("never came to an end")


def test_the_very_first_version(tmp_path: Path) -> None:
    artifact = handmade.artifact(tmp_path / "artifact")
    for writes in range(MANY):
        store = tmp_path / f"store-{writes}"
        code = publish(store, artifact, writes, "wait")
        registry = opened(store)
        check_every_version_is_whole(registry, tmp_path / "cache")
        if code == 0:
            assert registry.resolve("penguins").version.version == 1
            break
        assert code == KILLED
        assert registry.routes("penguins") is None
        assert publish(store, artifact, MANY, "wait") == 0
        again = opened(store)
        assert again.resolve("penguins").version == again.versions("penguins")[-1]
    else:
        pytest.fail("never came to an end")
