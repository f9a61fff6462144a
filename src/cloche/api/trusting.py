"""What the operator trusts: artifacts, signing keys, types, functions; and who signed what."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloche import audit
from cloche.api.publishing import read_private_key
from cloche.api.workplace import Workplace
from cloche.artifact import check_signature, chosen
from cloche.config import Grant, grants
from cloche.config.grants import Kind
from cloche.errors import ArtifactError, MissingExtraError, NotFoundError, SignatureError, UsageError
from cloche.flavors import get_flavor
from cloche.manifest import Manifest
from cloche.registry import Signature, VersionRecord, blobs, parse_reference
from cloche.registry.registry import utc_now
from cloche.signing import key_id, new_key, raw_key, signed, signers
from cloche.trust import TrustPolicy

_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Trusted:
    """One thing that is trusted, why, and by which file; `by`, `at`, `reason` are unknown of `config.toml`."""

    kind: Kind
    what: str
    where: str
    name: str | None = None
    reason: str | None = None
    by: str | None = None
    at: str | None = None


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed a version: `trusted` says that the key is in this operator's ring, `name` is its name there."""

    key: str
    trusted: bool
    name: str | None = None
    by: str | None = None
    at: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    Whether a version would be opened here, as far as trust decides that: nothing of it is opened.

    `code` says why opening the model's own format runs code (None: it does not); `opens` and `why` are the verdict.
    """

    name: str
    version: int
    digest: str
    signers: tuple[Signer, ...]
    unknown_signatures: int
    code: str | None
    digest_trusted: bool
    opens: bool
    why: str


# -- the list --------------------------------------------------------------------------------------


def listing(here: Workplace) -> list[Trusted]:
    """Everything that is trusted here: what `cloche trust` wrote, then what stands in `config.toml`."""
    found = [
        Trusted(one.kind, _shown(one.kind, one.what), str(path), one.name, one.reason, one.by, one.at)
        for path, one in here.settings.granted
    ]
    written = here.settings.trust
    named: tuple[tuple[Kind, Iterable[str]], ...] = (
        ("artifact", sorted(written.trusted_digests)),
        ("type", sorted(written.allowed_types)),
        ("function", sorted(written.allowed_functions)),
    )
    found += [Trusted(kind, one, "config.toml") for kind, names in named for one in names]
    keys = zip(written.signing_keys, written.signing_key_pems(), strict=True)
    return [*found, *(Trusted("key", key_id(pem), "config.toml", name=path.name) for path, pem in keys)]


def _shown(kind: Kind, what: str) -> str:
    return key_id(what.encode()) if kind == "key" else what


# -- granting and taking back ----------------------------------------------------------------------


def trust_artifact(here: Workplace, reference: str, *, reason: str | None = None) -> Grant:
    """
    Trust the artifact of `NAME@VERSION`, or of a sha256: opening it may run code that came with it.

    Raises:
        UsageError: a route or a bare name, which mean another artifact tomorrow.
        NotFoundError: no such version.
    """
    digest, name = _identity(here, reference)
    return _grant(here, "artifact", digest, name=name, reason=reason)


def trust_key(here: Workplace, path: Path, *, name: str | None = None, reason: str | None = None) -> Grant:
    """
    Trust what the owner of the public key in the file *path* signs.

    Raises:
        UsageError: the file holds no Ed25519 public key.
    """
    return _grant(here, "key", _public_key(path), name=name or path.stem, reason=reason)


def trust_name(here: Workplace, kind: Kind, name: str, *, reason: str | None = None) -> Grant:
    """Trust a type or a function by its dotted name."""
    return _grant(here, kind, name, name=None, reason=reason)


def distrust(here: Workplace, kind: Kind, what: str) -> Grant:
    """
    Take back what `cloche trust` granted; *what* is as it was given, or as the list shows it.

    Raises:
        NotFoundError: nothing like it is in the user's file.
    """
    wanted = _wanted(here, kind, what)
    path = here.settings.trust_file
    if not any((one.kind, one.what) == (kind, wanted) for one in grants.read(path)):
        others = [one.where for one in listing(here) if (one.kind, one.what) == (kind, _shown(kind, wanted))]
        hint = f"; it stands in {others[0]}, take it out there" if others else "; cloche trust lists what is trusted"
        raise NotFoundError(f"{path}: no {kind} '{what}' there{hint}")
    _recorded(here, "untrust", "removed", kind, wanted)
    gone = grants.remove(path, kind, wanted)
    if gone is None:
        raise NotFoundError(f"{path}: no {kind} '{what}' there any more")
    return gone


def _grant(here: Workplace, kind: Kind, what: str, *, name: str | None, reason: str | None) -> Grant:
    """On record before it counts: a decision that cannot be recorded is not taken."""
    grants.check(kind, what, f"--{kind}" if kind != "artifact" else "artifact")
    _recorded(here, "trust", "trusted", kind, what, name=name, why=reason)
    grant = Grant(kind=kind, what=what, by=here.user, at=utc_now(), reason=reason, name=name)
    grants.add(here.settings.trust_file, grant)
    return grant


def _recorded(here: Workplace, what: str, verdict: str, kind: Kind, of: str, **facts: Any) -> None:
    subject: dict[str, Any] = {"digest" if kind == "artifact" else kind: _shown(kind, of)}
    audit.record(here.trust.audit, who=here.user, what=what, verdict=verdict, must=True, **{**subject, **facts})


def _identity(here: Workplace, reference: str) -> tuple[str, str | None]:
    bare = _SHA256.fullmatch(reference)
    if bare:
        return bare[1], None
    wanted = parse_reference(reference)
    if wanted.version is None:
        raise UsageError(f"'{reference}': expected NAME@VERSION or a sha256: a route means another artifact tomorrow")
    return here.registry.version(wanted.name, wanted.version).manifest, reference


def _wanted(here: Workplace, kind: Kind, what: str) -> str:
    if kind == "artifact":
        return _identity(here, what)[0]
    if kind != "key":
        return what
    ring = [one.what for one in grants.read(here.settings.trust_file) if one.kind == "key"]
    named = [one for one in ring if key_id(one.encode()) == what]
    return named[0] if named else _public_key(Path(what))


def _public_key(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise UsageError(f"--key: {path}: {exc.strerror}") from exc
    if b"PRIVATE KEY" in raw:
        raise UsageError(f"--key: {path}: a private key; expected the public one (PEM)")
    try:
        return base64.b64encode(raw_key(raw)).decode()
    except SignatureError as exc:
        raise UsageError(f"--key: {path}: {exc}") from exc


# -- signing ---------------------------------------------------------------------------------------


def sign(here: Workplace, reference: str, key: Path | None) -> tuple[VersionRecord, Signature, bool]:
    """
    Sign the version that *reference* names with the private key in the file *key*; whether the signature is new.

    Raises:
        UsageError: no key was named, or the file holds none.
        ArtifactError: what is stored is not what was published.
    """
    path = key or here.settings.signing_key
    if path is None:
        raise UsageError("sign: name the private key: --key FILE, or the setting signing_key")
    record = here.registry.resolve(reference).version
    here.registry.fetch(record, here.settings.cache, here.trust)  # every digest of what is signed is checked
    pem = read_private_key(path)
    _, public = signed(here.registry.raw_manifest_of(record), pem)
    audit.record(
        here.trust.audit, who=here.user, what="sign", verdict="signed", must=True,
        name=f"{record.name}@{record.version}", digest=record.manifest, key=key_id(public),
    )  # fmt: skip
    signature, new = here.registry.sign(record, pem, by=here.user)
    return record, signature, new


def generate(path: Path) -> tuple[Path, str]:
    """
    Write a new private key to *path*, readable by its owner only, and the public one beside it (`.pub`); its id.

    Raises:
        UsageError: one of the files is there already, or cannot be written.
    """
    private, public = new_key()
    beside = path.with_name(f"{path.name}.pub")
    if beside.exists():
        raise UsageError(f"{beside}: is there already; nothing was written")
    for file, content, mode in ((path, private, 0o600), (beside, public, 0o644)):
        try:
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:  # noqa: PTH123
                out.write(content)
        except FileExistsError as exc:
            raise UsageError(f"{file}: is there already; nothing was written") from exc
        except OSError as exc:
            raise UsageError(f"{file}: {exc.strerror}") from exc
    return beside, key_id(public)


# -- verdicts --------------------------------------------------------------------------------------


def verdict(here: Workplace, record: VersionRecord) -> Verdict:
    """
    Who signed a version, what opening it would run, and whether this operator's trust lets it be opened.

    Raises:
        ArtifactError: the stored manifest is not the version's.
        StoreError: the store could not be read.
    """
    raw = here.registry.raw_manifest_of(record)
    own = None if record.signature is None else blobs.read(here.store, record.signature)
    added = here.registry.signatures_of(record)
    later = b"".join(one.line for one in added)
    manifest = Manifest.from_json(raw)
    code, trusted = _code(manifest, here.trust), record.manifest in here.trust.trusted_digests
    ring = signers(raw, (own or b"") + b"\n" + later, here.trust.signing_keys)
    try:
        check_signature(raw, own, here.trust, later)
        opens = code is None or trusted or bool(ring)
        why = _why(code, trusted=trusted, signed=bool(ring), name=f"{record.name}@{record.version}")
    except ArtifactError as exc:
        opens, why = False, str(exc).replace("NAME@VERSION", f"{record.name}@{record.version}")
    known = tuple(_signers(here, ring, added))
    lines = {line.strip() for line in ((own or b"") + b"\n" + later).split(b"\n") if line.strip()}
    found = Verdict(
        name=record.name, version=record.version, digest=record.manifest, signers=known,
        unknown_signatures=max(0, len(lines) - len(known)), code=code, digest_trusted=trusted, opens=opens, why=why,
    )  # fmt: skip
    audit.record(
        here.trust.audit, who=here.user, what="verify", verdict="trusted" if opens else "refused",
        name=f"{record.name}@{record.version}", digest=record.manifest, why=why,
    )  # fmt: skip
    return found


def _why(code: str | None, *, trusted: bool, signed: bool, name: str) -> str:
    if code is None:
        return "signed by a trusted key" if signed else "opening it runs no code, and no signature is required"
    if trusted:
        return "its digest is trusted"
    return "signed by a trusted key" if signed else f"{code}; trust it: cloche trust {name}"


def _code(manifest: Manifest, trust: TrustPolicy) -> str | None:
    """Why the model's own format runs code; where another engine answers first, that format stays shut."""
    try:
        native = chosen(manifest, "auto") == "native"
        return get_flavor(manifest.flavor, trust.flavors).code(manifest.options) if native else None
    except MissingExtraError:
        return None


def _signers(here: Workplace, ring: Iterable[bytes], added: list[Signature]) -> Iterator[Signer]:
    names = {one.what: one.name for one in listing(here) if one.kind == "key"}
    by = {one.key_id: one for one in added}
    trusted = {key_id(key) for key in ring}
    for key in sorted(trusted | by.keys()):
        one = by.get(key)
        yield Signer(
            key, key in trusted, names.get(key), None if one is None else one.by, None if one is None else one.at
        )
