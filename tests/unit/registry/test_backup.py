"""Backups, rehearsed: the store is destroyed and comes back; what is not the same history is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from cloche.errors import RefusedError, StoreError, VersionNotFoundError
from cloche.keys import KeyRing
from cloche.registry import Registry, back_up, restore
from cloche.registry.backup import BACKUPS
from cloche.store import Store
from stores import Place, again, destroy


@pytest.fixture
def target(tmp_path: Path) -> Store:
    return Store.open("backup", tmp_path)


@pytest.fixture
def full(registry: Registry, publish: Callable) -> Registry:
    """Two models, a promote, a deleted version, a key and one that was revoked."""
    for number in range(3):
        publish(content=f"penguins {number}".encode())
    publish(name="seals", content=b"seals")
    registry.promote("penguins", 3, by="ada", why="better")
    registry.delete("penguins", 2, by="ada", why="wrong table")
    ring = KeyRing(registry.store)
    ring.create(scopes=["predict"], name="stays")
    ring.revoke(ring.create(scopes=["predict"], name="goes")[0].id)
    return registry


def history(store: Store) -> dict[str, bytes]:
    return {path: store.get(path) for path in store.list("") if path.startswith(("models/", "keys/"))}


def save(registry: Registry, target: Store):
    return back_up(Registry(again(registry.store)), target, by="ada", at="2026-01-01T00:00:00Z")


def test_what_was_destroyed_comes_back(full: Registry, target: Store, tmp_path: Path) -> None:
    before = history(full.store)
    assert save(full, target).missing == ()
    destroy(full.store)
    restored = Registry(again(full.store))
    restore(again(target), restored, by="ada")
    assert history(restored.store) == before
    assert restored.verify().findings == ()
    assert restored.resolve("penguins").version.version == 3
    assert (restored.fetch(restored.version("penguins", 3), tmp_path / "c") / "model.bin").read_bytes() == b"penguins 2"
    with pytest.raises(VersionNotFoundError, match="because: wrong table"):
        restored.version("penguins", 2)
    assert sorted(key.state() for key in KeyRing(restored.store).list()) == ["active", "revoked"]


def test_a_backup_is_a_store(full: Registry, target: Store) -> None:
    save(full, target)
    assert Registry(target).verify().findings == ()
    assert Registry(target).models() == ["penguins", "seals"]


def test_only_what_is_new_is_written(full: Registry, target: Store, publish: Callable) -> None:
    first = save(full, target)
    assert first.there == 0
    assert save(full, target).written == 0
    publish(content=b"one more")
    assert save(full, target).written == 3  # the model, the manifest, the version
    assert len(target.list(BACKUPS)) == 3


def test_an_earlier_state_is_brought_up_to_date(full: Registry, target: Store, publish: Callable) -> None:
    save(full, target)
    destroy(full.store)
    restore(target, Registry(again(full.store)), by="ada")
    assert restore(target, Registry(again(full.store)), by="ada").written == 0


def test_a_store_that_went_on_is_not_overwritten(full: Registry, target: Store) -> None:
    save(full, target)
    full.promote("penguins", 1, by="bob")
    before = full.store.list("")
    with pytest.raises(RefusedError, match=r"another history: 'models/penguins/routes/000004.json' is not in what"):
        restore(target, Registry(again(full.store)), by="ada")
    assert full.store.list("") == before


def test_the_backup_of_another_history_is_not_touched(full: Registry, target: Store, tmp_path: Path) -> None:
    save(full, target)
    before = target.list("")
    with pytest.raises(RefusedError, match="another history"):
        back_up(Registry(Store.open("other", tmp_path)), target, by="ada", at="now")
    assert target.list("") == before


def test_a_backup_that_lost_something_is_refused_before_anything_is_written(full: Registry, target: Store) -> None:
    save(full, target)
    Place(target, "models/penguins/versions/000003.json").unlink()
    destroy(full.store)
    with pytest.raises(RefusedError, match="not complete: 1 of its objects are missing"):
        restore(target, Registry(again(full.store)), by="ada")
    assert full.store.list("") == []


def test_a_backup_that_was_changed_is_refused(full: Registry, target: Store) -> None:
    save(full, target)
    sha = hashlib.sha256(b"seals").hexdigest()
    Place(target, f"blobs/sha256/{sha[:2]}/{sha}").write_bytes(b"seal")
    destroy(full.store)
    with pytest.raises(StoreError, match=f"{sha}: changed since it was backed up"):
        restore(target, Registry(again(full.store)), by="ada")
    assert full.store.list("models/") == []


def test_there_has_to_be_a_backup(registry: Registry, target: Store) -> None:
    with pytest.raises(RefusedError, match="no backup in it"):
        restore(target, registry, by="ada")


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_what_the_store_has_lost_is_told_and_the_rest_is_saved(full: Registry, target: Store, damage: str) -> None:
    sha = hashlib.sha256(b"penguins 0").hexdigest()
    place = Place(full.store, f"blobs/sha256/{sha[:2]}/{sha}")
    place.unlink() if damage == "missing" else place.write_bytes(b"x")
    assert save(full, target).missing == (sha,)
    destroy(full.store)
    restored = Registry(again(full.store))
    assert restore(target, restored, by="ada").missing == (sha,)
    assert [one.where.endswith(sha) for one in restored.verify().findings] == [True]
    assert restored.resolve("penguins").version.version == 3


def test_generations_of_a_blob_are_one_blob_in_the_backup(full: Registry, target: Store, publish: Callable) -> None:
    publish(name="owls", content=b"owls")
    publish(name="owls", content=b"other owls", promote=True)
    full.delete("owls", 1, by="ada")
    for _ in range(2):
        full.collect(by="gc", grace=timedelta(0))
    publish(name="owls", content=b"owls")
    save(full, target)
    destroy(full.store)
    restored = Registry(again(full.store))
    restore(target, restored, by="ada")
    assert restored.verify().findings == ()


def test_a_backup_that_was_killed_is_an_older_state(full: Registry, tmp_path: Path) -> None:
    class Mortal(Store):
        left = 0

        def _put(self, path: str, data: bytes) -> None:
            if Mortal.left == 0:
                raise KeyboardInterrupt
            Mortal.left -= 1
            super()._put(path, data)

    for writes in range(0, 40, 3):
        place = Mortal.open(f"backup-{writes}", tmp_path)
        Mortal.left = writes
        try:
            save(full, place)
        except KeyboardInterrupt:
            assert all(one.what.startswith("missing") is False for one in Registry(again(place)).verify().findings)
            assert Registry(again(place)).verify().findings == ()
            save(full, again(place))
        assert Registry(again(place)).verify().findings == ()
