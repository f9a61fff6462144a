"""From one store to another: a version, or everything."""

from __future__ import annotations

import msgspec

from cloche import audit
from cloche.api.opening import naming
from cloche.api.workplace import Workplace
from cloche.artifact import check_signature, check_trusted, read_contract
from cloche.contract.compare import compare
from cloche.contract.model import Contract
from cloche.errors import BreakingContractError, SignatureError, UsageError
from cloche.registry import Copied, Origin, Registry, VersionRecord, back_up, blobs, check_name, restore, signatures
from cloche.registry.reader import Reader
from cloche.registry.registry import utc_now
from cloche.store import Store


def copy(here: Workplace, reference: str, to: str, *, name: str | None = None) -> tuple[VersionRecord, bool]:
    """
    Register a version in another store, or under another name; whether it is new there.

    The artifact stays what it is, byte for byte. Its number and its contract are those of the target.

    Signatures go with it, those that were added later too.

    Raises:
        BreakingContractError: callers of the target's contract would break; nothing was written.
        SignatureError: signatures are required here, and it has none by a trusted key; nothing was written.
    """
    found = here.registry.resolve(reference).version
    target, name = Registry(here.other_store(to)), check_name(name or found.name)
    if (target.store.url, name) == (here.store.url, found.name):
        raise UsageError(f"{found.name}@{found.version}: --to is the store it is in; say --name for another name there")
    same = [record for record in target.versions(name) if record.manifest == found.manifest]
    if same:
        return same[-1], False
    directory = here.registry.fetch(found, here.settings.cache, here.trust)
    with naming(found):
        check_trusted(directory, here.trust)
    contract = read_contract(directory)
    record = target.publish(
        directory,
        name=name,
        contract=contract,
        contract_number=_contract_number(target, name, contract),
        by=here.user,
        origin=Origin(store=here.store.describe(), name=found.name, version=found.version),
    )
    for one in here.registry.signatures_of(found):
        signatures.keep(target.store, msgspec.structs.replace(one, name=record.name, version=record.version))
    return record, True


def backup(here: Workplace, to: str) -> tuple[Store, Copied]:
    """
    Bring the backup at *to* up to date.

    Raises:
        RefusedError: it is one of another history.
    """
    target = _other(here, to, "--to")
    return target, back_up(here.registry, target, by=here.user, at=utc_now())


def restore_from(here: Workplace, source: str) -> tuple[Store, Copied]:
    """
    Bring the store to the state of the last backup at *source*.

    Raises:
        RefusedError: there is no complete backup, or the store holds something that is not in it.
        SignatureError: signatures are required here, and a version has none by a trusted key; nothing was written.
    """
    backup_store = _other(here, source, "--from")
    if here.trust.require_signature:
        _refuse_unsigned(here, Reader(backup_store))
    return backup_store, restore(backup_store, here.registry, by=here.user)


def _refuse_unsigned(here: Workplace, backup_store: Reader) -> None:
    for record in (one for name in backup_store.models() for one in backup_store.versions(name)):
        manifest = backup_store.raw_manifest_of(record)
        own = None if record.signature is None else blobs.read(backup_store.store, record.signature)
        later = b"".join(one.line for one in backup_store.signatures_of(record))
        try:
            check_signature(manifest, own, here.trust, later)
        except SignatureError as exc:
            name = f"{record.name}@{record.version}"
            audit.record(
                here.trust.audit, who=here.user, what="restore", verdict="refused", name=name, digest=record.manifest,
                why=f"SignatureError: {exc}",
            )  # fmt: skip
            told = str(exc).replace("NAME@VERSION", f"{name} --store {backup_store.store.describe()}")
            raise SignatureError(f"{name}: {told}; nothing was written") from exc


def _other(here: Workplace, where: str, flag: str) -> Store:
    found = here.other_store(where)
    if found.url == here.store.url:
        raise UsageError(f"{flag}: expected another place than the store itself, got {found.describe()}")
    return found


def _contract_number(target: Registry, name: str, contract: Contract) -> int:
    """The contract that the latest version there answers, if this one keeps it."""
    versions = target.versions(name)
    if not versions:
        return 1
    number = versions[-1].contract
    breaks = list(compare(target.contract(name, number), contract).breaks)
    if breaks:
        listed = "\n".join(f"  - {one}" for one in breaks)
        raise BreakingContractError(
            f"{name}: the copy breaks contract {number} of {target.store.describe()}; nothing was written:\n{listed}\n"
            "way out: copy it under another name (--name)",
            breaks,
        )
    return number
