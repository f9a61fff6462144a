"""
What an operator allows beyond the default, as plain data.

A policy is made from the operator's own configuration (`config.TrustSettings`) or from flags, never
from an artifact, a store or the working directory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """
    Which artifacts may be opened, and what they may hold.

    `signing_keys` are Ed25519 public keys: 32 raw bytes, their base64, or PEM. `allowed_types` are fully
    qualified names (`package.module.Class`) that a model may hold besides the built-in allow-list,
    `allowed_functions` those (`package.module.function`) that may be a model. `trusted_digests` are identities of
    artifacts (sha256 of the manifest, lower-case hex) whose files may run code when they are opened. Decisions are
    recorded for `who`, in the file `audit` where there is one. `flavors` are model libraries of the operator's own:
    name and `module:Class`.
    """

    require_signature: bool = False
    signing_keys: tuple[bytes, ...] = ()
    allowed_types: frozenset[str] = frozenset()
    allowed_functions: frozenset[str] = frozenset()
    trusted_digests: frozenset[str] = frozenset()
    audit: str | None = None
    who: str = "unknown"
    flavors: tuple[tuple[str, str], ...] = ()

    def names_only(self) -> TrustPolicy:
        """The same types, functions and flavors; no signature asked for, no digest trusted, nothing recorded."""
        return TrustPolicy(
            allowed_types=self.allowed_types, allowed_functions=self.allowed_functions, flavors=self.flavors
        )

    def with_digest(self, digest: str) -> TrustPolicy:
        """The same, and the artifact of this identity is trusted."""
        return replace(self, trusted_digests=self.trusted_digests | {digest})

    def to_dict(self) -> dict[str, Any]:
        """The policy as plain data, for the process that opens the artifact."""
        return {
            "require_signature": self.require_signature,
            "signing_keys": list(self.signing_keys),
            "allowed_types": sorted(self.allowed_types),
            "allowed_functions": sorted(self.allowed_functions),
            "trusted_digests": sorted(self.trusted_digests),
            "audit": self.audit,
            "who": self.who,
            "flavors": list(self.flavors),
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> TrustPolicy:
        """What `to_dict` gave."""
        return cls(
            given["require_signature"],
            tuple(given["signing_keys"]),
            frozenset(given["allowed_types"]),
            frozenset(given["allowed_functions"]),
            frozenset(given["trusted_digests"]),
            given["audit"],
            given["who"],
            tuple((name, target) for name, target in given["flavors"]),
        )


#: Unsigned artifacts, and the built-in allow-list alone.
DEFAULT = TrustPolicy()
