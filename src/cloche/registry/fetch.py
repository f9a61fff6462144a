"""From a version to a folder: its artifact, every digest checked, under `CACHE/<manifest sha256>/`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from cloche.errors import (
    ArtifactError,
    DigestMismatchError,
    MissingFileError,
    ObjectNotFoundError,
    StoreError,
    StoreUnreachableError,
)
from cloche.integrity import read_plain, verify_files
from cloche.manifest import MANIFEST, SIGNATURE, identity
from cloche.registry import blobs, layout, signatures
from cloche.registry.listing import MANIFEST_LIMIT, SIGNATURE_LIMIT, listed_files
from cloche.registry.model import VersionRecord
from cloche.signing import is_signed_by_trusted, later_signatures
from cloche.store import Store
from cloche.trust import DEFAULT, TrustPolicy


def fetch(store: Store, record: VersionRecord, cache: Path, trust: TrustPolicy = DEFAULT) -> Path:
    """
    The folder of the version's artifact; one that is there and whole is used without asking the store.

    Several processes may fetch at once: each fills a folder of its own, and the first one is kept. Where *trust* has
    signing keys and none of them is known to have signed the version, signatures that were added since are fetched too.

    Raises:
        PathEscapeError, DigestMismatchError, MissingFileError: the store's artifact is not what the version says.
        StoreError: the store did not answer, or the cache cannot be written.
    """
    layout.blob(record.manifest)  # a digest, before it becomes the name of a folder
    folder = cache / record.manifest
    try:
        if not _whole(folder, record):
            _fetch(store, record, folder, cache)
        if trust.signing_keys:
            _fetch_signatures(store, record, folder, trust)
    except OSError as exc:
        raise StoreError(f"cache {cache}: cannot write: {exc.strerror}") from exc
    return folder


def _fetch(store: Store, record: VersionRecord, folder: Path, cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".fetch-", dir=cache))
    try:
        _fill(store, record, staging / "artifact")
        _put_in_place(staging, folder, record)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _fetch_signatures(store: Store, record: VersionRecord, folder: Path, trust: TrustPolicy) -> None:
    """Put the signatures that lie beside the version beside its folder; while the store is away, those there stay."""
    beside = later_signatures(folder)
    manifest = (folder / MANIFEST).read_bytes()
    known = beside.read_bytes() if beside.is_file() else b""
    own = (folder / SIGNATURE).read_bytes() if (folder / SIGNATURE).is_file() else None
    if is_signed_by_trusted(manifest, own, trust, known):
        return
    with contextlib.suppress(StoreUnreachableError):
        found = b"".join(one.line for one in signatures.of_version(store, record, manifest))
        if found and found != known:
            descriptor, staged = tempfile.mkstemp(prefix=".signatures-", dir=folder.parent)
            with os.fdopen(descriptor, "wb") as file:
                file.write(found)
            Path(staged).replace(beside)


def _whole(folder: Path, record: VersionRecord) -> bool:
    try:
        raw = read_plain(folder / MANIFEST, limit=MANIFEST_LIMIT)
        if identity(raw) != record.manifest or _signature(folder) != record.signature:
            return False
        verify_files(folder, listed_files(raw), besides=(MANIFEST, SIGNATURE))
    except (ArtifactError, OSError):
        return False
    return True


def _signature(folder: Path) -> str | None:
    with contextlib.suppress(MissingFileError):
        return identity(read_plain(folder / SIGNATURE, limit=SIGNATURE_LIMIT))
    return None


def _fill(store: Store, record: VersionRecord, folder: Path) -> None:
    folder.mkdir()
    raw = _blob(store, record, MANIFEST, record.manifest)
    files = listed_files(raw)
    (folder / MANIFEST).write_bytes(raw)
    if record.signature is not None:
        (folder / SIGNATURE).write_bytes(_blob(store, record, SIGNATURE, record.signature))
    for name, entry in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(_blob(store, record, name, entry.sha256))


def _blob(store: Store, record: VersionRecord, name: str, sha256: str) -> bytes:
    where = f"{record.name}@{record.version}: {name}"
    try:
        raw = blobs.read(store, sha256)
    except ObjectNotFoundError as exc:
        raise MissingFileError(f"{where}: store {store.describe()} does not hold it; run: cloche verify") from exc
    digest = hashlib.sha256(raw).hexdigest()
    if digest != sha256:
        raise DigestMismatchError(f"{where}: expected sha256 {sha256[:12]}…, got {digest[:12]}…; run: cloche verify")
    return raw


def _put_in_place(staging: Path, folder: Path, record: VersionRecord) -> None:
    """Rename the filled folder; one that is there is kept if it is whole, and set aside if it is not."""
    for _ in range(3):
        with contextlib.suppress(OSError):
            os.rename(staging / "artifact", folder)  # noqa: PTH104  (an existing empty folder may be replaced)
            return
        if _whole(folder, record):
            return
        with contextlib.suppress(OSError):
            os.rename(folder, staging / "damaged")  # noqa: PTH104
    raise StoreError(f"cache {folder}: cannot be replaced; delete it")
