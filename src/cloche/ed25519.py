"""
Ed25519 keys and signatures: the home of cryptography.

Reached from `signing` when there is a key: most processes of a server never see one, and would import it all the same.
"""

from __future__ import annotations

import base64

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cloche.errors import SignatureError, UsageError


def new_key() -> tuple[bytes, bytes]:
    """A new key pair as PEM: the private key (PKCS#8, not encrypted) and the public one."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, public


def raw_key(key: bytes) -> bytes:
    """
    The 32 bytes of a public key given as such, as base64 or as PEM.

    Raises:
        SignatureError: it is none.
    """
    return _public_key(key).public_bytes_raw()


def signature_of(message: bytes, private_key_pem: bytes) -> tuple[bytes, bytes]:
    """
    The 64 bytes of a signature, and the 32 of the public key.

    Raises:
        UsageError: the key is not an unencrypted Ed25519 private key in PEM.
    """
    key = _private_key(private_key_pem)
    return key.sign(message), key.public_key().public_bytes_raw()


def is_by(key: bytes, signature: bytes, message: bytes) -> bool:
    """
    Whether the holder of the public *key* signed *message*.

    Raises:
        SignatureError: *key* is no Ed25519 public key.
    """
    try:
        _public_key(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _private_key(pem: bytes) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise UsageError(f"signing key: expected an unencrypted Ed25519 private key in PEM: {exc}") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"signing key: expected an Ed25519 private key, got {type(key).__name__}")
    return key


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
