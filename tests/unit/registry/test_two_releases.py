"""Two releases on one store: what a later one adds is ignored or carried along, and never touched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

import handmade
from cloche.keys import KeyRing
from cloche.registry import Registry
from cloche.store import Store
from stores import Place, again

LATER = {"from_the_future": {"a": [1, None, "x"]}}
FOREIGN = {
    "models/penguins/explanations/000001.json": b"\x00not JSON at all",
    "models/penguins/versions/000001.attested.json": b"{}",
    "models/penguins/contracts/1.examples.json": b"{}",
    "monitors/penguins/000001.json": b'{"drift": 1}',
    "keys/00000000.limits.json": b"{}",
    "backups/notes.txt": b"mine",
}


def add_keys(store: Store, path: str) -> None:
    place = Place(store, path)
    place.write_text(json.dumps(json.loads(place.read_text()) | LATER))


@pytest.fixture
def later(registry: Registry, publish: Callable, tmp_path: Path) -> Registry:
    """A store as a later release may leave it: more keys in every object, other objects beside them."""
    folder = handmade.artifact(tmp_path / "later")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | LATER))
    registry.publish(folder, name="penguins", contract=handmade.contract(), contract_number=1, by="later")
    publish()
    publish()
    registry.delete("penguins", 3, by="later")
    key, _ = KeyRing(registry.store).create(scopes=["predict"])
    for path in (
        "models/penguins/versions/000001.json",
        "models/penguins/versions/000003.deleted.json",
        f"keys/{key.id}.json",
    ):
        add_keys(registry.store, path)
    rewrite_events(registry.store)
    for path, data in FOREIGN.items():
        registry.store.create(path, data)
    return Registry(again(registry.store))


def rewrite_events(store: Store) -> None:
    """More keys in every event, and routes of a kind that is not known here; the chain holds."""
    previous = None
    for path in store.list("models/penguins/routes/"):
        event = json.loads(store.get(path)) | LATER
        event["routes"] |= {"canary": {"version": 2, "share": 0.1, "by": "robot"}} | LATER
        if previous is not None:
            event["previous"] = previous
        raw = json.dumps(event).encode()
        Place(store, path).write_bytes(raw)
        previous = hashlib.sha256(raw).hexdigest()


def test_what_a_later_release_wrote_is_read(later: Registry, tmp_path: Path) -> None:
    assert [record.version for record in later.versions("penguins")] == [1, 2]
    assert later.resolve("penguins").version.version == 1
    assert later.fetch(later.version("penguins", 1), tmp_path / "cache").is_dir()
    assert later.show("penguins@1")["framework"]
    assert len(KeyRing(later.store).list()) == 1
    assert [finding.severity for finding in later.verify().findings] == ["warning"]  # the object beside a version


def test_writing_beside_it_changes_nothing_of_it(later: Registry, publish: Callable) -> None:
    before = {path: later.store.get(path) for path in later.store.list("")}
    publish()
    later.promote("penguins", 2, by="ada")
    later.rollback("penguins", by="ada")
    later.delete("penguins", 4, by="ada")
    for _ in range(2):
        later.collect(by="gc", grace=timedelta(0))
    after = {path: later.store.get(path) for path in later.store.list("")}
    changed = {path for path in before if after.get(path) != before[path]}
    assert all(path.startswith("blobs/") for path in changed)
    assert later.version("penguins", 1)
    assert [finding.severity for finding in Registry(again(later.store)).verify().findings] == ["warning"]


def test_routes_of_a_kind_that_is_not_known_are_carried_along(later: Registry) -> None:
    event = later.promote("penguins", 2, by="ada")
    assert event.routes.canary == {"version": 2, "share": 0.1, "by": "robot"}
