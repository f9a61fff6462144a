"""Checking a registry: every byte hashed again, every event linked to the one before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from cloche.errors import ClocheError, ObjectNotFoundError, StoreUnreachableError
from cloche.registry import blobs, layout, signatures
from cloche.registry.listing import listed_files
from cloche.registry.model import RouteEvent, Tombstone, VersionRecord, decode
from cloche.registry.reader import Reader


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written; `where` is an object of the store."""

    severity: Literal["error", "warning"]
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Report:
    """How many objects were looked at, and what is wrong with them."""

    checked: int
    findings: tuple[Finding, ...]


class Verifier:
    """One walk over the registry; findings are collected, not raised (a store that is away is)."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._findings: list[Finding] = []
        self._blobs: dict[str, bytes | None] = {}  # contents only of manifests; other blobs are just known
        self._checked = 0

    def run(self, names: list[str]) -> Report:
        """Check the models *names*."""
        for name in names:
            versions, deleted = self._check_versions(name)
            self._check_events(name, versions, deleted)
        return Report(self._checked, tuple(self._findings))

    def run_version(self, record: VersionRecord) -> Report:
        """Check one version: its object, its contract, its artifact, its signatures."""
        path = layout.version(record.name, record.version)
        self._check_version(record.name, record.version, path, deleted=False)
        return Report(self._checked, tuple(self._findings))

    def _error(self, where: str, what: str) -> None:
        self._findings.append(Finding("error", where, what))

    # -- versions -------------------------------------------------------------------------------

    def _check_versions(self, name: str) -> tuple[set[int], set[int]]:
        numbers: list[int] = []
        paths = self._reader.store.list(layout.versions(name))
        deleted = {number for number in map(layout.tombstone_in, paths) if number is not None}
        for path in paths:
            number = layout.number_in(path)
            if layout.tombstone_in(path) is not None:
                self._check_tombstone(name, path)
                continue
            if number is None:
                self._findings.append(Finding("warning", path, "not the name of a version; ignored"))
                continue
            numbers.append(number)
            self._check_version(name, number, path, deleted=number in deleted)
        for missing in sorted(set(range(1, max(numbers, default=0))) - set(numbers)):
            self._error(layout.version(name, missing), "missing: later versions exist")
        return set(numbers), deleted

    def _check_tombstone(self, name: str, path: str) -> None:
        try:
            stone = decode(self._read(path) or b"", Tombstone, path)
        except ClocheError as exc:
            self._error(path, str(exc))
            return
        if (stone.name, stone.version) != (name, layout.tombstone_in(path)):
            self._error(path, f"it is for {stone.name}@{stone.version}")

    def _check_version(self, name: str, number: int, path: str, *, deleted: bool) -> None:
        raw = self._read(path)
        try:
            record = decode(raw or b"", VersionRecord, path)
        except ClocheError as exc:
            self._error(path, str(exc))
            return
        if (record.name, record.version) != (name, number):
            self._error(path, f"expected {name}@{number}, got {record.name}@{record.version}")
        self._check_contract(record)
        if not deleted:
            self._check_artifact(record, path)
            self._check_signatures(record)

    def _check_contract(self, record: VersionRecord) -> None:
        path = layout.contract(record.name, record.contract, record.revision)
        try:
            self._checked += 1
            self._reader.read_contract(path)
        except StoreUnreachableError:
            raise
        except ClocheError as exc:
            self._error(path, str(exc))

    def _check_artifact(self, record: VersionRecord, path: str) -> None:
        try:
            raw = self._check_blob(record.manifest, keep=True)
            if record.signature is not None:
                self._check_blob(record.signature)
            if raw is None:
                return
            for entry in listed_files(raw).values():
                self._check_blob(entry.sha256)
        except StoreUnreachableError:
            raise
        except ClocheError as exc:
            self._error(path, str(exc))

    def _check_signatures(self, record: VersionRecord) -> None:
        """Of those added later: one that says nothing about the version is a warning, for nothing believes it."""
        paths = self._reader.store.list(layout.signatures(record.name, record.version))
        manifest = self._check_blob(record.manifest, keep=True) if paths else None
        for path in paths:
            self._checked += 1
            try:
                problem = signatures.read(self._reader.store, path).problem(record, manifest or b"")
            except StoreUnreachableError:
                raise
            except ClocheError as exc:
                problem = str(exc)
            if problem is not None:
                self._findings.append(Finding("warning", path, f"no valid signature, ignored: {problem}"))

    def _check_blob(self, sha256: str, *, keep: bool = False) -> bytes | None:
        """Hash a blob once, however many versions share it; *keep* its bytes for reading."""
        path = layout.blob(sha256)
        if sha256 in self._blobs and not (keep and self._blobs[sha256] is None):
            return self._blobs[sha256]
        raw = self._read_blob(path, sha256)
        if raw is not None and hashlib.sha256(raw).hexdigest() != sha256:
            self._error(path, f"expected sha256 {sha256[:12]}…, got {hashlib.sha256(raw).hexdigest()[:12]}…")
            raw = None
        self._blobs[sha256] = raw if keep else None
        return self._blobs[sha256]

    # -- events ---------------------------------------------------------------------------------

    def _check_events(self, name: str, versions: set[int], deleted: set[int]) -> None:
        live: set[int] = set()
        previous: str | None = None
        expected = 1
        for path in self._reader.store.list(layout.routes(name)):
            raw = self._read(path) or b""
            number = layout.number_in(path)
            if number != expected:
                self._error(path, f"expected event {expected}: an event is missing before this one")
            expected = (number or expected) + 1
            live = self._check_event(path, raw, number, previous, versions)
            previous = hashlib.sha256(raw).hexdigest()
        for version in sorted(live & deleted):
            self._error(layout.tombstone(name, version), "the route 'live' points at the version all the same")

    def _check_event(
        self, path: str, raw: bytes, number: int | None, previous: str | None, versions: set[int]
    ) -> set[int]:
        """Check one event; returns the versions that are live after it."""
        try:
            event = decode(raw, RouteEvent, path)
        except ClocheError as exc:
            self._error(path, str(exc))
            return set()
        if event.event != number:
            self._error(path, f"expected event {number}, got {event.event}")
        if event.previous != previous:
            self._error(path, "the chain is broken: it names another event before it than the one that is there")
        live = set(event.routes.live.values())
        for version in sorted(live - versions):
            self._error(path, f"the route 'live' points at version {version}, which does not exist")
        return live

    def _read_blob(self, path: str, sha256: str) -> bytes | None:
        self._checked += 1
        try:
            return blobs.read(self._reader.store, sha256)
        except ObjectNotFoundError:
            self._error(path, "missing")
            return None

    def _read(self, path: str) -> bytes | None:
        self._checked += 1
        try:
            return self._reader.store.get(path)
        except ObjectNotFoundError:
            self._error(path, "missing")
            return None
