"""The store: created once, read, listed; every way it can fail is one line that names it."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from cloche.errors import (
    DishonestStoreError,
    ObjectExistsError,
    ObjectNotFoundError,
    StoreError,
    StoreUnreachableError,
    UsageError,
)
from cloche.store import MARKER, Store, files


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "store"), tmp_path)


@pytest.fixture
def bucket() -> Store:
    """The way of an object store, on obstore's own store in memory."""
    return Store("s3://bucket", None, MemoryStore())


def test_an_object_store_keeps_the_same_promises(bucket: Store) -> None:
    assert bucket.list("models/") == [] == bucket.folders("models")
    for path in ("models/b/000002.json", "models/a/000010.json", "models/a/000009.json"):
        bucket.create(path, path.encode())
    with pytest.raises(ObjectExistsError, match="store s3://bucket: object 'models/b/000002.json' exists already"):
        bucket.create("models/b/000002.json", b"other")
    with pytest.raises(ObjectNotFoundError, match="store s3://bucket: no object 'models/c'"):
        asyncio.run(bucket.aget("models/c"))
    assert asyncio.run(bucket.aget("models/b/000002.json")) == b"models/b/000002.json"
    assert bucket.list("models/a/", after="models/a/000009.json") == ["models/a/000010.json"]
    assert asyncio.run(bucket.alist("models/a")) == ["models/a/000009.json", "models/a/000010.json"]
    assert bucket.folders("models") == ["a", "b"]
    assert bucket.exists(MARKER)
    assert not bucket.exists("models/a")


def test_what_was_created_is_read_back(store: Store) -> None:
    store.create("models/a/versions/000001.json", b"one")
    assert store.get("models/a/versions/000001.json") == b"one"
    assert store.exists("models/a/versions/000001.json")
    assert type(store.get("models/a/versions/000001.json")) is bytes


def test_nothing_is_overwritten(store: Store) -> None:
    store.create("a", b"one")
    with pytest.raises(ObjectExistsError, match="object 'a' exists already"):
        store.create("a", b"two")
    assert store.get("a") == b"one"


@pytest.mark.parametrize("kind", ["folder", "object store"])
def test_what_was_deleted_is_gone_and_may_be_created_again(kind: str, store: Store, bucket: Store) -> None:
    store = store if kind == "folder" else bucket
    store.delete("agents/none/000001.json")
    store.create("agents/a/000001.json", b"one")
    store.create("agents/a/000002.json", b"two")
    store.delete("agents/a/000001.json")
    store.delete("agents/a/000001.json")
    assert store.list("agents/a/") == ["agents/a/000002.json"]
    store.create("agents/a/000001.json", b"three")
    assert store.get("agents/a/000001.json") == b"three"


def test_only_objects_of_the_store_are_deleted(store: Store, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"mine")
    with pytest.raises(StoreError, match="is not the name of an object"):
        store.delete("../outside")
    store.create("a/b", b"one")
    with pytest.raises(StoreUnreachableError, match="cannot delete 'a'"):
        store.delete("a")
    assert (tmp_path / "outside").exists()


def test_a_missing_object_is_named_with_its_store(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFoundError, match=f"store {tmp_path}/store: no object 'b'"):
        store.get("b")
    store.create("a", b"one")
    with pytest.raises(ObjectNotFoundError, match=f"store {tmp_path}/store: no object 'b'"):
        store.get("b")
    with pytest.raises(ObjectNotFoundError):
        asyncio.run(store.aget("b"))


def test_lists_are_sorted_and_start_behind_an_object(store: Store) -> None:
    for number in (3, 1, 2, 10):
        store.create(f"models/a/{number:06d}.json", b"")
    store.create("models/ab/000001.json", b"")
    assert store.list("models/a/") == [f"models/a/{n:06d}.json" for n in (1, 2, 3, 10)]
    assert store.list("models/a", after="models/a/000002.json") == ["models/a/000003.json", "models/a/000010.json"]
    assert asyncio.run(store.alist("models/a/", after="models/a/000003.json")) == ["models/a/000010.json"]
    assert store.folders("models/") == ["a", "ab"]
    assert store.list("none/") == [] == store.folders("none")


def test_a_store_that_does_not_exist_is_empty_and_stays_away(store: Store, tmp_path: Path) -> None:
    assert store.list("models/") == [] == store.folders("models")
    assert asyncio.run(store.alist("models/")) == []
    assert not store.exists("a")
    assert list(tmp_path.iterdir()) == []


def test_no_staged_file_is_left_or_listed(store: Store, tmp_path: Path) -> None:
    store.create("a/b", b"one")
    with pytest.raises(ObjectExistsError):
        store.create("a/b", b"two")
    (tmp_path / "store" / "a" / "c#123").write_bytes(b"a writer that was killed")
    assert store.list("a/") == ["a/b"]
    assert sorted(p.name for p in (tmp_path / "store" / "a").iterdir()) == ["b", "c#123"]


# -- where a store is -------------------------------------------------------------------------------


def test_without_a_name_the_nearest_folder_is_the_store(tmp_path: Path) -> None:
    deep = tmp_path / "project" / "notebooks"
    deep.mkdir(parents=True)
    assert Store.open(None, deep).root == deep / ".cloche"
    (tmp_path / "project" / ".cloche").mkdir()
    assert Store.open(None, deep).root == tmp_path / "project" / ".cloche"
    (deep / ".cloche").mkdir()
    assert Store.open(None, deep).root == deep / ".cloche"


@pytest.mark.parametrize(
    ("text", "root"),
    [
        pytest.param("here", "/work/here", id="relative-path"),
        pytest.param("../there", "/there", id="parent"),
        pytest.param("/abs/store", "/abs/store", id="absolute-path"),
        pytest.param("file:///abs/store/", "/abs/store", id="url"),
        pytest.param("file:///a%20b/store", "/a b/store", id="escaped-url"),
    ],
)
def test_paths_and_file_urls(text: str, root: str) -> None:
    opened = Store.open(text, Path("/work"))
    assert str(opened.root) == root
    assert opened.describe() == root
    assert opened.url.startswith("file:///")


@pytest.mark.parametrize(
    "text", ["ftp://host/x", "http://host/x", "file://host/x", "file:relative/../x://", "file:///a?b=c"]
)
def test_urls_that_are_not_spoken(text: str) -> None:
    with pytest.raises(UsageError, match="expected file://"):
        Store.open(text, Path("/work"))


def test_an_object_store_keeps_its_url() -> None:
    opened = Store.open("s3://bucket/prefix/", Path("/work"))
    assert (opened.root, opened.describe()) == (None, "s3://bucket/prefix")


# -- failing ----------------------------------------------------------------------------------------


def test_a_missing_parent_is_no_place_for_a_store(tmp_path: Path) -> None:
    lost = Store.open(str(tmp_path / "not-mounted" / "store"), tmp_path)
    assert lost.list("models/") == []
    with pytest.raises(StoreUnreachableError, match="not-mounted does not exist; create it first"):
        lost.create("a", b"")


def test_a_store_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a folder")
    store = Store.open("store", tmp_path)
    for attempt in (lambda: store.get("a"), lambda: store.list("a"), lambda: store.create("a", b"")):
        with pytest.raises(StoreUnreachableError, match=f"store {tmp_path}/store: expected a folder, got a file"):
            attempt()


def test_an_object_where_a_folder_is_needed(store: Store) -> None:
    store.create("a", b"")
    with pytest.raises(StoreUnreachableError, match="store .*: "):
        store.create("a/b", b"")


@pytest.mark.parametrize("path", ["../a", "a/../../b", "/a", "a//b", "a/./b", "a\\b", "", "a\0b"])
def test_names_that_lead_elsewhere(store: Store, path: str) -> None:
    with pytest.raises(StoreError):
        store.create(path, b"")


@pytest.mark.parametrize(
    ("number", "says"),
    [
        pytest.param(errno.ENOSPC, "No space left on device", id="disk-full"),
        pytest.param(errno.EROFS, "Read-only file system", id="read-only"),
        pytest.param(errno.EACCES, "Permission denied", id="no-permission"),
        pytest.param(errno.EIO, "Input/output error", id="broken-disk"),
    ],
)
def test_a_disk_that_refuses(store: Store, monkeypatch: pytest.MonkeyPatch, number: int, says: str) -> None:
    store.create("before", b"")

    def refuse(path: Path, data: bytes) -> None:
        path.write_bytes(data[:1])
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(files, "_write_synced", refuse)
    with pytest.raises(StoreUnreachableError, match=f"cannot write 'a': {says}$"):
        store.create("a", b"data")
    assert store.list("") == ["before", *store.list("probes"), MARKER]


def test_a_file_system_without_hard_links(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted", str(source), None, str(target))

    monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(StoreUnreachableError, match="no hard links"):
        store.create("a", b"")


def test_an_unreachable_store_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_REGION": "eu-west-1",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    away = Store.open("s3://bucket/prefix", Path("/work"))
    with pytest.raises(StoreUnreachableError, match="store s3://bucket/prefix: ") as caught:
        away.get("a")
    assert "\n" not in str(caught.value)


# -- honesty ----------------------------------------------------------------------------------------


class Overwriting(Store):
    """A store that answers 'created' whatever was there."""

    def _put(self, path: str, data: bytes) -> None:
        try:
            super()._put(path, data)
        except ObjectExistsError:
            assert self.root is not None
            (self.root / path).write_bytes(data)


def test_a_store_that_overwrites_is_refused_at_the_first_write(tmp_path: Path) -> None:
    store = Overwriting.open("store", tmp_path)
    with pytest.raises(DishonestStoreError, match="overwrote an object"):
        store.create("models/a", b"")
    assert not store.exists("models/a")


class Recording(Store):
    """A store that remembers what was written."""

    written: tuple[str, ...] = ()

    def _put(self, path: str, data: bytes) -> None:
        super()._put(path, data)
        Recording.written += (path,)


def test_a_folder_that_was_unmounted_is_not_made_anew(tmp_path: Path) -> None:
    root = tmp_path / "store"
    store = Store.open(str(root), tmp_path)
    store.create("a", b"1")
    assert not store.gone
    root.rename(tmp_path / "elsewhere")
    assert store.gone
    with pytest.raises(StoreUnreachableError, match="the folder is not there"):
        store.create("b", b"2")
    assert not root.exists()
    (tmp_path / "elsewhere").rename(root)
    store.create("b", b"2")
    assert store.list("") == ["a", "b", "store.json"]


def test_an_honest_store_is_asked_once(tmp_path: Path) -> None:
    Recording.written = ()
    for name in ("a", "b"):
        again = Recording.open("store", tmp_path)
        again.create(name, b"")
        again.create(name * 2, b"")
    assert sum(path.startswith("probes/") for path in Recording.written) == 1
    assert again.list("probes/") == []
    assert again.exists(MARKER)
