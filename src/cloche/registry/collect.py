"""
Garbage: blobs that no version names. One run marks them, a run a day later deletes them.

What a version names is every sha256 that stands anywhere in its object or in its manifest, so that a later cloche
may name blobs in ways that this one does not know. How publishers at work stay safe: `registry/blobs.py`.
"""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cloche.errors import ObjectNotFoundError, StoreError
from cloche.manifest import identity
from cloche.registry import blobs, layout
from cloche.registry.model import VersionRecord, decode
from cloche.registry.reader import Reader

GRACE = timedelta(hours=24)
_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


@dataclass(frozen=True, slots=True)
class Collected:
    """What one run did, or would do: numbers of blobs, and the bytes of those deleted."""

    kept: int = 0
    marked: int = 0
    waiting: int = 0
    deleted: int = 0
    bytes_deleted: int = 0


class Collector:
    """
    One walk over a store.

    The order is what makes it safe: the marks are read, then what the versions name, then a mark is decided.
    """

    def __init__(self, reader: Reader, by: str) -> None:
        self._reader = reader
        self._store = reader.store
        self._by = by

    def run(self, grace: timedelta, *, dry_run: bool) -> Collected:
        """Mark, and delete what was marked at least *grace* ago; with *dry_run* nothing is written."""
        now = datetime.now(UTC) if dry_run else self._store.probe()
        there = self._blobs()
        marks = {sha256: blobs.marks(self._store, sha256) for sha256 in sorted(self._marked() & there.keys())}
        named = self._named()
        counts = {"kept": 0, "marked": 0, "waiting": 0, "deleted": 0, "bytes_deleted": 0}
        for sha256, generations in sorted(there.items()):
            known = marks.get(sha256, blobs.Marks())
            step = self._step(sha256, known, now - grace, named=sha256 in named)
            if not dry_run:
                step, known = self._take(step, sha256, known)
            gone = [number for number in generations if number < known.generation + (step == "deleted")]
            counts["bytes_deleted"] += sum(generations[number] for number in gone)
            if not dry_run:
                for number in gone:
                    self._store.delete(layout.blob(sha256, number))
            counts[step] += 1
        if not dry_run:
            self._store.discard_staged(now - grace)
        return Collected(**counts)

    def _step(self, sha256: str, known: blobs.Marks, before: datetime, *, named: bool) -> str:
        """What is to be done with a blob."""
        if named:
            return "kept"
        if not known.open:
            return "marked"
        return "deleted" if self._store.written_at(layout.mark(sha256, known.count)) <= before else "waiting"

    def _take(self, step: str, sha256: str, known: blobs.Marks) -> tuple[str, blobs.Marks]:
        """Do it; what came out may be something else where a publisher was faster."""
        if step == "kept" and known.open:
            blobs.rescue(self._store, sha256, self._by)
        elif step == "marked":
            blobs.mark(self._store, sha256, self._by)
        elif step == "deleted" and blobs.decide(self._store, sha256, known.count, "swept", self._by) == "rescued":
            return "kept", known
        return step, known

    # -- what is there --------------------------------------------------------------------------

    def _marked(self) -> set[str]:
        """The blobs with a mark, decided or not."""
        paths = self._store.list(f"{layout.MARKS}/")
        return {path.split("/")[2] for path in paths if layout.mark_in(path) is not None and path.count("/") == 3}

    def _blobs(self) -> dict[str, dict[int, int]]:
        """For each digest, its generations and their sizes."""
        found: dict[str, dict[int, int]] = defaultdict(dict)
        for path, size in self._store.sizes(f"{layout.BLOBS}/").items():
            known = layout.blob_in(path)
            if known is not None:
                found[known[0]][known[1]] = size
        return dict(found)

    # -- what is named --------------------------------------------------------------------------

    def _named(self) -> set[str]:
        """Every digest that a version names, of those that were not deleted or that a route points at."""
        return {digest for name in self._store.folders(layout.MODELS) for digest in self._named_by(name)}

    def _named_by(self, name: str) -> Iterator[str]:
        paths = self._store.list(f"{layout.MODELS}/{name}/")
        for path in sorted(set(paths) - self._without_claim(name, paths)):
            with contextlib.suppress(ObjectNotFoundError):  # a tombstone that was withdrawn
                yield from self._named_in(name, path)

    def _without_claim(self, name: str, paths: list[str]) -> set[str]:
        """Objects that name no blobs, and versions that were deleted and that no route points at."""
        found = {path for path in paths if path.startswith((layout.routes(name), layout.contracts(name)))}
        stones = [layout.tombstone_in(path) for path in paths if path.startswith(layout.versions(name))]
        deleted = {number for number in stones if number is not None}
        routes = self._reader.routes(name) if deleted else None
        return found | {
            layout.version(name, number) for number in deleted if routes is None or not routes.routes_of(number)
        }

    def _named_in(self, name: str, path: str) -> Iterator[str]:
        raw = self._store.get(path)
        yield from digests(raw)
        if path.startswith(layout.versions(name)) and layout.number_in(path) is not None:
            record = decode(raw, VersionRecord, f"store {self._store.describe()}: {path}")
            yield from digests(self._manifest(record))

    def _manifest(self, record: VersionRecord) -> bytes:
        where = f"{record.name}@{record.version}"
        try:
            raw = blobs.read(self._store, record.manifest)
        except ObjectNotFoundError as exc:
            raise StoreError(f"{where}: its manifest is missing; nothing was deleted; run: cloche verify") from exc
        if identity(raw) != record.manifest:
            raise StoreError(f"{where}: its manifest was changed; nothing was deleted; run: cloche verify")
        return raw


def digests(raw: bytes) -> Iterator[str]:
    """Everything in *raw* that looks like a sha256."""
    return (found.decode() for found in _DIGEST.findall(raw))
