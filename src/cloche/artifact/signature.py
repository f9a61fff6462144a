"""
`manifest.sig`: an Ed25519 signature over the exact bytes of `manifest.json`, which holds every other digest.

The file is the base64 of the 64 signature bytes and a newline. Trusted public keys are handed over as 32 raw bytes, as
their base64, or as PEM (`openssl genpkey -algorithm ed25519`, `openssl pkey -pubout`).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cloche.errors import SignatureError, UsageError
from cloche.manifest import MANIFEST, SIGNATURE
from cloche.trust import TrustPolicy


def sign(directory: Path, private_key_pem: bytes) -> None:
    """
    Write `manifest.sig` beside the manifest in *directory*.

    Raises:
        UsageError: the key is not an unencrypted Ed25519 private key in PEM.
    """
    try:
        key = serialization.load_pem_private_key(private_key_pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise UsageError(f"signing key: expected an unencrypted Ed25519 private key in PEM: {exc}") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"signing key: expected an Ed25519 private key, got {type(key).__name__}")
    signature = key.sign((directory / MANIFEST).read_bytes())
    (directory / SIGNATURE).write_bytes(base64.b64encode(signature) + b"\n")


def check_signature(manifest: bytes, signature: bytes | None, trust: TrustPolicy) -> None:
    """
    Check the *signature* of the bytes of a manifest, where the operator's policy has keys or demands one.

    Raises:
        SignatureError: it is missing though demanded, broken, or by no trusted key.
    """
    if not trust.signing_keys:
        if trust.require_signature:
            raise SignatureError("a signature is required, and no signing key is trusted; set trust.signing_keys")
        return
    if signature is None:
        if trust.require_signature:
            raise SignatureError(f"{SIGNATURE}: missing, and a signature is required")
        return
    if not _is_by_one(manifest, signature, trust):
        raise SignatureError(f"{SIGNATURE}: not a signature of this {MANIFEST} by any of the trusted keys")


def is_signed_by_trusted(manifest: bytes, signature: bytes | None, trust: TrustPolicy) -> bool:
    """Whether one of the operator's keys signed the manifest; without keys nobody did."""
    return bool(trust.signing_keys) and signature is not None and _is_by_one(manifest, signature, trust)


def _is_by_one(manifest: bytes, signature: bytes, trust: TrustPolicy) -> bool:
    raw = _decoded(signature)
    return any(_is_by(key, raw, manifest) for key in public_keys(trust.signing_keys))


def _decoded(signature: bytes) -> bytes:
    try:
        raw = base64.b64decode(signature.strip(), validate=True)
    except binascii.Error as exc:
        raise SignatureError(f"{SIGNATURE}: expected base64: {exc}") from exc
    if len(raw) != 64:
        raise SignatureError(f"{SIGNATURE}: expected 64 bytes, got {len(raw)}")
    return raw


def _is_by(key: Ed25519PublicKey, signature: bytes, manifest: bytes) -> bool:
    try:
        key.verify(signature, manifest)
    except InvalidSignature:
        return False
    return True


def public_keys(keys: Iterable[bytes]) -> list[Ed25519PublicKey]:
    """
    The trusted keys, parsed.

    Raises:
        SignatureError: one is no Ed25519 public key.
    """
    return [_public_key(key) for key in keys]


def _public_key(key: bytes) -> Ed25519PublicKey:
    try:
        if key.lstrip().startswith(b"-----BEGIN"):
            parsed = serialization.load_pem_public_key(key)
            if isinstance(parsed, Ed25519PublicKey):
                return parsed
            raise ValueError(f"got {type(parsed).__name__}")
        raw = key if len(key) == 32 else base64.b64decode(key.strip(), validate=True)
        return Ed25519PublicKey.from_public_bytes(raw)
    except (ValueError, UnsupportedAlgorithm) as exc:
        wanted = "Ed25519 public keys (32 bytes, base64, or PEM)"
        raise SignatureError(f"trust.signing_keys: expected {wanted}: {exc}") from exc
