"""
Ed25519 signatures over the exact bytes of `manifest.json`, which holds every other digest.

`manifest.sig` holds a line for each signer: the base64 of the 64 bytes. Signatures that are added after a version was
published lie beside it in the registry, and beside the artifact's folder in the cache (`<identity>.sig`). Trusted
public keys are handed over as 32 raw bytes, as their base64, or as PEM (`openssl genpkey -algorithm ed25519`,
`openssl pkey -pubout`).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from cloche.errors import SignatureError
from cloche.manifest import MANIFEST, SIGNATURE
from cloche.trust import TrustPolicy

_ED25519: Final = "cloche.ed25519"


def new_key() -> tuple[bytes, bytes]:
    """A new key pair as PEM: the private key (PKCS#8, not encrypted) and the public one."""
    made: tuple[bytes, bytes] = _ed25519().new_key()
    return made


def key_id(key: bytes) -> str:
    """
    How a public key is named: the first 16 hex digits of the sha256 of its 32 bytes.

    Raises:
        SignatureError: *key* is no Ed25519 public key.
    """
    return hashlib.sha256(raw_key(key)).hexdigest()[:16]


def raw_key(key: bytes) -> bytes:
    """
    The 32 bytes of a public key given as such, as base64 or as PEM.

    Raises:
        SignatureError: it is none.
    """
    raw: bytes = _ed25519().raw_key(key)
    return raw


def signed(manifest: bytes, private_key_pem: bytes) -> tuple[bytes, bytes]:
    """
    The signature of a manifest as a line of `manifest.sig`, and the 32 bytes of the public key.

    Raises:
        UsageError: the key is not an unencrypted Ed25519 private key in PEM.
    """
    signature, key = _ed25519().signature_of(manifest, private_key_pem)
    return base64.b64encode(signature) + b"\n", key


def sign(directory: Path, private_key_pem: bytes) -> None:
    """
    Write `manifest.sig` beside the manifest in *directory*.

    Raises:
        UsageError: the key is not an unencrypted Ed25519 private key in PEM.
    """
    line, _ = signed((directory / MANIFEST).read_bytes(), private_key_pem)
    (directory / SIGNATURE).write_bytes(line)


def later_signatures(directory: Path) -> Path:
    """The file beside an artifact's folder in the cache with the signatures that came after it was published."""
    return directory.with_name(f"{directory.name}.sig")


def check_signature(manifest: bytes, signature: bytes | None, trust: TrustPolicy, later: bytes = b"") -> None:
    """
    Check the signatures of the bytes of a manifest, where the operator's policy has keys or demands one.

    *signature* is what came with the artifact: one that is broken, or by strangers only, is a refusal. *later* are
    signatures from beside the version: anybody who may write to the store can put one there, so only those by trusted
    keys count.

    Raises:
        SignatureError: it is missing though demanded, broken, or by no trusted key.
    """
    if not trust.signing_keys:
        if trust.require_signature:
            raise SignatureError(
                "a signature is required, and no signing key is trusted; run: cloche trust --key PUBLIC.pem"
            )
        return
    if signers(manifest, later, trust.signing_keys):
        return
    if signature is None:
        if trust.require_signature:
            raise SignatureError(f"{SIGNATURE}: missing, and a signature is required; run: cloche sign NAME@VERSION")
        return
    raw, is_by = _decoded(signature), _ed25519().is_by
    if not any(is_by(key, one, manifest) for one in raw for key in trust.signing_keys):
        raise SignatureError(f"{SIGNATURE}: not a signature of this {MANIFEST} by any of the trusted keys")


def is_signed_by_trusted(manifest: bytes, signature: bytes | None, trust: TrustPolicy, later: bytes = b"") -> bool:
    """Whether one of the operator's keys signed the manifest; without keys nobody did."""
    return bool(signers(manifest, (signature or b"") + b"\n" + later, trust.signing_keys))


def signers(manifest: bytes, signatures: bytes, keys: Iterable[bytes]) -> tuple[bytes, ...]:
    """Which of *keys* signed the manifest, as they were given; lines that are no signature are passed over."""
    raw, known = list(_readable(signatures)), tuple(keys)
    if not raw or not known:
        return ()
    is_by = _ed25519().is_by
    return tuple(key for key in known if any(is_by(key, one, manifest) for one in raw))


def _decoded(signature: bytes) -> list[bytes]:
    found = [_one(line) for line in signature.split(b"\n") if line.strip()]
    return found or [_one(b"")]


def _readable(signatures: bytes) -> Iterator[bytes]:
    for line in signatures.split(b"\n"):
        with contextlib.suppress(SignatureError):
            yield _one(line)


def _one(line: bytes) -> bytes:
    try:
        raw = base64.b64decode(line.strip(), validate=True)
    except binascii.Error as exc:
        raise SignatureError(f"{SIGNATURE}: expected base64: {exc}") from exc
    if len(raw) != 64:
        raise SignatureError(f"{SIGNATURE}: expected 64 bytes, got {len(raw)}")
    return raw


def _ed25519() -> Any:
    return import_module(_ED25519)
