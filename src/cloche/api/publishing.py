"""From a staged artifact to a version, and from a version to a route: sign, number, publish, promote, roll back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cloche import audit
from cloche.api.opening import open_record
from cloche.api.version import Version
from cloche.api.workplace import Workplace
from cloche.artifact import check_trusted, chosen, sign
from cloche.contract.compare import compare
from cloche.contract.describe import describe
from cloche.errors import ArtifactError, BreakingContractError, SignatureError, UsageError
from cloche.flavors import get_flavor
from cloche.manifest import MANIFEST, identity
from cloche.registry import RouteEvent, VersionRecord
from cloche.saving import Staged, told

_HOW_TO_SIGN = "sign what is saved with a trusted key: sign_with=KEY, --sign KEY or CLOCHE_SIGNING_KEY"


def publish(
    here: Workplace, staged: Staged, *, promote: bool, new_contract: bool = False, sign_with: str | Path | None = None
) -> Version:
    """
    Publish *staged* under the contract number of the version it succeeds, or with *new_contract* under the next one.

    It is signed with the private key in the file *sign_with*, else with the one that the settings name.

    Raises:
        BreakingContractError: it would break callers of that contract; nothing was written.
        SignatureError: signatures are required here, and it has none by a trusted key; nothing was written.
    """
    name = staged.manifest.name
    number = _next_number(here, name) if new_contract else _contract_number(here, name, staged)
    _sign(here, staged.directory, sign_with)
    record = here.registry.publish(
        staged.directory, name=name, contract=staged.contract, contract_number=number, by=here.user, promote=promote
    )
    return summary(here, record, staged)


def read_private_key(path: Path) -> bytes:
    """
    The bytes of the file of a private key.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as exc:
        raise UsageError(f"signing key: {path}: {exc.strerror}") from exc


def check_will_be_signed(here: Workplace, sign_with: str | Path | None) -> None:
    """
    Refuse, before any work is done, what could not be published for want of a key.

    Raises:
        SignatureError: signatures are required here, and no private key is named.
    """
    key = sign_with if sign_with is not None else here.settings.signing_key
    if here.trust.require_signature and here.settings.only_store is None and key is None:
        raise SignatureError(f"a signature is required here, and no private key is named; {_HOW_TO_SIGN}")


def _sign(here: Workplace, directory: Path, sign_with: str | Path | None) -> None:
    """A store that only holds what `cloche reproduce` throws away asks for no signature."""
    path = sign_with if sign_with is not None else here.settings.signing_key
    if path is not None:
        sign(directory, read_private_key(Path(path)))
        digest = identity((directory / MANIFEST).read_bytes())
        audit.record(here.trust.audit, who=here.user, what="sign", verdict="signed", digest=digest, must=True)
    if here.trust.require_signature and here.settings.only_store is None:
        try:
            check_trusted(directory, here.trust)
        except SignatureError as exc:
            raise SignatureError(f"{exc}; {_HOW_TO_SIGN}") from exc


def summary(here: Workplace, record: VersionRecord, staged: Staged) -> Version:
    """What is told about a version that was just published."""
    routes = here.registry.routes(record.name)
    live = routes is not None and record.version in routes.live.values()
    return Version(
        name=record.name,
        version=record.version,
        contract=record.contract,
        artifact=record.manifest,
        store=here.store.describe(),
        live=live,
        rules=tuple(describe(staged.contract)),
        notes=(*staged.notes, *_advice(here, record, staged)),
        engine=told(staged.manifest),
        named_store=here.given,
    )


def _advice(here: Workplace, record: VersionRecord, staged: Staged) -> Iterator[str]:
    """What has to be said before anybody can open it, the one who saved it included."""
    manifest = staged.manifest
    native = chosen(manifest, "auto") == "native"
    code = get_flavor(manifest.flavor, here.trust.flavors).code(manifest.options) if native else None
    trusted = record.manifest in here.trust.trusted_digests or (record.signature and here.trust.signing_keys)
    if code is not None and not trusted:
        yield f"{code}; where it is to be served: cloche trust {record.name}@{record.version}"


def promote(here: Workplace, name: str, version: int, *, why: str | None = None, preflight: bool = True) -> RouteEvent:
    """
    Open the version here first, golden rows and all, then point the route `live` of its contract at it.

    Raises:
        ArtifactError: the version does not open; the routes are as they were.
    """
    record = here.registry.version(name, version)
    if preflight:
        _check_opens(here, record)
    return here.registry.promote(name, version, by=here.user, why=why)


def rollback(
    here: Workplace,
    name: str,
    *,
    to: int | None = None,
    contract: int | None = None,
    why: str | None = None,
    preflight: bool = True,
) -> RouteEvent:
    """
    Point `live` back to the version before the last promote (of *contract*) not yet rolled back, or to *to*.

    Raises:
        ArtifactError: the version does not open here; the routes are as they were.
        RouteRaceError: somebody else changed the routes between the check and the change.
    """
    if not preflight:
        return here.registry.rollback(name, to=to, contract=contract, by=here.user, why=why)
    version, expect = (to, None) if to is not None else here.registry.rollback_target(name, contract)
    if version is not None:
        _check_opens(here, here.registry.version(name, version))
    return here.registry.rollback(name, to=to, contract=contract, by=here.user, why=why, expect=expect)


def _check_opens(here: Workplace, record: VersionRecord) -> None:
    try:
        open_record(here, record)
    except ArtifactError as exc:
        raise type(exc)(
            f"pre-flight: {record.name} version {record.version} does not open here, so the routes are as they were "
            f"(--no-preflight changes them nevertheless): {exc}"
        ) from exc


def _next_number(here: Workplace, name: str) -> int:
    return max((record.contract for record in here.registry.versions(name)), default=0) + 1


def _contract_number(here: Workplace, name: str, staged: Staged) -> int:
    versions = here.registry.versions(name)
    if not versions:
        return 1
    number = versions[-1].contract
    changes = compare(here.registry.contract(name, number), staged.contract)
    breaks = _once([*changes.breaks, *staged.breaks])
    if breaks:
        listed = "\n".join(f"  - {one}" for one in breaks)
        raise BreakingContractError(
            f"{name}: the new version breaks contract {number}; nothing was published:\n{listed}\n"
            f"ways out: publish it under contract {number + 1}, served beside the old one (new_contract=True, "
            "--new-contract); save it under another name; or keep the old promise in the model or with contract={...}",
            breaks,
        )
    return number


def _once(breaks: list[str]) -> list[str]:
    """Each rule once, though it moved from one value in the contract and from another in the version before."""
    return list({one.partition(" from ")[0]: one for one in reversed(breaks)}.values())[::-1]
