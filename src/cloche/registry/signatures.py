"""
Signatures that were added to a version after it was published: `models/NAME/signatures/000007/DIGEST.json`.

Each is written once; several signers may sign one version. They hold no sha256 of a blob, so that they keep nothing
from being collected. Whoever may write to the store can put one here: it counts only where its key is trusted.
"""

from __future__ import annotations

import contextlib
import hashlib

import msgspec

from cloche.errors import ObjectExistsError, SignatureError, StoreError
from cloche.registry import layout
from cloche.registry.model import VersionRecord, decode, encode
from cloche.signing import key_id, signers
from cloche.store import Store

FORMAT = "cloche-signature/1"


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """
    Who signed which version when; `signature` and `key` (the public one) are base64.

    The signature is over the exact bytes of the manifest of the version's artifact.
    """

    name: str
    version: int
    key: str
    signature: str
    by: str
    at: str
    schema: str = FORMAT

    @property
    def line(self) -> bytes:
        """As it stands in a `manifest.sig`."""
        return self.signature.strip().encode("utf-8", "replace") + b"\n"

    def problem(self, record: VersionRecord, manifest: bytes) -> str | None:
        """Why it says nothing about *record*, whose manifest has the bytes *manifest*; None where it does."""
        if (self.name, self.version) != (record.name, record.version):
            return f"it is for {self.name}@{self.version}"
        try:
            mine = signers(manifest, self.line, (self.key.encode("utf-8", "replace"),))
        except SignatureError:
            return "it holds no Ed25519 public key"
        return None if mine else f"it is not the signature of this manifest by its key {self.key_id}"

    @property
    def key_id(self) -> str:
        """
        The name of its key.

        Raises:
            SignatureError: it holds no public key.
        """
        return key_id(self.key.encode("utf-8", "replace"))


def keep(store: Store, signature: Signature) -> bool:
    """Write it beside the version; False where the same signature is there already."""
    path = layout.signature(signature.name, signature.version, hashlib.sha256(signature.line).hexdigest())
    with contextlib.suppress(ObjectExistsError):
        store.create(path, encode(signature))
        return True
    return False


def read(store: Store, path: str) -> Signature:
    """
    The signature in the object *path*.

    Raises:
        StoreError: the object is none.
    """
    return decode(store.get(path), Signature, f"store {store.describe()}: {path}")


def of_version(store: Store, record: VersionRecord, manifest: bytes) -> list[Signature]:
    """Those that are valid for *record*, by time; others are what `verify` reports."""
    found = []
    for path in store.list(layout.signatures(record.name, record.version)):
        with contextlib.suppress(StoreError):
            one = read(store, path)
            if one.problem(record, manifest) is None:
                found.append(one)
    return sorted(found, key=lambda one: (one.at, one.signature))
