"""From one store to another: a version, or everything."""

from __future__ import annotations

from pathlib import Path

from cloche.api.workplace import Workplace
from cloche.artifact.load import read_contract
from cloche.contract.compare import compare
from cloche.contract.model import Contract
from cloche.errors import BreakingContractError, UsageError
from cloche.registry import Copied, Origin, Registry, VersionRecord, back_up, check_name, restore
from cloche.registry.registry import utc_now
from cloche.store import Store


def copy(here: Workplace, reference: str, to: str, *, name: str | None = None) -> tuple[VersionRecord, bool]:
    """
    Register a version in another store, or under another name; whether it is new there.

    The artifact stays what it is, byte for byte. Its number and its contract are those of the target.

    Raises:
        BreakingContractError: callers of the target's contract would break; nothing was written.
    """
    found = here.registry.resolve(reference).version
    target, name = Registry(Store.open(to, Path.cwd())), check_name(name or found.name)
    if (target.store.url, name) == (here.store.url, found.name):
        raise UsageError(f"{found.name}@{found.version}: --to is the store it is in; say --name for another name there")
    same = [record for record in target.versions(name) if record.manifest == found.manifest]
    if same:
        return same[-1], False
    directory = here.registry.fetch(found, here.settings.cache, here.trust)
    contract = read_contract(directory)
    record = target.publish(
        directory,
        name=name,
        contract=contract,
        contract_number=_contract_number(target, name, contract),
        by=here.user,
        origin=Origin(store=here.store.describe(), name=found.name, version=found.version),
    )
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
    """
    backup_store = _other(here, source, "--from")
    return backup_store, restore(backup_store, here.registry, by=here.user)


def _other(here: Workplace, where: str, flag: str) -> Store:
    found = Store.open(where, Path.cwd())
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
