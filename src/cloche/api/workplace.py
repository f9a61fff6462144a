"""Where a call works: the settings, the store and its registry, read once at the front door."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cloche.config import Settings, from_environment
from cloche.registry import Registry
from cloche.store import Store
from cloche.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class Workplace:
    """Settings, registry and trust of one call."""

    settings: Settings
    registry: Registry
    trust: TrustPolicy
    given: str | None = None  # the store that the caller named, which the next command has to name as well

    @property
    def store(self) -> Store:
        """Where the registry lies."""
        return self.registry.store

    @property
    def user(self) -> str:
        """Who versions and route events are recorded for."""
        return self.settings.user


def workplace(store: str | None = None) -> Workplace:
    """
    The workplace of this process: *store*, else `CLOCHE_STORE`, else the nearest `.cloche` folder.

    Raises:
        UsageError: a setting is unknown or has a wrong type.
    """
    settings = from_environment()
    opened = Store.open(store if store is not None else settings.store, Path.cwd())
    trust = TrustPolicy(
        require_signature=settings.trust.require_signature,
        signing_keys=settings.trust.signing_key_pems(),
        allowed_types=settings.trust.allowed_types,
        allowed_functions=settings.trust.allowed_functions,
        trusted_digests=settings.trust.trusted_digests,
    )
    return Workplace(settings, Registry(opened), trust, given=store)
