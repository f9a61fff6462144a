"""
Publishing: blobs first, then the contract, the version object last. Killed anywhere, the old state stands.

What an interrupted publish leaves (blobs, a contract that no version names) is seen by nobody, and the next
publish goes over it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from cloche.contract.compare import compare
from cloche.contract.model import Contract
from cloche.errors import BreakingContractError, MissingFileError, ObjectExistsError, UsageError
from cloche.integrity import check_listing, read_plain, read_verified
from cloche.manifest import MANIFEST, SIGNATURE, identity
from cloche.registry import blobs, layout
from cloche.registry.listing import MANIFEST_LIMIT, SIGNATURE_LIMIT, listed_files
from cloche.registry.model import Origin, VersionRecord, encode
from cloche.registry.reader import Reader
from cloche.store import Store


def publish(
    reader: Reader,
    directory: Path,
    *,
    name: str,
    contract: Contract,
    contract_number: int,
    by: str,
    at: str,
    origin: Origin | None = None,
) -> VersionRecord:
    """
    Give the artifact in *directory* the next version number of *name*.

    Raises:
        ArtifactError: the directory is not what its manifest says.
        BreakingContractError: the contract, as versions published meanwhile left it, would be broken.
        UsageError: the contract number skips one.
    """
    manifest, signature = upload(reader.store, directory, by)
    while True:
        records, _ = reader.records(name)  # a number that was deleted stays taken
        revision = _put_contract(reader, records, name, contract, contract_number)
        record = VersionRecord(
            name=name,
            version=records[-1].version + 1 if records else 1,
            contract=contract_number,
            revision=revision,
            manifest=manifest,
            by=by,
            at=at,
            signature=signature,
            copied_from=origin,
        )
        # somebody else took the number: look again, for they may have changed the contract too
        with contextlib.suppress(ObjectExistsError):
            reader.store.create(layout.version(name, record.version), encode(record))
            break
    upload(reader.store, directory, by, again=True)
    return record


def upload(store: Store, directory: Path, by: str, *, again: bool = False) -> tuple[str, str | None]:
    """
    Store every file of the artifact by its digest; returns the digests of the manifest and of its signature.

    *again*: once the version is there, only what `gc` looked at meanwhile.
    """
    put = blobs.put_again if again else blobs.put
    raw = read_plain(directory / MANIFEST, limit=MANIFEST_LIMIT)
    files = listed_files(raw)
    check_listing(directory, files, besides=(MANIFEST, SIGNATURE))
    for path, entry in sorted(files.items()):
        put(store, entry.sha256, partial(read_verified, directory, path, entry), by)
    signature = _read_signature(directory)
    if signature is not None:
        put(store, identity(signature), partial(bytes, signature), by)
    put(store, identity(raw), partial(bytes, raw), by)
    return identity(raw), None if signature is None else identity(signature)


def _read_signature(directory: Path) -> bytes | None:
    with contextlib.suppress(MissingFileError):
        return read_plain(directory / SIGNATURE, limit=SIGNATURE_LIMIT)
    return None


def _put_contract(reader: Reader, records: Sequence[VersionRecord], name: str, contract: Contract, number: int) -> int:
    """
    The revision of contract *number* that says exactly *contract*, written if there is none yet.

    Only revisions that a version names count as promised; others are left from interrupted publishes.
    """
    latest = max((record.contract for record in records), default=0)
    if not 1 <= number <= latest + 1:
        raise UsageError(f"model '{name}': expected a contract number from 1 to {latest + 1}, got {number}")
    promised = max((record.revision for record in records if record.contract == number), default=None)
    if promised is not None:
        current = reader.read_contract(layout.contract(name, number, promised))
        if current.to_json() == contract.to_json():
            return promised
        _refuse_breaks(name, number, current, contract)
    return _write_revision(reader, name, number, contract, 0 if promised is None else promised + 1)


def _write_revision(reader: Reader, name: str, number: int, contract: Contract, start: int) -> int:
    raw, revision = contract.to_json(), start
    while True:
        path = layout.contract(name, number, revision)
        try:
            reader.store.create(path, raw)
        except ObjectExistsError:
            if reader.store.get(path) != raw:
                revision += 1
                continue
        return revision


def _refuse_breaks(name: str, number: int, current: Contract, contract: Contract) -> None:
    breaks = list(compare(current, contract).breaks)
    if breaks:
        raise BreakingContractError(
            f"model '{name}': this version would break contract {number} as it stands now: "
            + "; ".join(breaks)
            + "; nothing was published",
            breaks,
        )
