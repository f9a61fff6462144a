"""Both kinds of store for one test: a folder, and S3 on SeaweedFS. What lies there can be changed behind its back."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import obstore

from cloche.store import Store

KINDS = ("folder", "s3")


def copied(store: Path | str, place: Path) -> str:
    """
    A copy of a folder that may be written to.

    What servers of other tests have logged into the shared one stays there: a copy begins without a log.
    """
    return str(shutil.copytree(store, place, ignore=shutil.ignore_patterns("log")))


@dataclass(frozen=True)
class Place:
    """An object of any store, with the few words of `pathlib.Path` that tests damage things with."""

    store: Store
    path: str = ""

    def __truediv__(self, more: str) -> Place:
        return Place(self.store, f"{self.path}/{more}".lstrip("/"))

    def read_text(self) -> str:
        return self.store.get(self.path).decode()

    def write_bytes(self, data: bytes) -> None:
        if self.store.root is not None:
            (self.store.root / self.path).write_bytes(data)
        else:
            obstore.put(self.store._remote(), self.path, data)

    def write_text(self, text: str) -> None:
        self.write_bytes(text.encode())

    def unlink(self) -> None:
        assert self.store.exists(self.path)
        self.store.delete(self.path)


def again(store: Store, kind: type[Store] = Store) -> Store:
    """The same store as another process would open it."""
    return kind.open(store.url, Path.cwd())


def destroy(store: Store) -> None:
    """Take every object away."""
    for path in store.list(""):
        store.delete(path)
