"""A store that holds one version and nothing else: what an image is given."""

from __future__ import annotations

from cloche.errors import DigestMismatchError
from cloche.manifest import SIGNATURE, identity
from cloche.registry import blobs, layout
from cloche.registry.listing import listed_files
from cloche.registry.model import Change, RouteEvent, RouteState, VersionRecord, encode
from cloche.registry.reader import Reader
from cloche.store import MARKER, MARKER_TEXT


def excerpt(reader: Reader, record: VersionRecord) -> dict[str, bytes]:
    """
    Every object of such a store by its path: the same bytes for the same version.

    The version keeps its number, its contract and its signatures, and is live. The one route event is the store's own,
    dated as the version is.

    Raises:
        ObjectNotFoundError: the store has lost a file of the artifact.
        DigestMismatchError: what is stored is not what was published.
    """
    raw = reader.raw_manifest_of(record)
    found = {
        MARKER: MARKER_TEXT,
        layout.version(record.name, record.version): encode(record),
        _contract(record): reader.store.get(_contract(record)),
        layout.event(record.name, 1): encode(_published(record)),
        layout.blob(record.manifest): raw,
    }
    for path, entry in listed_files(raw).items():
        found[layout.blob(entry.sha256)] = _blob(reader, record, path, entry.sha256)
    if record.signature is not None:
        found[layout.blob(record.signature)] = _blob(reader, record, SIGNATURE, record.signature)
    for path in reader.store.list(layout.signatures(record.name, record.version)):
        found[path] = reader.store.get(path)
    return dict(sorted(found.items()))


def _contract(record: VersionRecord) -> str:
    return layout.contract(record.name, record.contract, record.revision)


def _published(record: VersionRecord) -> RouteEvent:
    return RouteEvent(
        name=record.name,
        event=1,
        routes=RouteState(default_contract=record.contract, live={record.contract: record.version}),
        change=Change(kind="publish", contract=record.contract, version=record.version),
        by=record.by,
        at=record.at,
    )


def _blob(reader: Reader, record: VersionRecord, path: str, sha256: str) -> bytes:
    raw = blobs.read(reader.store, sha256)
    if identity(raw) != sha256:
        raise DigestMismatchError(
            f"{record.name}@{record.version}: {path} is not what was published; run: cloche verify"
        )
    return raw
