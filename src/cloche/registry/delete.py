"""Deleting a version: a tombstone beside it, an event in the chain. Its number stays taken; `gc` takes its blobs."""

from __future__ import annotations

import contextlib

from cloche.errors import ObjectExistsError, RefusedError
from cloche.registry import layout, routes
from cloche.registry.model import Tombstone, VersionRecord, encode
from cloche.registry.reader import Reader


def delete(reader: Reader, record: VersionRecord, *, by: str, at: str, why: str | None) -> Tombstone:
    """
    Delete a version that no route points at. Killed on the way, it is done by doing it again.

    Raises:
        RefusedError: a route points at it; nothing was deleted.
    """
    head = reader.head(record.name)
    if head is not None:
        routes.refuse_routed(head.routes, record)
    stone = Tombstone(name=record.name, version=record.version, by=by, at=at, why=why)
    path = layout.tombstone(record.name, record.version)
    with contextlib.suppress(ObjectExistsError):
        reader.store.create(path, encode(stone))
    if head is not None:
        try:
            routes.append(reader, record.name, routes.deletion(record), by=by, at=at, why=why)
        except RefusedError:  # promoted while the tombstone was written
            reader.store.delete(path)
            raise
    return stone
