"""What is put on record when an artifact is opened: who signed it, whether its code may run, why it was refused."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import msgspec

from cloche import audit, integrity
from cloche.errors import ArtifactError
from cloche.manifest import MANIFEST, identity
from cloche.signing import key_id, signers
from cloche.trust import TrustPolicy


def refused(directory: Path, trust: TrustPolicy, exc: ArtifactError) -> None:
    """The artifact in *directory* is not opened."""
    name, digest = _named(directory)
    _record(trust, what="open", verdict="refused", name=name, digest=digest, why=f"{type(exc).__name__}: {exc}")


def signature_seen(manifest: bytes, signature: bytes | None, later: bytes, trust: TrustPolicy) -> None:
    """A signature by a trusted key; where no key is trusted there is nothing to decide."""
    keys = signers(manifest, (signature or b"") + b"\n" + later, trust.signing_keys)
    if keys:
        why = f"signed by {', '.join(key_id(key) for key in keys)}"
        _record(trust, what="signature", verdict="trusted", name=_name(manifest), digest=identity(manifest), why=why)


def code_allowed(trust: TrustPolicy, name: str, digest: str, code: str, why: str) -> None:
    """A format that runs code is about to be opened."""
    _record(trust, what="code", verdict="trusted", name=name, digest=digest, why=f"{why}; {code}")


def _record(trust: TrustPolicy, **facts: Any) -> None:
    if trust.audit is not None:
        audit.record(trust.audit, who=trust.who, **facts)


def _named(directory: Path) -> tuple[str | None, str | None]:
    """What the artifact calls itself, and its identity; None where even that cannot be read."""
    with contextlib.suppress(ArtifactError, OSError):
        raw = integrity.read_plain(directory / MANIFEST, limit=16 << 20)
        return _name(raw), identity(raw)
    return None, None


def _name(manifest: bytes) -> str | None:
    try:
        return _name_only.decode(manifest).name[:64]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


class _NameOnly(msgspec.Struct):
    name: str


#: Made at import: where two threads work a type out at once, msgspec crashes the process.
_name_only = msgspec.json.Decoder(_NameOnly)
