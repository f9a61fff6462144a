"""`/etc/cloche/config.toml` of an image: what its operator trusts, as far as it concerns what the image serves."""

from __future__ import annotations

import base64
import json

from cloche.deploy.image import CONFIG
from cloche.signing import raw_key
from cloche.trust import TrustPolicy

#: What precedes the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410, section 4).
_SPKI = bytes.fromhex("302a300506032b6570032100")


def trusted(trust: TrustPolicy, artifact: str, flavor: str) -> dict[str, bytes]:
    """
    The files below `/etc/cloche`; neither the digest of another artifact nor another flavor of the
    operator's own gets in.

    Keys, types and functions are names of what may come: they are there for later versions as well.
    """
    keys = {f"signers/{number}.pem": _pem(key) for number, key in enumerate(_raw(trust), 1)}
    digests = sorted(trust.trusted_digests & {artifact})
    lines = [
        "# What the operator trusts, put here by cloche build --trust.",
        "[trust]",
        f"require_signature = {str(trust.require_signature).lower()}",
        f"signing_keys = {json.dumps([f'{CONFIG}/{name}' for name in keys])}",
        f"allowed_types = {json.dumps(sorted(trust.allowed_types))}",
        f"allowed_functions = {json.dumps(sorted(trust.allowed_functions))}",
        f"trusted_digests = {json.dumps(digests)}",
    ]
    own = dict(trust.flavors).get(flavor)
    lines += [] if own is None else ["[flavors]", f"{json.dumps(flavor)} = {json.dumps(own)}"]
    return {"config.toml": "".join(f"{line}\n" for line in lines).encode(), **keys}


def _raw(trust: TrustPolicy) -> list[bytes]:
    """Each key once, in an order of its own: where a key was written down does not matter."""
    return sorted({raw_key(key) for key in trust.signing_keys})


def _pem(raw: bytes) -> bytes:
    body = base64.b64encode(_SPKI + raw).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n".encode()
