"""
Backups: another store that holds the same history, and a list of what belongs to it.

Written in an order in which a backup that was killed is an older state: blobs, contracts, versions, then routes.
Read in the opposite one, so that a version published meanwhile is whole or not there. A backup is a store itself:
`list`, `verify` and `gc` work on it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import msgspec

from cloche.errors import ArtifactError, ObjectExistsError, ObjectNotFoundError, RefusedError, StoreError
from cloche.registry import blobs, layout
from cloche.registry.collect import digests
from cloche.registry.listing import listed_files
from cloche.registry.model import VersionRecord, decode, encode
from cloche.registry.reader import Reader
from cloche.registry.verify import Verifier
from cloche.store import Store

BACKUPS = "backups/"
_KEYS = "keys/"


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """`backups/000001.json`: every object of a store at one moment, with its sha256; a blob by its digest alone."""

    source: str
    by: str
    at: str
    objects: dict[str, str]
    blobs: list[str]
    missing: list[str] = []  #: what the store had lost already


@dataclass(frozen=True, slots=True)
class Copied:
    """How many objects were written, how many were there already, and what the source had lost."""

    written: int
    there: int
    missing: tuple[str, ...] = ()


def latest(store: Store) -> Backup | None:
    """The last complete backup in *store*."""
    paths = store.list(BACKUPS)
    return decode(store.get(paths[-1]), Backup, f"store {store.describe()}: {paths[-1]}") if paths else None


def back_up(reader: Reader, target: Store, *, by: str, at: str) -> Copied:
    """
    Bring the backup in *target* up to date; what is new there is read back and hashed.

    Raises:
        RefusedError: *target* holds another history.
    """
    source = reader.store
    small = dict(_history(source))
    needed, missing = _needed(reader, small)
    hashed = {path: _sha(raw) for path, raw in small.items()}
    _refuse_other_history(target, hashed)
    written = sum(_copy_blob(source, target, sha256, by, missing) for sha256 in sorted(needed - missing))
    for path in sorted(small, key=_rank):
        written += _create(target, path, small[path])
    for sha256 in sorted(needed - missing):
        blobs.put_again(target, sha256, partial(blobs.read, source, sha256), by)
    total = len(small) + len(needed)
    done = Backup(source=source.describe(), by=by, at=at, objects=hashed, blobs=sorted(needed), missing=sorted(missing))
    _append(target, done)
    return Copied(written, total - written - len(missing), tuple(sorted(missing)))


def restore(backup: Store, target: Reader, *, by: str) -> Copied:
    """
    Bring *target* to the state of the last backup.

    Raises:
        RefusedError: *backup* holds no backup or has lost a part of it, or *target* holds something that is not in it.
        StoreError: an object of the backup is not what was backed up.
    """
    wanted = latest(backup)
    if wanted is None:
        raise RefusedError(f"store {backup.describe()}: no backup in it; cloche backup --to makes one")
    _refuse_other_history(target.store, wanted.objects)
    _refuse_incomplete(backup, wanted)
    lost: set[str] = set(wanted.missing)
    needed = sorted(set(wanted.blobs) - lost)
    written = sum(_copy_blob(backup, target.store, sha256, by, lost) for sha256 in needed)
    if lost - set(wanted.missing):
        changed = min(lost - set(wanted.missing))
        raise StoreError(f"store {backup.describe()}: {layout.blob(changed)}: changed since it was backed up")
    for path in sorted(wanted.objects, key=_rank):
        raw = backup.get(path)
        if _sha(raw) != wanted.objects[path]:
            raise StoreError(f"store {backup.describe()}: {path}: changed since it was backed up; restored up to there")
        written += _create(target.store, path, raw)
    for sha256 in needed:
        blobs.put_again(target.store, sha256, partial(blobs.read, backup, sha256), by)
    _check(target, lost)
    return Copied(written, len(wanted.objects) + len(wanted.blobs) - written - len(lost), tuple(sorted(lost)))


# -- what belongs to a history ---------------------------------------------------------------------


def _history(store: Store) -> Iterator[tuple[str, bytes]]:
    """Every object but the blobs; routes before versions before the rest: nothing points at what is not there."""
    names = store.folders(layout.MODELS)
    for folder in (layout.routes, layout.versions):
        for name in names:
            yield from _read(store, store.list(folder(name)))
    for name in names:
        ours = (layout.routes(name), layout.versions(name))
        yield from _read(store, (path for path in store.list(f"{layout.MODELS}/{name}/") if not path.startswith(ours)))
    yield from _read(store, store.list(_KEYS))


def _read(store: Store, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        with contextlib.suppress(ObjectNotFoundError):  # a tombstone that was withdrawn
            yield path, store.get(path)


def _needed(reader: Reader, small: dict[str, bytes]) -> tuple[set[str], set[str]]:
    """The blobs that are named by what was not deleted, and those of them that the store has lost."""
    there = {known[0] for known in map(layout.blob_in, reader.store.list(f"{layout.BLOBS}/")) if known}
    needed: set[str] = set()
    for path, raw in small.items():
        folder = path.split("/")[2] if path.startswith(f"{layout.MODELS}/") else ""
        if folder in ("", "routes", "contracts") or path.replace(".json", ".deleted.json") in small:
            continue
        needed |= set(digests(raw)) & there
        if folder == "versions" and layout.number_in(path) is not None:
            needed |= _listed(reader, decode(raw, VersionRecord, path))
    return needed, needed - there


def _listed(reader: Reader, record: VersionRecord) -> set[str]:
    found = {record.manifest} | ({record.signature} if record.signature is not None else set())
    try:
        return found | {entry.sha256 for entry in listed_files(blobs.read(reader.store, record.manifest)).values()}
    except (ArtifactError, ObjectNotFoundError):
        return found


def _rank(path: str) -> tuple[int, str]:
    """In what order objects are written: what takes away before what it takes away, what points last."""
    if path.startswith(_KEYS):
        return (0 if path.endswith(".revoked.json") else 4), path
    folder = path.split("/")[2]
    if folder == "versions":
        return (1 if layout.tombstone_in(path) is not None else 2), path
    return (3 if folder == "routes" else 0), path


# -- checks ----------------------------------------------------------------------------------------


def _refuse_other_history(target: Store, objects: dict[str, str]) -> None:
    """Everything in *target* has to be in *objects*, with the same bytes: it is empty, or an earlier state."""
    for path, raw in _history(target):
        if objects.get(path) != _sha(raw):
            what = "is something else there" if path in objects else "is not in what would be copied"
            raise RefusedError(
                f"store {target.describe()}: it holds another history: '{path}' {what}; nothing was written"
            )


def _refuse_incomplete(backup: Store, wanted: Backup) -> None:
    there = set(backup.list(""))
    known = {one[0] for one in map(layout.blob_in, there) if one}
    lost = sorted((wanted.objects.keys() - there) | (set(wanted.blobs) - set(wanted.missing) - known))
    if lost:
        raise RefusedError(
            f"store {backup.describe()}: the backup is not complete: {len(lost)} of its objects are missing, "
            f"the first is '{lost[0]}'; nothing was written"
        )


def _check(reader: Reader, lost: set[str]) -> None:
    report = Verifier(reader).run(reader.store.folders(layout.MODELS))
    wrong = [one for one in report.findings if one.severity == "error" and one.where.rpartition("/")[2] not in lost]
    if wrong:
        raise StoreError(f"store {reader.store.describe()}: {wrong[0].where}: {wrong[0].what}; run: cloche verify")


# -- copying ---------------------------------------------------------------------------------------


def _copy_blob(source: Store, target: Store, sha256: str, by: str, missing: set[str]) -> bool:
    """Copy one blob, hashed on both sides; one that the source has lost or that was changed goes to *missing*."""
    if target.exists(layout.blob(sha256, blobs.rescue(target, sha256, by))):
        return False
    raw = blobs.read(source, sha256)
    if _sha(raw) != sha256:
        missing.add(sha256)
        return False
    blobs.put(target, sha256, partial(bytes, raw), by)
    if _sha(blobs.read(target, sha256)) != sha256:
        raise StoreError(f"store {target.describe()}: {layout.blob(sha256)}: it does not give back what was written")
    return True


def _create(target: Store, path: str, raw: bytes) -> bool:
    try:
        target.create(path, raw)
    except ObjectExistsError:
        if target.get(path) != raw:
            raise RefusedError(f"store {target.describe()}: '{path}' was written by somebody else meanwhile") from None
        return False
    if target.get(path) != raw:
        raise StoreError(f"store {target.describe()}: {path}: it does not give back what was written")
    return True


def _append(target: Store, done: Backup) -> None:
    while True:
        number = max((n for n in map(layout.number_in, target.list(BACKUPS)) if n is not None), default=0) + 1
        with contextlib.suppress(ObjectExistsError):
            target.create(f"{BACKUPS}{number:06d}.json", encode(done))
            return


def _sha(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
