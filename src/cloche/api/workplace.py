"""Where a call works: the settings, the store and its registry, read once at the front door."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cloche import registry as registries
from cloche import store as stores
from cloche.config import Settings, from_environment
from cloche.errors import RefusedError
from cloche.store.address import Address, address_of
from cloche.trust import TrustPolicy


@dataclass(frozen=True)
class Workplace:
    """Settings, registry and trust of one call; the registry is imported when it is asked for."""

    settings: Settings
    address: Address
    trust: TrustPolicy
    given: str | None = None  # the store that the caller named, which the next command has to name as well

    @cached_property
    def registry(self) -> registries.Registry:
        """The versions and routes of the store."""
        return registries.Registry(stores.Store(self.address.url, self.address.root))

    @property
    def store(self) -> stores.Store:
        """Where the registry lies."""
        return self.registry.store

    @property
    def user(self) -> str:
        """Who versions and route events are recorded for."""
        return self.settings.user

    def other_store(self, where: str) -> stores.Store:
        """
        Another store than this one, at a URL or a path.

        Raises:
            RefusedError: the setting `only_store` says that there is one store only.
        """
        if self.settings.only_store is not None:
            raise RefusedError(f"{where}: only_store is set, so that nothing but {self.store.describe()} is used")
        return stores.Store.open(where, Path.cwd())


def workplace(store: str | None = None) -> Workplace:
    """
    The workplace of this process: *store*, else `CLOCHE_STORE`, else the nearest `.cloche` folder.

    The setting `only_store` goes before all of them.

    Raises:
        UsageError: a setting is unknown or has a wrong type, or others may change what is trusted.
    """
    settings = from_environment()
    named = settings.only_store or store or settings.store
    return Workplace(settings, address_of(named, Path.cwd()), policy(settings), given=store)


def policy(settings: Settings) -> TrustPolicy:
    """What the two configuration folders trust: `[trust]` of `config.toml`, and what `cloche trust` wrote."""
    granted = [grant for _, grant in settings.granted]

    def named(kind: str) -> frozenset[str]:
        return frozenset(one.what for one in granted if one.kind == kind)

    keys = [one.what.encode() for one in granted if one.kind == "key"]
    return TrustPolicy(
        require_signature=settings.trust.require_signature,
        signing_keys=(*settings.trust.signing_key_pems(), *keys),
        allowed_types=settings.trust.allowed_types | named("type"),
        allowed_functions=settings.trust.allowed_functions | named("function"),
        trusted_digests=settings.trust.trusted_digests | named("artifact"),
        audit=str(settings.audit_log),
        who=settings.user,
        flavors=settings.flavors,
    )
