"""From the store to the cache: every attack and every accident is a named case."""

from __future__ import annotations

import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cloche.errors import DigestMismatchError, ManifestError, MissingFileError, PathEscapeError, StoreError
from cloche.integrity import files_below
from cloche.manifest import Manifest
from cloche.registry import Registry, VersionRecord
from stores import Place, again, destroy


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_the_artifact_arrives_whole(registry, publish, cache) -> None:
    record = publish(content=b"bytes")
    folder = registry.fetch(record, cache)
    assert folder == cache / record.manifest
    assert files_below(folder) == ["contract.json", "manifest.json", "model.bin", "twin/graph.json"]
    assert (folder / "model.bin").read_bytes() == b"bytes"
    assert [p.name for p in cache.iterdir()] == [record.manifest]


def test_the_signature_travels_with_it(registry, tmp_path, cache) -> None:
    import handmade

    folder = handmade.artifact(tmp_path / "signed")
    (folder / "manifest.sig").write_bytes(b"signature")
    record = registry.publish(folder, name="a", contract=handmade.contract(), contract_number=1, by="ada")
    assert (registry.fetch(record, cache) / "manifest.sig").read_bytes() == b"signature"
    unsigned = registry.publish(
        handmade.artifact(tmp_path / "u"), name="a", contract=handmade.contract(), contract_number=1, by="ada"
    )
    assert not (registry.fetch(unsigned, cache) / "manifest.sig").exists()


def test_what_is_there_and_whole_needs_no_store(registry, publish, cache) -> None:
    record = publish()
    folder = registry.fetch(record, cache)
    destroy(registry.store)
    assert registry.fetch(record, cache) == folder


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda f: (f / "model.bin").write_bytes(b"other"), id="changed"),
        pytest.param(lambda f: (f / "model.bin").unlink(), id="missing"),
        pytest.param(lambda f: (f / "extra.py").write_bytes(b""), id="added"),
        pytest.param(lambda f: (f / "manifest.json").write_bytes(b"{}"), id="other-manifest"),
        pytest.param(lambda f: shutil.rmtree(f / "twin"), id="folder-gone"),
        pytest.param(lambda f: [shutil.rmtree(f), f.mkdir()], id="emptied"),
    ],
)
def test_a_damaged_cache_is_replaced(registry, publish, cache, damage) -> None:
    record = publish(content=b"bytes")
    damage(registry.fetch(record, cache))
    folder = registry.fetch(record, cache)
    assert (folder / "model.bin").read_bytes() == b"bytes"
    assert files_below(folder) == ["contract.json", "manifest.json", "model.bin", "twin/graph.json"]


def test_many_may_fetch_at_once(registry, publish, cache) -> None:
    record = publish()

    def fetch(_: int) -> Path:
        return Registry(again(registry.store)).fetch(record, cache)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(fetch, range(24))) == {cache / record.manifest}
    assert [p.name for p in cache.iterdir()] == [record.manifest]


def test_a_changed_blob_is_refused(registry, publish, cache) -> None:
    record = publish(content=b"bytes")
    sha = hashlib.sha256(b"bytes").hexdigest()
    (Place(registry.store) / f"blobs/sha256/{sha[:2]}/{sha}").write_bytes(b"bytez")
    with pytest.raises(DigestMismatchError, match="penguins@1: model.bin: expected sha256"):
        registry.fetch(record, cache)
    assert list(cache.iterdir()) == []


def test_a_missing_blob_is_named(registry, publish, cache) -> None:
    record = publish(content=b"bytes")
    sha = hashlib.sha256(b"bytes").hexdigest()
    (Place(registry.store) / f"blobs/sha256/{sha[:2]}/{sha}").unlink()
    with pytest.raises(MissingFileError, match=r"penguins@1: model.bin: store .* does not hold it"):
        registry.fetch(record, cache)


def forged(registry: Registry, record: VersionRecord, path: str) -> VersionRecord:
    """The same version with a manifest that lists *path*."""
    sha = record.manifest
    document = json.loads(registry.store.get(f"blobs/sha256/{sha[:2]}/{sha}"))
    document["files"][path] = document["files"].pop("model.bin")
    raw = json.dumps(document).encode()
    assert Manifest.from_json(raw)
    sha = hashlib.sha256(raw).hexdigest()
    registry.store.create(f"blobs/sha256/{sha[:2]}/{sha}", raw)
    return VersionRecord(name="penguins", version=9, contract=1, revision=0, manifest=sha, by="eve", at="now")


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "a/../../evil", "a\\..\\evil", "C:evil", "", "a//b", "./a"])
def test_paths_that_lead_out_are_refused(registry, publish, cache, tmp_path, path) -> None:
    with pytest.raises(PathEscapeError):
        registry.fetch(forged(registry, publish(), path), cache)
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("path", ["manifest.json", "manifest.sig"])
def test_a_manifest_that_lists_itself_is_refused(registry, publish, cache, path) -> None:
    with pytest.raises(ManifestError, match="lists"):
        registry.fetch(forged(registry, publish(), path), cache)


@pytest.mark.parametrize("sha", ["../../etc", "", "A" * 64, "0" * 63])
def test_a_version_whose_digest_is_none(registry, cache, sha) -> None:
    record = VersionRecord(name="a", version=1, contract=1, revision=0, manifest=sha, by="eve", at="now")
    with pytest.raises(StoreError, match="expected a sha256"):
        registry.fetch(record, cache)


def test_a_cache_that_cannot_be_written(registry, publish, tmp_path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StoreError, match=f"cache {tmp_path}/cache: cannot write"):
        registry.fetch(publish(), tmp_path / "cache")
